"""What the restoration tasks do where nothing else is said."""

import dataclasses
from typing import Any

from ganjax.inversion.presets import PRESETS, NoiseMaps

AUTO = 'auto'  # of latent_dist_reg_weight: found for each image
TUNED_PRESET = 'projector'  # the preset that the tasks' defaults are tuned for
SETTLED_WITHIN = 0.01  # what `stop_when_settled` means by settled; see `Hyper`


@dataclasses.dataclass(frozen=True)
class Defaults:
  """What a task does where no flag says otherwise; tuned on photographs for the bundled weights."""

  degradation: str
  space: str = 'w_plus'
  noise_maps: NoiseMaps = 'free'
  num_steps: int = 200
  learning_rate: float = 0.1
  latent_dist_reg_weight: float = 0.1
  noise_reg_weight: float = 0.1
  pixel_weight: float = 3.0
  w_noise: float = 0.0


RESTORATIONS = {
  'invert': Defaults(
    'identity()',
    learning_rate=0.4,
    latent_dist_reg_weight=0.4,
    noise_reg_weight=0.01,
    pixel_weight=30.0,
  ),
  'deblur': Defaults('blur(kernel_size=25, variance=16)', learning_rate=0.2, noise_reg_weight=0.03),
  # What grey pictures leave open is the whole of the colour: only a likely face has a likely one.
  # `completed` has the details from the input.
  'colorize': Defaults('grayscale()', latent_dist_reg_weight=3.0, noise_reg_weight=10.0),
  'inpaint': Defaults(
    'mask(box=0.35:0.65:0.5:0.8)', latent_dist_reg_weight=0.3, noise_reg_weight=0.03
  ),
  'super_resolve': Defaults(
    'downsample(factor=8)',
    learning_rate=0.4,
    latent_dist_reg_weight=0.4,
    noise_reg_weight=1.0,
    pixel_weight=10.0,
  ),
  'denoise': Defaults(
    'noise(photons=24, drop=0.16)',
    learning_rate=0.3,
    latent_dist_reg_weight=0.05,
    noise_reg_weight=1.0,
    pixel_weight=1.0,
  ),
  # Rounded coefficients make a rugged loss: small steps get caught in it.
  'dejpeg': Defaults(
    'jpeg(quality=4)',
    learning_rate=0.6,
    latent_dist_reg_weight=1.0,
    noise_reg_weight=0.3,
    pixel_weight=100.0,
  ),
  'restore': Defaults(''),
}


def defaults_of(task: str, preset: str = TUNED_PRESET) -> dict[str, Any]:
  """What holds for a task and a preset: the fields of `Defaults`.

  Args:
    task: of `RESTORATIONS`.
    preset: of `PRESETS`; all but the tuned one have their own space, noise maps and
      hyperparameters, whatever the task.
  """
  defaults = dataclasses.asdict(RESTORATIONS[task])
  if preset == TUNED_PRESET:
    return defaults
  chosen = PRESETS[preset]
  own = {k: v for k, v in chosen.hyper._asdict().items() if k in defaults}
  space = chosen.phases[-1].space.name
  return {**defaults, **own, 'space': space, 'noise_maps': chosen.noise_maps}
