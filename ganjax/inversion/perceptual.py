"""Perceptual distances between images; a target's features are computed once.

A distance is any pytree with the methods of `Perceptual`. To add one that has a name on the command
line, write its class here and enter it in `LOADERS`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganjax.models.discriminator import Discriminator
from ganjax.models.vgg16 import LPIPS
from ganjax.ops.resize import resize
from ganjax.weights import Networks, WeightsError, load_lpips, tensor_file

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


class Perceptual(Protocol):
  """A distance between two images [H, W, 3] in [-1, 1]: a pytree, for jit and vmap.

  Classes that inherit from it need `features` and `distance` alone.
  """

  def side(self, height: int, width: int) -> tuple[int, int]:
    """The size at which images of the given size are compared."""
    return height, width

  def scales(self, height: int, width: int) -> list[tuple[int, int]]:
    """The sizes at which images of the given size are compared at several scales."""
    return halvings(*self.side(height, width))

  def features(self, image: Float[Array, 'h w 3']) -> Any:
    """What images are compared by; image: [H, W, 3], of a size that `side` or `scales` gave."""

  def distance(self, features: Any, target: Any) -> Float[Array, '']:
    """A scalar, 0 for equal features."""


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

  def features(self, image: Float[Array, 'h w 3']) -> list[Float[Array, '...']]:
    """image: [H, W, 3] in [-1, 1], of a size that `side` or `scales` gave."""
    return self.lpips.features(image)

  def distance(self, features: list[jax.Array], target: list[jax.Array]) -> Float[Array, '']:
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

  def features(self, image: Float[Array, 'h w 3']) -> list[Float[Array, '...']]:
    """image: [H, W, 3] in [-1, 1], of a size that `side` or `scales` gave."""
    blocks = self.discriminator.features(image, DISCRIMINATOR_BLOCKS)
    return [
      x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=2, keepdims=True) + 1e-6) for x in blocks
    ]

  def distance(self, features: list[jax.Array], target: list[jax.Array]) -> Float[Array, '']:
    """Sum over blocks of the mean absolute difference."""
    return _sum(jnp.mean(jnp.abs(a - b)) for a, b in zip(features, target, strict=True))


# Family of a weights file -> what makes the distance, of the file and the compute precision.
LOADERS: dict[str, Callable[[str, str], Perceptual]] = {
  'vgg16': lambda path, precision: LPIPSDistance(load_lpips(path, precision)),
}
DISCRIMINATOR = 'discriminator'


def file_of(spec: str) -> str | None:
  """The weights file that a distance's name stands for; None where it needs none.

  'vgg16' stands for vgg16.safetensors in the working folder.
  """
  if spec == DISCRIMINATOR:
    return None
  return f'{spec}.safetensors' if spec in LOADERS else spec


def check_perceptual(spec: str) -> None:
  """Raises WeightsError where a distance's file is missing, or holds no distance."""
  if (path := file_of(spec)) is not None:
    _loader(path)


def _loader(path: str) -> Callable[[str, str], Perceptual]:
  family = tensor_file.read_header(path).get('family')
  if family not in LOADERS:
    raise WeightsError(f'{path}: holds {family} weights where {" or ".join(LOADERS)} is needed')
  return LOADERS[family]


def load_perceptual(spec: str, networks: Networks, precision: str = 'float32') -> Perceptual:
  """The distance of a name, as --perceptual takes it.

  Args:
    spec: 'discriminator', or a file made by `python -m ports.vgg16`; see `file_of`.
    networks: whose discriminator it is.
    precision: of the networks that are loaded; see `ganjax.load`.

  Raises:
    WeightsError: there is no discriminator; the file is missing, broken, or holds no distance.
  """
  path = file_of(spec)
  if path is not None:
    return _loader(path)(path, precision)
  if networks.discriminator is None:
    raise WeightsError(
      'these weights hold no discriminator to compare images by: give VGG16 weights '
      '(--perceptual=vgg16.safetensors, made by `python -m ports.vgg16`)'
    )
  return DiscriminatorDistance(networks.discriminator)


@jax.jit
def distance(
  perceptual: Perceptual, a: Float[Array, 'h w 3'], b: Float[Array, 'h w 3']
) -> Float[Array, '']:
  """How far apart two images [H, W, 3] in [-1, 1] look; a scalar."""
  sizes = perceptual.side(*a.shape[:2])
  first, second = (perceptual.features(resize(x, *sizes)) for x in (a, b))
  return perceptual.distance(first, second)


def _sum(terms):
  return sum(terms, start=jnp.zeros(()))
