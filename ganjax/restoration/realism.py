"""How real restored faces look, each beside its truth and all of them together.

The discriminator's features are those that its last layer scores, as Inception's are those before
its classes: they see the whole image at once, and they are no part of what inversions optimise,
which are the features of the first blocks. A discriminator's scale is its own, so each image's
features are brought to unit mean square. Every image is a group of one: what is said of it depends
on no other.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import faces, metrics
from ganjax.models.discriminator import Discriminator
from ganjax.models.inception import Inception
from ganjax.ops.resize import resize
from ganjax.pixels import to_float
from ganjax.runtime.mapping import map_images

BATCH = 16  # images that a device sees together
KERNEL_UNIT = 1e-3  # of kernel distances, for legible figures


class _Seen(NamedTuple):
  """What is computed of one image on the device; of a batch, [N] leads."""

  gradient: jax.Array
  score: jax.Array | None
  features: dict[str, Any]


class Appearance(NamedTuple):
  """What one image looks like."""

  gradient: float  # see `metrics.luma_gradient`
  score: float | None  # the discriminator's logit; None without an unconditional one
  features: dict[str, np.ndarray]  # by the network: 'discriminator' [C], 'inception' [2048]
  landmarks: np.ndarray | None  # [68, 2]; None where no face is found


class Networks(NamedTuple):
  """Who looks at images; any of them may be missing."""

  discriminator: Discriminator | None = None
  inception: Inception | None = None


def appearances(networks: Networks, images: Sequence[np.ndarray]) -> list[Appearance]:
  """What images look like: uint8 [H, W, 3] each, of one size."""
  return [
    Appearance(
      float(seen.gradient),
      None if seen.score is None else float(seen.score),
      seen.features,
      faces.detect_largest(image),
    )
    for image, seen in zip(images, _look_at(networks, images), strict=True)
  ]


def _look_at(networks: Networks, images: Sequence[np.ndarray]) -> Iterator[_Seen]:
  """Batches of one size, so that one program serves."""
  size = max(min(BATCH, len(images)), 1)
  for start in range(0, len(images), size):
    batch = np.stack(images[start : start + size])
    filled = np.pad(batch, [(0, size - len(batch)), (0, 0), (0, 0), (0, 0)])
    seen = jax.device_get(_look(networks, filled))
    for i in range(len(batch)):
      yield jax.tree.map(operator.itemgetter(i), seen)


@jax.jit
def _look(networks: Networks, batch: jax.Array) -> _Seen:
  """uint8 [N, H, W, 3] -> what networks say of each."""
  discriminator, inception = networks

  def look(pixels: jax.Array) -> _Seen:
    image = to_float(pixels)
    score, features = None, {}
    if discriminator is not None:
      side = discriminator.config.resolution
      own = resize(image, side, side)
      features['discriminator'] = _unit(discriminator.last_features(own))
      score = None if discriminator.config.c_dim else discriminator(own)
    if inception is not None:
      features['inception'] = inception(image)
    return _Seen(metrics.luma_gradient(image), score, features)

  return map_images(look, batch)


def _unit(features: jax.Array) -> jax.Array:
  """Features [C] of unit mean square."""
  return features * jax.lax.rsqrt(jnp.mean(jnp.square(features)) + 1e-8)


def compare(restored: Appearance, truth: Appearance) -> dict[str, float]:
  """How real one restored image looks.

  Returns:
    sharpness: the luma's gradient over the truth's; 1 is as sharp. Left out of flat truths.
    score, score_truth: the discriminator's logits of both; larger is more real.
    faceless: 1 where no face is found any more, else 0. Left out where the truth shows none.
    eyes: `faces.worse_eye`; left out where one of both shows no face, so that a smear which is no
      face does not count as one with average eyes: `faceless` tells of those.
  """
  values = {}
  if truth.gradient > 0:
    values['sharpness'] = restored.gradient / truth.gradient
  if restored.score is not None and truth.score is not None:
    values |= {'score': restored.score, 'score_truth': truth.score}
  if truth.landmarks is not None:
    values['faceless'] = float(restored.landmarks is None)
    if restored.landmarks is not None:
      values['eyes'] = faces.worse_eye(restored.landmarks, truth.landmarks)
  return values


def frechet_distances(
  restored: Sequence[Appearance], truths: Sequence[Appearance]
) -> dict[str, float]:
  """How far a set of restored images is from its truths, in the features of each network.

  Returns:
    frechet_NAME: `metrics.frechet`, which is too large for fewer images than features. Nothing of
    fewer than two images.
  """
  if len(restored) < 2:
    return {}
  return {
    f'frechet_{name}': metrics.frechet(ours, theirs)
    for name, ours, theirs in _features(restored, truths)
  }


def kernel_distances(
  restored: Sequence[Appearance], truths: Sequence[Appearance]
) -> list[dict[str, float]]:
  """Each image's share in how far a set of restored images is from its truths.

  Returns:
    One each: kernel_NAME, `metrics.kernel_distances` in thousandths, whose mean is the distance.
    Nothing of fewer than three images.
  """
  shares: list[dict[str, float]] = [{} for _ in restored]
  for name, ours, theirs in _features(restored, truths) if len(restored) > 2 else ():
    for one, value in zip(shares, metrics.kernel_distances(ours, theirs), strict=True):
      one[f'kernel_{name}'] = float(value) / KERNEL_UNIT
  return shares


def _features(
  restored: Sequence[Appearance], truths: Sequence[Appearance]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
  """A network's name, and its features of both sets, [N, D] each."""
  for name in restored[0].features:
    ours, theirs = (np.stack([one.features[name] for one in some]) for some in (restored, truths))
    yield name, ours, theirs
