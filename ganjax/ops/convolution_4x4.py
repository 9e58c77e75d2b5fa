"""4×4 convolutions of image-to-image networks, all for one image [H, W, C].

Their weights are trained, so that a step needs both gradients. Most of these layers have few pixels
and many channels: on a CPU they are products of matrices (`convolution_cpu.conv_windows`), or of
the pixels with each of the kernel's taps, which are shifted and added up then. Accelerators
convolve.
"""

import functools

import jax
import jax.numpy as jnp

from ganjax.ops import convolution_cpu, xla
from ganjax.runtime import platforms

SIZE = 4  # of every kernel


def conv_down(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """4×4 convolution (cross-correlation) with stride 2 and one row of zeros around the image.

  Args:
    x: [H, W, C_in], H and W even.
    kernel: [4, 4, C_in, C_out].

  Returns:
    [H/2, W/2, C_out].
  """
  return _convolve(x, kernel, stride=2)


def conv_same(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """4×4 convolution with stride 1 and one row of zeros around: [H, W, C] -> [H-1, W-1, C_out]."""
  if not (platforms.is_cpu() and convolution_cpu.is_narrow(kernel)):
    return _convolve(x, kernel, stride=1)
  products = convolution_cpu.tap_products(x, kernel)
  shifted = [_shifted(y, ((1 - i, i - 2), (1 - j, j - 2))) for (i, j), y in products.items()]
  return functools.reduce(jnp.add, shifted)


def conv_up(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """4×4 transposed convolution with stride 2: y[2i + k - 1] += x[i]·w[k], within 2H × 2W.

  Each of the four parities of the output's row and column sees 2×2 pixels of the input; they are
  made by themselves and then interleaved.

  Args:
    x: [H, W, C_in].
    kernel: [4, 4, C_in, C_out].

  Returns:
    [2H, 2W, C_out].
  """
  height, width, _ = x.shape
  by_taps = convolution_cpu.outweighs(kernel, x) or convolution_cpu.is_narrow(kernel)
  parities = _parities_by_taps if platforms.is_cpu() and by_taps else _parities
  y = jnp.stack([jnp.stack(row, axis=2) for row in parities(x, kernel)], axis=1)
  return y.reshape(2 * height, 2 * width, -1)  # of [H, a, W, b, C_out]


def _convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """With one row of zeros around; kernels of any size."""
  if platforms.is_cpu():
    return convolution_cpu.conv_windows(x, kernel, stride)
  return xla.convolve(x, kernel, ((1, 1), (1, 1)), stride)


def _parities(x: jax.Array, kernel: jax.Array) -> list[list[jax.Array]]:
  """What `conv_up` interleaves, [a][b] of [H, W, C_out], by one convolution."""
  height, width, _ = x.shape
  c_in, c_out = kernel.shape[2:]
  # Output row 2i + a sees rows i - 1 + a + r of the input, r = 0, 1, through tap k = 3 - a - 2r.
  taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, c_in, c_out)  # [r, a, s, b, C_in, C_out]
  taps = taps.transpose(0, 2, 4, 1, 3, 5)  # [r, s, C_in, a, b, C_out]
  y = _convolve(x, taps.reshape(2, 2, c_in, 4 * c_out), stride=1)
  y = y.reshape(height + 1, width + 1, 2, 2, c_out)
  return [[y[a : a + height, b : b + width, a, b] for b in (0, 1)] for a in (0, 1)]


def _parities_by_taps(x: jax.Array, kernel: jax.Array) -> list[list[jax.Array]]:
  """The same by the products with 16 taps."""
  products = convolution_cpu.tap_products(x, kernel)
  # Row 2m + a gets what tap i makes of row m - by.
  met = (((1, 0), (3, 1)), ((2, 0), (0, -1)))  # of each parity a: (i, by)
  return [
    [
      functools.reduce(
        jnp.add,
        [
          _shifted(products[i, j], ((down, -down), (right, -right)))
          for i, down in met[a]
          for j, right in met[b]
        ],
      )
      for b in (0, 1)
    ]
    for a in (0, 1)
  ]


def _shifted(x: jax.Array, margins: tuple[tuple[int, int], tuple[int, int]]) -> jax.Array:
  """Adds rows and columns of zeros at the edges, or takes some off."""
  return jax.lax.pad(x, x.dtype.type(0), [(*rows, 0) for rows in (*margins, (0, 0))])
