"""3×3 transposed convolution with stride 2, by the parity of the output's rows and columns.

The taps of a transposed convolution that reach even rows of the output never reach odd ones, and
likewise for columns: four small convolutions, each with the fewest operations, make the four kinds
of pixels, which are then interleaved (the polyphase decomposition).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

INSIDE = ((0, 0), (0, 0))  # no padding


class ParityKernels(NamedTuple):
  """A 3×3 kernel for `transposed`, split by the parity of the row and column that its taps reach.

  Each part is an array, or what else the convolution that makes it takes for a kernel.
  """

  even_even: Any  # [2, 2, C_in, C_out]
  even_odd: Any  # [2, 1, C_in, C_out]
  odd_even: Any  # [1, 2, C_in, C_out]
  odd_odd: Any  # [1, 1, C_in, C_out]


def split(kernel: jax.Array) -> ParityKernels:
  """The parts of a kernel [3, 3, C_in, C_out]; flipped, as a transposed convolution needs them."""
  return ParityKernels(
    even_even=kernel[2::-2, 2::-2],
    even_odd=kernel[2::-2, 1:2],
    odd_even=kernel[1:2, 2::-2],
    odd_odd=kernel[1:2, 1:2],
  )


def transposed(x: jax.Array, kernels: ParityKernels, conv: Callable) -> jax.Array:
  """y[2i + k] += x[i]·w[k]; [H, W, C_in] -> [2H + 1, 2W + 1, C_out].

  Args:
    x: [H, W, C_in].
    kernels: `split` of w.
    conv: (x, kernel, padding) -> y, which convolves with one of the parts.
  """
  height, width, _ = x.shape
  # Padded here, since a CPU is slow where a trained kernel reaches beyond its input.
  around = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
  even_even = conv(around, kernels.even_even, INSIDE)
  even_odd = conv(around[:, 1:-1], kernels.even_odd, INSIDE)
  odd_even = conv(around[1:-1], kernels.odd_even, INSIDE)
  odd_odd = conv(x, kernels.odd_odd, INSIDE)
  even = _interleave(even_even, even_odd, axis=1)
  odd = _interleave(odd_even, odd_odd, axis=1)
  return _interleave(even, odd, axis=0)[: 2 * height + 1, : 2 * width + 1]


def _interleave(even, odd, axis):
  """Alternates slices of `even` and of `odd`, which is one shorter along `axis`."""
  widths = [(0, 0)] * 3
  widths[axis] = (0, 1)
  pair = jnp.stack([even, jnp.pad(odd, widths)], axis=axis + 1)
  return pair.reshape(*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])
