"""Restores a batch of aligned faces that are arrays already."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganjax.degradations import Operator, Pipeline, parse
from ganjax.inversion import batch, identify
from ganjax.inversion.perceptual import Perceptual, load_perceptual
from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Preset, check_fidelity
from ganjax.inversion.problem import Prior, make_prior, make_problem, stack
from ganjax.inversion.spaces import Space
from ganjax.inversion.stages import stages_of
from ganjax.pixels import check_floats
from ganjax.restoration.defaults import (
  RESTORATIONS,
  TUNED_PRESET,
  defaults_of,
  preset_of,
  preset_within,
)
from ganjax.weights import Networks

NO_DEGRADATION = "say what happened to the photos: degradation='blur() | jpeg()', or task='deblur'"
SLACK = 0.01  # by which values may leave [-1, 1]


def restore(
  networks: Networks | Prior,
  photos: np.ndarray,
  degradation: str | Operator | Sequence[str | Operator] | None = None,
  names: Sequence[str] | None = None,
  preset: str | Preset | None = None,
  seed: int = 0,
  task: str | None = None,
  perceptual: str | Perceptual | None = None,
  space: str | Space | None = None,
  on_progress: Callable[[batch.Progress], None] | None = None,
  chunk_steps: int = batch.CHUNK_STEPS,
  **hyper: Any,
) -> batch.Restoration:
  """Finds faces that look like aligned ones once they are degraded in the same way.

  Args:
    networks: from `ganjax.load`; with their encoder searches begin, if they have one and the preset
      begins with one. Or a `prior` of them, with which searches begin at the average face.
    photos: float [N, h, w, 3] in [-1, 1], already degraded, of the size that the degradation gives.
    degradation: what happened to them, an operator or its spec; one for all, or one each. What
      is unknown in it is found first. None for that of the task.
    names: one each; an image's randomness depends on its name and `seed` alone, so that its
      result is the same in any batch. Defaults to '0', '1', ….
    preset: a preset's name, or a `Preset`; it has the defaults of all hyperparameters. None for the
      task's, or 'projector'.
    seed: for all randomness.
    task: a restoration task such as 'deblur', whose hyperparameters hold, as on the command line:
      its results are this function's then. None for the preset's own.
    perceptual: how images are compared, by name or as an object; None for the prior's own, which is
      the discriminator's.
    space: a latent space, by name or as an object, in place of the preset's own ones.
    on_progress: called after every chunk of steps.
    chunk_steps: the length of a chunk.
    **hyper: fields of `Hyper`: num_steps, learning_rate, latent_dist_reg_weight, …; one value for
      all, or one each.

  Returns:
    A `Restoration` whose leaves lead with [N].

  Raises:
    ValueError: sizes, counts or names do not go together; images are not in [-1, 1]; a
      hyperparameter, preset, task or space is unknown; there is no degradation.
    DegradationError: a spec cannot be read.
    WeightsError: the perceptual distance cannot be loaded.
  """
  check_floats(np.asarray(photos), 'photos', slack=SLACK)
  encoder = networks.encoder if isinstance(networks, Networks) else None
  shared = _prior(networks, perceptual)
  count = len(photos)
  names = [str(i) for i in range(count)] if names is None else list(names)
  if preset is None:
    preset = TUNED_PRESET if task is None else preset_of(task)
  chosen = PRESETS.get(preset, PROJECTOR) if isinstance(preset, str) else preset
  encoder = encoder if chosen.begins_with_encoder else None
  defaults = {} if task is None else _defaults(task, preset, encoder is not None)
  degradation = degradation or defaults.get('degradation')
  if not degradation:
    raise ValueError(NO_DEGRADATION)
  if isinstance(degradation, str | Operator):
    degradation = [degradation] * count
  degradations = [_pipeline(one) for one in degradation]
  degradations = [one.cropped(photos.shape[1]) if one.follows_crop else one for one in degradations]
  if not count or not len(names) == len(degradations) == count:
    raise ValueError(f'{count} photos, {len(names)} names, {len(degradations)} degradations')
  preset = _preset(preset, space, defaults, encoder is not None)
  own = {name: value for name, value in defaults.items() if name in Hyper._fields}
  base = preset.hyper._replace(**own)
  pairs = zip(degradations, photos, strict=True)
  photos = np.stack([one.projected(np.asarray(photo)) for one, photo in pairs])
  if any(one.unknown for one in degradations):
    found = identify(shared, photos, degradations, names, seed)
    degradations = [one.degradation for one in found]
  problems = [
    make_problem(
      shared, photo, degradations[i], names[i], seed, _pick(base, hyper, i, count), encoder
    )
    for i, photo in enumerate(photos)
  ]
  return batch.run(shared, stages_of(preset), stack(problems), on_progress, chunk_steps)


def _prior(networks: Networks | Prior, perceptual: str | Perceptual | None) -> Prior:
  if not isinstance(networks, Networks):
    if isinstance(perceptual, str):
      raise ValueError('perceptual: with a prior give an object, from `ganjax.load_perceptual`')
    return networks if perceptual is None else networks._replace(perceptual=perceptual)
  if isinstance(perceptual, str):
    perceptual = load_perceptual(perceptual, networks)
  return make_prior(networks, perceptual)


def _pipeline(degradation: str | Operator) -> Pipeline:
  return parse(degradation) if isinstance(degradation, str) else Pipeline.of(degradation)


def _defaults(task: str, preset: str | Preset, has_encoder: bool) -> dict[str, Any]:
  """What the command line takes where no flag says otherwise."""
  if task not in RESTORATIONS:
    raise ValueError(f'task {task!r} is none of {", ".join(RESTORATIONS)}')
  if not isinstance(preset, str):
    raise ValueError('task: its numbers are for a preset by name; leave it out, or name a preset')
  return defaults_of(task, preset, encoder=has_encoder) if preset in PRESETS else {}


def _preset(
  preset: str | Preset, space: str | Space | None, defaults: dict[str, Any], encoder: bool
) -> Preset:
  if isinstance(preset, str):
    if preset not in PRESETS:
      raise ValueError(f'preset {preset!r} is none of {", ".join(PRESETS)}')
    name, preset = preset, PRESETS[preset].beginning(encoder)
    preset = preset_within(name, defaults, encoder) if defaults else preset
  else:
    preset = preset.beginning(encoder)
  return preset if space is None else preset.within(space, preset.noise_maps)


def _pick(defaults: Hyper, hyper: dict, i: int, count: int) -> Hyper:
  """Image i's hyperparameters from values that hold for all or are given one each."""
  unknown = hyper.keys() - set(Hyper._fields)
  if unknown:
    raise ValueError(f'unknown {sorted(unknown)}; known are {list(Hyper._fields)}')
  for name, value in hyper.items():
    if np.ndim(value) and np.shape(value) != (count,):
      raise ValueError(f'{name} has shape {np.shape(value)} for {count} photos')
    if name == 'fidelity':
      check_fidelity(*np.ravel(value))
  return defaults._replace(**{k: np.asarray(v)[i] if np.ndim(v) else v for k, v in hyper.items()})
