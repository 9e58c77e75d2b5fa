"""Restores a batch of aligned faces that are arrays already."""

from collections.abc import Callable, Sequence

import numpy as np

from ganjax.degradations import Pipeline
from ganjax.inversion import batch
from ganjax.inversion.presets import PRESETS, Hyper, Preset
from ganjax.inversion.problem import Prior, make_prior, make_problem, stack
from ganjax.weights import Networks


def restore(
  networks: Networks | Prior,
  photos: np.ndarray,
  degradation: Pipeline | Sequence[Pipeline],
  names: Sequence[str] | None = None,
  preset: str | Preset = 'projector',
  seed: int = 0,
  on_progress: Callable[[batch.Progress], None] | None = None,
  chunk_steps: int = batch.CHUNK_STEPS,
  **hyper,
) -> batch.Restoration:
  """Finds faces that look like the photographs once they are degraded in the same way.

  Args:
    networks: from `ganjax.load`, or a `prior` of them.
    photos: [N, h, w, 3] in [-1, 1], already degraded, of the size that the degradation gives.
    degradation: what happened to them; one for all, or one each.
    names: one each; an image's randomness depends on its name and `seed` alone, so that its
      result is the same in any batch. Defaults to '0', '1', ….
    preset: a preset's name, or a `Preset`; it has the defaults of all hyperparameters.
    seed: for all randomness.
    on_progress: called after every chunk of steps.
    chunk_steps: the length of a chunk.
    **hyper: fields of `Hyper`: num_steps, learning_rate, latent_dist_reg_weight, …; one value for
      all, or one each.

  Returns:
    A `Restoration` whose leaves lead with [N].

  Raises:
    ValueError: sizes, counts or names do not go together, or a hyperparameter is unknown.
  """
  shared = make_prior(networks) if isinstance(networks, Networks) else networks
  count = len(photos)
  names = [str(i) for i in range(count)] if names is None else list(names)
  degradations = [degradation] * count if isinstance(degradation, Pipeline) else list(degradation)
  if not count or not len(names) == len(degradations) == count:
    raise ValueError(f'{count} photos, {len(names)} names, {len(degradations)} degradations')
  preset = PRESETS[preset] if isinstance(preset, str) else preset
  problems = [
    make_problem(
      shared, photo, degradations[i], names[i], seed, _pick(preset.hyper, hyper, i, count)
    )
    for i, photo in enumerate(photos)
  ]
  return batch.run(shared, preset, stack(problems), on_progress, chunk_steps)


def _pick(defaults: Hyper, hyper: dict, i: int, count: int) -> Hyper:
  """Image i's hyperparameters from values that hold for all or are given one each."""
  unknown = hyper.keys() - set(Hyper._fields)
  if unknown:
    raise ValueError(f'unknown {sorted(unknown)}; known are {list(Hyper._fields)}')
  for name, value in hyper.items():
    if np.ndim(value) and np.shape(value) != (count,):
      raise ValueError(f'{name} has shape {np.shape(value)} for {count} photos')
  return defaults._replace(**{k: np.asarray(v)[i] if np.ndim(v) else v for k, v in hyper.items()})
