"""Gaussian blur."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.estimators import Continuous, Discrete, Unknown
from ganjax.degradations.parameters import DegradationError, Leaf, require_range, spell
from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register
from ganjax.degradations.wiener import deconvolved

TAPER = 3.0  # standard deviations of the kernel from the border within which it is not trusted
MAX_KERNEL_SIZE = 4095


@frozen_pytree
class Blur(Operator):
  """Convolution with a truncated Gaussian, the picture mirrored at its borders.

  The taps are exp(-d² / (2·variance)) for |d| <= kernel_size // 2, normalised to sum 1. Each axis
  is one product with a banded matrix that has the mirror folded in; so the kernel size is a leaf
  like the variance (both can be swept in one batch), and a kernel of 111 costs no more than one
  of 5.
  """

  kernel_size: Leaf  # int32, odd, pixels
  variance: Leaf  # float32, pixels²

  is_blur: ClassVar[bool] = True
  has_consistency: ClassVar[bool] = True

  unknowns: ClassVar[dict[str, Unknown]] = {
    'kernel_size': Discrete(tuple(np.asarray(k, np.int32) for k in (5, 9, 15, 25, 41, 63))),
    'variance': Continuous(0.05, 400.0, start=4.0),
  }

  @classmethod
  def create(cls, kernel_size: int = 25, variance: float = 7.0) -> 'Blur':
    """Checks the numbers.

    Args:
      kernel_size: odd, in pixels.
      variance: of the Gaussian, in pixels²; 0.001 to 1e6.

    Raises:
      DegradationError: a number is out of its range, or kernel_size is even.
    """
    require_range('blur: kernel_size', kernel_size, 1, MAX_KERNEL_SIZE)
    require_range('blur: variance', variance, 1e-3, 1e6)
    if kernel_size % 2 == 0:
      raise DegradationError(
        f'blur: kernel_size={kernel_size} is even, so it has no centre: use {kernel_size + 1}'
      )
    return cls(np.asarray(kernel_size, np.int32), np.asarray(variance, np.float32))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    height, width, _ = image.shape
    down = blur_matrix(height, self.kernel_size, self.variance)
    across = blur_matrix(width, self.kernel_size, self.variance)
    exact = jax.lax.Precision.HIGHEST
    rows = jnp.einsum('yY,YXc->yXc', down, image, precision=exact)
    return jnp.einsum('xX,yXc->yxc', across, rows, precision=exact)

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """By deconvolution of what is left, y − K x; see `deconvolved`.

    Less and less towards the border: beyond it the picture was no mirror of itself.
    """
    down, across = (
      np.asarray(blur_matrix(size, self.kernel_size, self.variance), np.float64)
      for size in image.shape[:2]
    )
    y, x = (_taper(size, TAPER * float(self.variance) ** 0.5) for size in image.shape[:2])
    weight = y[:, None] * x * visible[:, :, 0]
    ours, given = (np.moveaxis(one, 2, 0) for one in (image, degraded))
    step = weight * deconvolved(weight * (given - down @ ours @ across.T), down, across)
    return (image + np.moveaxis(step, 0, 2)).astype(np.float32)

  def check(self, height: int, width: int) -> None:
    size = int(np.max(np.asarray(self.kernel_size)))
    if size > min(height, width):
      largest = (min(height, width) - 1) // 2 * 2 + 1
      raise DegradationError(
        f'blur: kernel_size={size} is larger than the {width}×{height} picture: '
        f'use at most {largest}'
      )

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    del height, width
    return {'variance': jnp.log1p(self.variance) / np.log1p(64)}

  def __str__(self) -> str:
    return f'blur(kernel_size={spell(self.kernel_size)}, variance={spell(self.variance)})'


register(
  'blur',
  Blur.create,
  {'kernel_size': int, 'variance': float},
  unknown={'kernel_size': 25, 'variance': 4.0},
  usage='blur(kernel_size=25, variance=7)  pixels (odd), pixels²',
)


def blur_matrix(size: int, kernel_size: Leaf, variance: Leaf) -> jax.Array:
  """The matrix that blurs one axis, mirrored at both ends without repeating the border.

  Args:
    size: pixels along the axis; at least kernel_size // 2 + 1.
    kernel_size: int32 scalar, odd.
    variance: float32 scalar.

  Returns:
    float32 [size, size]; row y holds the weights of the input pixels in output pixel y. Rows sum
    to 1.
  """
  offsets = jnp.arange(-(size - 1), size, dtype=jnp.int32)
  total = jnp.sum(_taps(offsets, kernel_size, variance))
  y = jnp.arange(size, dtype=jnp.int32).reshape(size, 1)
  x = jnp.arange(size, dtype=jnp.int32).reshape(1, size)
  # Input pixel x stands at x, and for the kernel also at -x and at 2·(size - 1) - x.
  direct = _taps(x - y, kernel_size, variance)
  before = jnp.where(x > 0, _taps(x + y, kernel_size, variance), 0.0)
  after = jnp.where(x < size - 1, _taps(2 * (size - 1) - x - y, kernel_size, variance), 0.0)
  return (direct + before + after) / total


def _taper(size: int, reach: float) -> np.ndarray:
  """From 0 at both ends of an axis to 1 from `reach` px on; [size]."""
  place = np.arange(size) + 0.5
  t = np.clip(np.minimum(place, size - place) / max(reach, 1.0), 0, 1)
  return t * t * (3 - 2 * t)


def _taps(offsets: jax.Array, kernel_size: Leaf, variance: Leaf) -> jax.Array:
  """The unnormalised Gaussian at integer offsets; 0 outside the kernel."""
  squared = (offsets * offsets).astype(jnp.float32)
  inside = jnp.abs(offsets) <= kernel_size // 2
  return jnp.where(inside, jnp.exp(-squared / (2 * variance)), 0.0)
