"""What the restoration tasks do where nothing else is said."""

from typing import Any

from ganjax.inversion.presets import PRESETS

AUTO = 'auto'  # of latent_dist_reg_weight: found for each image
TUNED_PRESET = 'projector'  # the preset that the tasks' defaults are tuned for
SETTLED_WITHIN = 0.01  # what `stop_when_settled` means by settled; see `Hyper`

# What holds where a task has no other value; tuned on photographs for the bundled weights.
BASE: dict[str, Any] = {
  'degradation': '',
  'space': 'w_plus',
  'noise_maps': 'free',
  'num_steps': 200,
  'learning_rate': 0.1,
  'latent_dist_reg_weight': 0.1,
  'noise_reg_weight': 0.1,
  'pixel_weight': 3.0,
  'w_noise': 0.0,
}

RESTORATIONS: dict[str, dict[str, Any]] = {
  'invert': {
    'degradation': 'identity()',
    'learning_rate': 0.4,
    'latent_dist_reg_weight': 0.4,
    'noise_reg_weight': 0.01,
    'pixel_weight': 30.0,
  },
  'deblur': {
    'degradation': 'blur(kernel_size=25, variance=16)',
    'learning_rate': 0.2,
    'noise_reg_weight': 0.03,
  },
  # What grey photos leave open is the whole of the colour: only a likely face has a likely one.
  # `completed` has the details from the input.
  'colorize': {
    'degradation': 'grayscale()',
    'latent_dist_reg_weight': 3.0,
    'noise_reg_weight': 10.0,
  },
  'inpaint': {
    'degradation': 'mask(box=0.35:0.65:0.5:0.8)',
    'latent_dist_reg_weight': 0.3,
    'noise_reg_weight': 0.03,
  },
  'super_resolve': {
    'degradation': 'downsample(factor=8)',
    'learning_rate': 0.4,
    'latent_dist_reg_weight': 0.4,
    'noise_reg_weight': 1.0,
    'pixel_weight': 10.0,
  },
  'denoise': {
    'degradation': 'noise(photons=24, drop=0.16)',
    'learning_rate': 0.3,
    'latent_dist_reg_weight': 0.05,
    'noise_reg_weight': 1.0,
    'pixel_weight': 1.0,
  },
  # Rounded coefficients make a rugged loss: small steps get caught in it.
  'dejpeg': {
    'degradation': 'jpeg(quality=4)',
    'learning_rate': 0.6,
    'latent_dist_reg_weight': 1.0,
    'noise_reg_weight': 0.3,
    'pixel_weight': 100.0,
  },
  'restore': {},
}


def of_preset(preset: str) -> dict[str, Any]:
  """What a preset of `PRESETS` has in place of the tasks' defaults; nothing for the tuned one."""
  if preset == TUNED_PRESET:
    return {}
  chosen = PRESETS[preset]
  own = {name: value for name, value in chosen.hyper._asdict().items() if name in BASE}
  return {**own, 'space': chosen.phases[-1].space.name, 'noise_maps': chosen.noise_maps}


def defaults_of(task: str, preset: str = TUNED_PRESET) -> dict[str, Any]:
  """What holds for a task of `RESTORATIONS` and a preset of `PRESETS`."""
  return {**BASE, **RESTORATIONS[task], **of_preset(preset)}
