"""Degrading an image: for the same seed and name always in the same way, in every task."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ganjax.degradations import Pipeline
from ganjax.inversion import image_key
from ganjax.pixels import to_float

DEGRADATION_STREAM = 2  # what an image's key is folded with; the inversion has the other numbers


class Degraded(NamedTuple):
  """What a restoration gets to see of an image, and what it may take for granted."""

  target: np.ndarray  # float32 [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [H, W, 3]; None if the input came degraded
  degradation: Pipeline  # as assumed; its unknown parameters are still to be found
  key: jax.Array  # that `degradation.true` was, or would have been, applied with
  record: dict[str, Any]  # what results.jsonl tells about the degradation

  def identified(self, degradation: Pipeline, **record: Any) -> 'Degraded':
    """The same once the unknown parameters of its degradation have been found."""
    told = {**self.record, 'estimate': str(degradation), **record}
    return self._replace(degradation=degradation, record=told)


def drawn(pipeline: Pipeline, name: str, seed: int) -> tuple[Pipeline, jax.Array]:
  """Draws what is random in a degradation, for the image `name`.

  Returns:
    The degradation, and the key for its true form.
  """
  return pipeline.draw(jax.random.fold_in(image_key(seed, name), DEGRADATION_STREAM))


def degrade(
  image: np.ndarray,
  pipeline: Pipeline,
  name: str,
  seed: int,
  assumed: Pipeline | None = None,
  already_degraded: bool = False,
) -> Degraded:
  """Degrades an image, unless it came degraded.

  Args:
    image: uint8 [H, W, 3]; the size that the degradation gives if it came degraded.
    pipeline: what is done to it, or was.
    name: the image's; with `seed` it decides all that is random.
    seed: of the run.
    assumed: what the restoration takes for granted instead of `pipeline`; may have unknowns.
    already_degraded: the image is not degraded again, and there is no truth.

  Raises:
    DegradationError: the degradation does not fit the image's size.
  """
  done, key = drawn(pipeline, name, seed)
  record = {'degradation': str(done)}
  clean = to_float(image)
  if already_degraded:
    return Degraded(clean, None, done, key, record)
  known = done if assumed is None else drawn(assumed, name, seed)[0]
  return Degraded(done.true(clean, key), image, known, key, record)
