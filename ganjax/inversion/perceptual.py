"""Perceptual distances between images; a target's features are computed once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ganjax.models.discriminator import Discriminator
from ganjax.models.vgg16 import LPIPS
from ganjax.ops.resize import resize

MAX_SCALES = 6
SMALLEST_SCALE = 16
VGG_SIDE = 256
VGG_SMALLEST = 16  # four poolings leave one pixel
DISCRIMINATOR_BLOCKS = 4


def halvings(height: int, width: int) -> list[tuple[int, int]]:
  """A size and its halves down to 16 px, six at most (Poirier-Ginter and Lalonde 2023)."""
  sizes = [(height, width)]
  while min(sizes[-1]) > SMALLEST_SCALE and len(sizes) < MAX_SCALES:
    sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
  return sizes


class LPIPSDistance(NamedTuple):
  """LPIPS on VGG16 (Zhang et al. 2018); images above 256 px are averaged down to 256.

  Images below 16 px, which VGG16 cannot see, are enlarged.
  """

  lpips: LPIPS

  def side(self, height: int, width: int) -> tuple[int, int]:
    """The size at which images of the given size are compared."""
    largest, smallest = max(height, width), min(height, width)
    if smallest < VGG_SMALLEST:
      factor = -(-VGG_SMALLEST // smallest)
      return height * factor, width * factor
    if largest <= VGG_SIDE:
      return height, width
    return round(height * VGG_SIDE / largest), round(width * VGG_SIDE / largest)

  def scales(self, height: int, width: int) -> list[tuple[int, int]]:
    """The sizes at which images of the given size are compared at several scales."""
    factor = max(1, -(-VGG_SMALLEST // min(height, width)))
    return halvings(height * factor, width * factor)

  def features(self, image: jax.Array) -> list[jax.Array]:
    """image: [H, W, 3] in [-1, 1], of a size that `side` or `scales` gave."""
    return self.lpips.features(image)

  def distance(self, features: list[jax.Array], target: list[jax.Array]) -> jax.Array:
    """Squared Euclidean distance: LPIPS."""
    return _sum(jnp.sum(jnp.square(a - b)) for a, b in zip(features, target, strict=True))


class DiscriminatorDistance(NamedTuple):
  """L1 between features of the generator's own discriminator (Pan et al. 2020).

  The first blocks' features, each pixel's channels scaled to unit length, so that every block
  weighs alike. It needs no weights besides the generator's.
  """

  discriminator: Discriminator

  def side(self, height: int, width: int) -> tuple[int, int]:
    """Always the discriminator's own resolution, for which its features were learned."""
    del height, width
    return self.discriminator.config.resolution, self.discriminator.config.resolution

  def scales(self, height: int, width: int) -> list[tuple[int, int]]:
    """The sizes at which images are compared at several scales: all from the resolution down."""
    return halvings(*self.side(height, width))

  def features(self, image: jax.Array) -> list[jax.Array]:
    """image: [H, W, 3] in [-1, 1], of a size that `side` or `scales` gave."""
    blocks = self.discriminator.features(image, DISCRIMINATOR_BLOCKS)
    return [
      x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=2, keepdims=True) + 1e-6) for x in blocks
    ]

  def distance(self, features: list[jax.Array], target: list[jax.Array]) -> jax.Array:
    """Sum over blocks of the mean absolute difference."""
    return _sum(jnp.mean(jnp.abs(a - b)) for a, b in zip(features, target, strict=True))


Perceptual = LPIPSDistance | DiscriminatorDistance


@jax.jit
def distance(perceptual: Perceptual, a: jax.Array, b: jax.Array) -> jax.Array:
  """How far apart two pictures [H, W, 3] in [-1, 1] look; a scalar."""
  sizes = perceptual.side(*a.shape[:2])
  first, second = (perceptual.features(resize(x, *sizes)) for x in (a, b))
  return perceptual.distance(first, second)


def _sum(terms):
  return sum(terms, start=jnp.zeros(()))
