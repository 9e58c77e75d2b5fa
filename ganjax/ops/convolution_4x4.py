"""4×4 convolutions of image-to-image networks, all for one image [H, W, C].

Their weights are trained, so that a step needs both gradients. XLA:CPU takes up to twenty times
as long for a strided convolution's or a transposed convolution's weight gradient as for the same
product of matrices, and most of these layers have few pixels and many channels: on a CPU the
windows are laid out as rows, and one matrix product does the rest. Where that would copy more than
it computes, because outputs are few or kernels larger than pictures, the pixels are multiplied with
each of the kernel's 16 taps first, and shifted and added up then. Accelerators convolve.
"""

import functools

import jax
import jax.numpy as jnp

from ganjax.runtime import platforms, precision

SIZE = 4  # of every kernel
SMALL, HEAVY = 64, 2**20  # pixels, weights


def conv_down(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """4×4 convolution (cross-correlation) with stride 2 and one row of zeros around the image.

  Args:
    x: [H, W, C_in], H and W even.
    kernel: [4, 4, C_in, C_out].

  Returns:
    [H/2, W/2, C_out].
  """
  if platforms.is_cpu():
    return _multiplied(_windows(x, SIZE, 2, 1), kernel.reshape(-1, kernel.shape[3]))
  return _convolve(x, kernel, 2, 1)


def conv_same(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """4×4 convolution with stride 1 and one row of zeros around: [H, W, C] -> [H-1, W-1, C_out]."""
  if not platforms.is_cpu():
    return _convolve(x, kernel, 1, 1)
  if not _is_narrow(kernel):
    return _multiplied(_windows(x, SIZE, 1, 1), kernel.reshape(-1, kernel.shape[3]))
  shifted = [
    _shifted(product, ((1 - i, i - 2), (1 - j, j - 2)))
    for product, (i, j) in zip(_products(x, kernel), _TAPS, strict=True)
  ]
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
  is_heavy = height * width <= SMALL and kernel.size >= HEAVY
  if platforms.is_cpu() and (is_heavy or _is_narrow(kernel)):
    rows = _parities_by_products(x, kernel)
  else:
    rows = _parities_by_windows(x, kernel)
  y = jnp.stack([jnp.stack(row, axis=2) for row in rows], axis=1)  # [H, a, W, b, C_out]
  return y.reshape(2 * height, 2 * width, -1)


def _parities_by_windows(x: jax.Array, kernel: jax.Array) -> list[list[jax.Array]]:
  """What `conv_up` interleaves, [a][b] of [H, W, C_out], by one product."""
  height, width, _ = x.shape
  c_in, c_out = kernel.shape[2:]
  # Output row 2i + a sees rows i - 1 + a + r of the input, r = 0, 1, through tap k = 3 - a - 2r.
  taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, c_in, c_out)  # [r, a, s, b, C_in, C_out]
  taps = taps.transpose(0, 2, 4, 1, 3, 5)  # [r, s, C_in, a, b, C_out]
  if platforms.is_cpu():
    y = _multiplied(_windows(x, 2, 1, 1), taps.reshape(4 * c_in, 4 * c_out))
  else:
    y = _convolve(x, taps.reshape(2, 2, c_in, 4 * c_out), 1, 1)
  y = y.reshape(height + 1, width + 1, 2, 2, c_out)
  return [[y[a : a + height, b : b + width, a, b] for b in (0, 1)] for a in (0, 1)]


def _parities_by_products(x: jax.Array, kernel: jax.Array) -> list[list[jax.Array]]:
  """The same by 16 products."""
  products = dict(zip(_TAPS, _products(x, kernel), strict=True))
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


_TAPS = [(i, j) for i in range(SIZE) for j in range(SIZE)]


def _is_narrow(kernel: jax.Array) -> bool:
  """Whether outputs are so few that their products take less room than windows."""
  return 4 * kernel.shape[3] < kernel.shape[2]


def _products(x: jax.Array, kernel: jax.Array) -> list[jax.Array]:
  """The pixels times each tap, 16 × [H, W, C_out], in the order of `_TAPS`."""
  c_in, c_out = kernel.shape[2:]
  if _is_narrow(kernel):
    flat = kernel.transpose(2, 0, 1, 3).reshape(c_in, -1)
    return list(jax.lax.split(x @ flat, [c_out] * len(_TAPS), axis=2))
  # Copies of the pixels, which are few here: products then need none of the kernel.
  copies = jnp.broadcast_to(x.reshape(-1, c_in), (len(_TAPS), x.shape[0] * x.shape[1], c_in))
  products = copies @ kernel.reshape(-1, c_in, c_out)
  return list(products.reshape(-1, *x.shape[:2], c_out))


def _shifted(x: jax.Array, margins: tuple[tuple[int, int], tuple[int, int]]) -> jax.Array:
  """Adds rows and columns of zeros at the edges, or takes some off."""
  return jax.lax.pad(x, x.dtype.type(0), [(*rows, 0) for rows in (*margins, (0, 0))])


def _windows(x: jax.Array, size: int, stride: int, padding: int) -> jax.Array:
  """Every window's pixels in one row: [h, w, size·size·C], ordered as a kernel's axes."""
  x = jnp.pad(x, ((padding, padding), (padding, padding), (0, 0)))
  height, width = x.shape[0] - size + 1, x.shape[1] - size + 1
  shifts = [x[i : i + height : stride, j : j + width : stride]
            for i in range(size) for j in range(size)]  # fmt: skip
  return jnp.concatenate(shifts, axis=2)


def _multiplied(windows: jax.Array, weights: jax.Array) -> jax.Array:
  """Windows [h, w, K] times weights [K, C]: [h, w, C].

  The weights' gradient is a product over all pixels. XLA:CPU takes up to three times as long if its
  left side, the windows, has to be transposed; so, where pixels are many, the weights are, and the
  gradient is too. It would undo a mere transposition, hence the reshaping around it.
  """
  size, count = weights.shape
  if windows.shape[0] * windows.shape[1] < 4 * count:
    return windows @ weights
  across = weights.reshape(4, size // 4, count).transpose(2, 0, 1).reshape(count, size)
  return jax.lax.dot_general(windows, across, (((2,), (1,)), ((), ())))


def _convolve(x, kernel, stride, padding):
  return jax.lax.conv_general_dilated(
    x[None],
    kernel,
    window_strides=(stride, stride),
    padding=((padding, padding), (padding, padding)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision.of_operands(x.dtype),
  )[0]
