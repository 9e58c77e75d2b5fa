"""Degrading an image: for the same seed and name always in the same way, in every task."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ganjax.degradations import Identity, Pipeline
from ganjax.inversion import image_key
from ganjax.pixels import to_float
from ganjax.runtime.kept import keep

DEGRADATION_STREAM = 2  # what an image's key is folded with; the inversion has the other numbers


class Degraded(NamedTuple):
  """What a restoration gets to see of an image, and what it may take for granted."""

  target: np.ndarray  # float32 [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [H, W, 3]; None if the input came degraded
  degradation: Pipeline  # as assumed; its unknown parameters are still to be found
  key: jax.Array  # that `degradation.true` was, or would have been, applied with
  record: dict[str, Any]  # what results.jsonl tells about the degradation

  @property
  def visible(self) -> np.ndarray:
    """Where the input shows anything, float32 [h, w, 1]; 0 in holes."""
    return np.asarray(self.degradation.visible(*self.target.shape[:2]))

  def identified(self, degradation: Pipeline, **record: Any) -> 'Degraded':
    """The same once the unknown parameters of its degradation have been found."""
    told = {**self.record, 'estimate': str(degradation), **record}
    return self._replace(degradation=degradation, record=told)


def drawn(pipeline: Pipeline, name: str, seed: int) -> tuple[Pipeline, jax.Array]:
  """Draws what is random in a degradation, for the image `name`.

  Returns:
    The degradation, and the key for its true form.
  """
  sample_key, true_key = _keys(image_key(seed, name))
  return pipeline.sample(sample_key), true_key


@keep()
def _keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Those of `Pipeline.draw`, in one program."""
  sample_key, true_key = jax.random.split(jax.random.fold_in(key, DEGRADATION_STREAM))
  return sample_key, true_key


def degrade(
  image: np.ndarray,
  pipeline: Pipeline,
  name: str,
  seed: int,
  assumed: Pipeline | None = None,
) -> Degraded:
  """Degrades a clean image.

  Args:
    image: uint8 [H, W, 3].
    pipeline: what is done to it.
    name: the image's; with `seed` it decides all that is random.
    seed: of the run.
    assumed: what the restoration takes for granted instead of `pipeline`; may have unknowns.

  Raises:
    DegradationError: the degradation does not fit the image's size.
  """
  done, key = drawn(pipeline, name, seed)
  known = done if assumed is None else drawn(assumed, name, seed)[0]
  return Degraded(done.true(to_float(image), key), image, known, key, {'degradation': str(done)})


def as_it_is(image: np.ndarray, pipeline: Pipeline, name: str, seed: int) -> Degraded:
  """Takes an image that came degraded; one to which nothing happened is its own truth.

  Args:
    image: uint8 [h, w, 3], of the size that the degradation gives.
    pipeline: what happened to it; may have unknowns.
    name, seed: as `degrade` takes them.
  """
  done, key = drawn(pipeline, name, seed)
  target = done.projected(to_float(image))
  is_whole = all(isinstance(operator, Identity) for operator in done.operators)
  return Degraded(target, image if is_whole else None, done, key, {'degradation': str(done)})
