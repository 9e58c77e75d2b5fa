"""What the restoration tasks do where nothing else is said."""

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ganjax.choices import INIT_AUTO, INIT_AVERAGE
from ganjax.inversion.presets import BALANCED, PRESETS, Preset

AUTO = 'auto'  # of latent_dist_reg_weight, and of a degradation: found for each image
TUNED_PRESET = 'projector'  # the preset that the tasks' defaults are tuned for
BEST_PRESET = 'robust'  # what restores best, with one set of numbers for all damage
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
  'fidelity': BALANCED,
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


# What is taken to have happened to a photo that is restored as it is: what can be, is found out.
# (`RESTORATIONS` has what studies do to clean photos.)
AS_IT_IS: dict[str, str] = {
  'deblur': 'blur(kernel_size=41, variance=?)',
  'inpaint': 'mask()',
  'super_resolve': 'downsample(factor=?)',
  'denoise': 'noise(sigma=?)',
  'dejpeg': 'jpeg(quality=?)',
  'restore': AUTO,
}


def preset_of(task: str, settings: Mapping[str, Any] = MappingProxyType({})) -> str:
  """The preset of a task of `RESTORATIONS` where none is named.

  Settings that only the tuned projector has choose it. `invert` keeps to W+, whose latents can be
  edited; in `colorize`, whose details are the input's, the tuned projector has the better colours.
  """
  is_auto = settings.get('latent_dist_reg_weight') == AUTO
  if is_auto or {'space', 'noise_maps'} & settings.keys() or task in ('invert', 'colorize'):
    return TUNED_PRESET
  return BEST_PRESET


def begins_with_encoder(preset: str, init: str, has_bundled_weights: bool) -> bool:
  """Whether searches begin at an encoder's answer.

  Args:
    preset: one of `PRESETS`.
    init: as `weights.load` takes it.
    has_bundled_weights: whether the generator is the bundled one, which has an encoder.
  """
  if init == INIT_AUTO:
    return has_bundled_weights and PRESETS[preset].begins_with_encoder
  return init != INIT_AVERAGE


_FILE = re.compile(r"""mask\([^()]*?\bfile=('[^']*'|"[^"]*"|[^\s,()|]+)""")


def with_masks(degradation: str, file: str | None, inverted: bool | None) -> str:
  """The spec of a degradation with what --mask and --invert_mask say, where they are given."""
  spec = degradation if not file else with_mask(degradation, file)
  return spec if inverted is None else _with_inverted(spec, inverted)


def with_mask(degradation: str, file: str | os.PathLike) -> str:
  """The spec of a degradation whose holes are drawn in a file, or in a folder of files.

  It takes the place of `mask()`, and is added to what else there is.
  """
  name = os.fspath(file)
  quote = '"' if "'" in name else "'"
  mask = f'mask(file={quote}{name}{quote})'
  return mask if degradation == AS_IT_IS['inpaint'] else f'{degradation} | {mask}'


def _with_inverted(degradation: str, inverted: bool) -> str:
  """The spec of a degradation whose masks in files are inverted, or are certainly not."""

  def told(match: re.Match) -> str:
    rest = degradation[match.start() : degradation.find(')', match.end())]
    return match.group() + ('' if 'inverted=' in rest else f', inverted={int(inverted)}')

  return _FILE.sub(told, degradation)


def of_preset(preset: str, encoder: bool = False) -> dict[str, Any]:
  """What a preset of `PRESETS` has in place of the tasks' defaults; nothing for the tuned one.

  Args:
    preset: its name.
    encoder: whether searches begin at an encoder's answer.
  """
  if preset == TUNED_PRESET:
    return {}
  chosen = PRESETS[preset].beginning(encoder)
  own = {name: value for name, value in chosen.hyper._asdict().items() if name in BASE}
  return {**own, 'space': chosen.phases[-1].space.name, 'noise_maps': chosen.noise_maps}


def preset_within(name: str, settings: Mapping[str, Any], encoder: bool) -> Preset:
  """One of `PRESETS`; the tuned one, which leaves them open, in a space and with noise maps.

  Args:
    name: of the preset.
    settings: 'space' and 'noise_maps'.
    encoder: whether searches begin at an encoder's answer.
  """
  preset = PRESETS[name].beginning(encoder)
  if name != TUNED_PRESET:
    return preset
  return preset.within(settings['space'], settings['noise_maps'])


def has_dial(settings: Mapping[str, Any]) -> bool:
  """Whether `fidelity` changes anything: what it scales is there, and is not chosen by itself."""
  return settings['latent_dist_reg_weight'] not in (0, AUTO)


def defaults_of(
  task: str, preset: str | None = None, degrade_first: bool = False, encoder: bool = False
) -> dict[str, Any]:
  """What holds for a task of `RESTORATIONS` and a preset of `PRESETS`.

  Args:
    task: a restoration task.
    preset: the optimisation; None for that of the task.
    degrade_first: whether the photos are clean; else they are restored as they are.
    encoder: whether searches begin at an encoder's answer.
  """
  known = {**BASE, **RESTORATIONS[task], **of_preset(preset or preset_of(task), encoder)}
  if not degrade_first and task in AS_IT_IS:
    known['degradation'] = AS_IT_IS[task]
  return known
