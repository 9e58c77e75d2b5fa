"""What an inversion minimises, for one image."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ganjax import degradations
from ganjax.inversion.perceptual import Perceptual
from ganjax.inversion.presets import Comparison
from ganjax.models.generator import Noise
from ganjax.ops.resize import resize
from ganjax.runtime import platforms

SMALLEST_NOISE_SIDE = 8
# Mean squared difference of pixels in [-1, 1] that is just noticeable, four steps of 8 bits; the
# likelihood rewards no smaller one.
JUST_NOTICEABLE = 1e-3


class Target(NamedTuple):
  """A degraded image, prepared for being compared with many others."""

  image: Float[Array, 'h w 3']
  visible: Float[Array, 'h w 1']  # 1 where the image shows something, 0 in holes
  fill: Float[Array, 'h w 3']  # what takes the place of holes at several scales
  features: list[Any]  # per scale, as the perceptual distance has them
  observations: Float[Array, ''] | float = 1.0  # see `effective_rank`; 1 where it is not needed


class Terms(NamedTuple):
  """The summands of the loss, each with its weight applied."""

  perceptual: Float[Array, '']
  pixel: Float[Array, '']
  noise: Float[Array, '']
  latent: Float[Array, '']

  @property
  def loss(self) -> Float[Array, '']:
    """Their sum."""
    return self.perceptual + self.pixel + self.noise + self.latent


def target(
  perceptual: Perceptual,
  comparison: Comparison,
  image: Float[Array, 'h w 3'],
  visible: Float[Array, 'h w 1'],
  key: Key[Array, ''],
) -> Target:
  """Computes a target's features once.

  Args:
    perceptual: the distance.
    comparison: 'single' or 'multiscale'.
    image: [h, w, 3] in [-1, 1].
    visible: [h, w, 1].
    key: for what fills the holes.
  """
  # (N(0, 1) + ½) / 2 added to a black hole, in [0, 1] (Poirier-Ginter and Lalonde 2023).
  fill = jax.random.normal(key, image.shape, jnp.float32) - 0.5
  prepared = Target(image, visible, fill, [])
  features = [perceptual.features(x) for x in _scales(perceptual, comparison, image, prepared)]
  return prepared._replace(features=features)


def distances(
  perceptual: Perceptual,
  comparison: Comparison,
  image: Float[Array, 'h w 3'],
  expected: Float[Array, 'h w 3'],
  target: Target,
) -> tuple[Float[Array, ''], Float[Array, '']]:
  """How far an image is from a target: (perceptual, pixel), both scalars.

  At a single scale, the pixels' distance is the mean square of `expected`'s over what is visible:
  between two noisy images it would be least for dark ones, which have less noise. At several, it
  is the mean absolute difference of the smallest images in units of the [0, 1] range.

  Args:
    perceptual: the distance.
    comparison: 'single' or 'multiscale'.
    image: [h, w, 3], with noise of its own where the target has some.
    expected: [h, w, 3], the same without noise.
    target: from `target`.
  """
  scales = _scales(perceptual, comparison, image, target)
  perceptual_distance = functools.reduce(
    jnp.add,
    [
      perceptual.distance(perceptual.features(scale), features)
      for scale, features in zip(scales, target.features, strict=True)
    ],
  )
  if comparison == 'single':
    return perceptual_distance, pixel_distance(expected, target)
  smallest = _scales(perceptual, comparison, target.image, target)[-1]
  return perceptual_distance, jnp.mean(jnp.abs(scales[-1] - smallest)) / 2


def _scales(
  perceptual: Perceptual, comparison: Comparison, image: Float[Array, 'h w 3'], target: Target
) -> list[Float[Array, '_ _ 3']]:
  """The images that are compared, holes treated, from large to small."""
  if comparison == 'single':
    return [_without_holes(perceptual, image, target.visible)]
  image = jnp.where(target.visible > 0, image, target.fill)
  scales = []
  for height, width in perceptual.scales(*image.shape[:2]):
    image = resize(image, height, width)
    scales.append(image)
  return scales


def _without_holes(
  perceptual: Perceptual, image: Float[Array, 'h w 3'], visible: Float[Array, 'h w 1']
) -> Float[Array, 'side_h side_w 3']:
  """Brings an image to the perceptual network's size and cuts its holes.

  They are cut after the resizing, where the resized mask is not wholly visible: whatever a hole's
  content leaked into is cut, too, in the image as in its target, so nothing smears.
  """
  height, width = perceptual.side(*image.shape[:2])
  whole = resize(visible, height, width) >= 1 - 1e-4
  return jnp.where(whole, resize(image, height, width), 0.0)


def pixel_distance(image: Float[Array, 'h w 3'], target: Target) -> Float[Array, '']:
  """Mean squared difference over what is visible; image [h, w, 3]."""
  squares = jnp.sum(jnp.square(image - target.image) * target.visible)
  return squares / (3 * jnp.maximum(jnp.sum(target.visible), 1))


def gaussian_nll(pixel: Float[Array, '']) -> Float[Array, '']:
  """Gaussian negative log-likelihood of a mean squared difference, with unknown variance.

  With the maximum-likelihood variance it is n/2 · log(mean square) + const.: relative changes of
  the misfit count, however noisy the image is. An offset makes it 0 for no difference and keeps it
  from rewarding differences that are not noticeable.
  """
  return jnp.log1p(pixel / JUST_NOTICEABLE)


def effective_rank(
  degradation: degradations.Operator,
  image: Float[Array, 'h w 3'],
  visible: Float[Array, 'h w 1'],
  key: Key[Array, ''],
) -> Float[Array, '']:
  """How many numbers a degraded image tells of the whole one.

  The effective rank (tr M)² / tr M² of M = J Jᵀ, J being the degradation's Jacobian at `image`;
  both traces by one random probe (Hutchinson 1990). That is the number of visible values for masks,
  of pixels for grey ones and small ones, and about 3 · H · W / (2π · variance) for a blur.

  Args:
    degradation: whose model form is looked at.
    image: [H, W, 3] in [-1, 1].
    visible: [h, w, 1], of the degraded image.
    key: for the probe, and for what is random in the degradation.

  Returns:
    Scalar, 1 or more.
  """
  model_key, probe_key = jax.random.split(key)
  degraded, forth = jax.linearize(lambda x: visible * degradation.model(x, model_key), image)
  (back,) = jax.linear_transpose(forth, image)(
    jax.random.normal(probe_key, degraded.shape, jnp.float32)
  )
  trace = jnp.sum(jnp.square(back))
  return jnp.maximum(jnp.square(trace) / jnp.sum(jnp.square(forth(back))), 1.0)


def autocorrelation(noise: Noise) -> Float[Array, '']:
  """Penalises noise maps that carry signal (Karras et al. 2020, appendix D).

  Maps of one size are looked at together, with what is left of larger ones at that scale: a few
  large reductions in place of a hundred small ones.

  Args:
    noise: maps [H, W], H = W a power of two; zero mean, unit variance.

  Returns:
    Scalar, summed over the maps; 0 when neighbouring pixels are uncorrelated at every scale down
    to 8 px.
  """
  total = jnp.zeros(())
  side = max((one.shape[0] for one in noise.values()), default=0)
  averaged: list[Float[Array, 'k side side']] = []  # what is left of larger maps
  while side:
    maps = [one[None] for one in noise.values() if one.shape[0] == side] + averaged
    averaged = []
    if maps:
      together = platforms.in_lanes(jnp.concatenate(maps))
      total += _correlation(together)
      averaged = [_halved(together)] if side > SMALLEST_NOISE_SIDE else []
    side //= 2
  return total


def _correlation(maps: Float[Array, 'k side side']) -> Float[Array, '']:
  """Squared correlations of neighbours along both axes, summed over maps [K, side, side]."""
  along = [jnp.mean(maps * jnp.roll(maps, 1, axis), axis=(1, 2)) for axis in (1, 2)]
  return jnp.sum(jnp.square(jnp.stack(along)))


def _halved(maps: Float[Array, 'k side side']) -> Float[Array, 'k half half']:
  """Means of 2×2 pixels, [K, side, side] -> [K, side/2, side/2]."""
  sums = jax.lax.reduce_window(maps, 0.0, jax.lax.add, (1, 2, 2), (1, 2, 2), 'VALID')
  return sums / 4


def energy(noise: Noise) -> Float[Array, '']:
  """mean(noise²), summed over the maps."""
  squares = (jnp.mean(jnp.square(n)) for n in noise.values())
  return functools.reduce(jnp.add, squares, jnp.zeros(()))


def normalize_noise(noise: Noise) -> Noise:
  """Brings every map back to zero mean and unit variance."""

  def normalize(n):
    n = n - jnp.mean(n)
    return n * jax.lax.rsqrt(jnp.mean(jnp.square(n)) + 1e-12)

  return {name: normalize(n) for name, n in noise.items()}
