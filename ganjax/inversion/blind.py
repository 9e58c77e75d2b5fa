"""Finds what is unknown of a degradation, together with a first guess of the face.

Three ways, by the kind of parameter: noise is measured on the image; continuous parameters join
the latent in the optimisation, re-parametrised so that they stay in their range; discrete ones run
a race, in which every candidate inverts the image and the one with the smallest loss wins.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ganjax.degradations import Pipeline
from ganjax.inversion import batch
from ganjax.inversion.presets import PROJECTOR
from ganjax.inversion.problem import Prior, make_problem, stack
from ganjax.inversion.stages import stages_of

# A generator that cannot make blurred faces tells the blur best: no noise maps, faces near w_avg.
IDENTIFY_STEPS = 100
PRESET = PROJECTOR.within('w_plus', 'zero')
HYPER = PROJECTOR.hyper._replace(
  num_steps=IDENTIFY_STEPS,
  learning_rate=0.1,
  noise_reg_weight=0.0,
  pixel_weight=3.0,
  latent_dist_reg_weight=0.1,
  w_noise=0.0,
)
CHUNK_STEPS = 20  # a second or two on a CPU between two signs of life
LAST_STEPS = 10  # the race's loss is their mean


class Found(NamedTuple):
  """What was found for one image."""

  degradation: Pipeline  # nothing in it is unknown
  losses: dict[str, float]  # of the race's candidates


def identify(
  prior: Prior,
  photos: np.ndarray,
  degradations: Sequence[Pipeline],
  names: Sequence[str],
  seed: int = 0,
  on_progress: Callable[[batch.Progress], None] | None = None,
) -> list[Found]:
  """Finds the unknown parameters of degradations, one image each.

  Args:
    prior: from `inversion.prior`.
    photos: [N, h, w, 3] in [-1, 1], degraded.
    degradations: one each, of the same operators; what is unknown is alike.
    names: one each; they and the seed decide the randomness.
    seed: for all randomness.
    on_progress: called after every chunk of steps.

  Returns:
    One each.
  """
  side = prior.generator.config.resolution
  entries = [
    (i, candidate)
    for i, (photo, degradation) in enumerate(zip(photos, degradations, strict=True))
    for candidate in degradation.measured(photo).candidates(side, side)
  ]
  if not any(candidate.unknown for _, candidate in entries) and len(entries) == len(photos):
    return [Found(candidate, {}) for _, candidate in entries]
  problems = [make_problem(prior, photos[i], c, names[i], seed, HYPER) for i, c in entries]
  result = batch.run(prior, stages_of(PRESET), stack(problems), on_progress, CHUNK_STEPS)
  losses = np.mean(result.loss[:, -LAST_STEPS:], axis=1)
  found = [_bound(candidate, result.degradation, row) for row, (_, candidate) in enumerate(entries)]
  return [_best(i, entries, found, losses) for i in range(len(photos))]


def _bound(candidate: Pipeline, batched: Any, row: int) -> Pipeline:
  """One row's values of what was found by gradient."""
  values = {
    (index, name): getattr(batched.operators[index], name)[row] for index, name in candidate.unknown
  }
  return candidate.with_estimates(values)


def _best(i: int, entries: list, found: list[Pipeline], losses: np.ndarray) -> Found:
  rows = [row for row, (owner, _) in enumerate(entries) if owner == i]
  winner = min(rows, key=lambda row: losses[row])
  race = {str(found[row]): float(losses[row]) for row in rows} if len(rows) > 1 else {}
  return Found(found[winner], race)
