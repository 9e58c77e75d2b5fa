"""Convolutions in the forms that XLA:CPU is quick at, all for one image [H, W, C].

Each has the value of XLA's own convolution; what differs is how it, or its gradient, is computed.
What XLA:CPU was found to be slow at, and what is done instead:

- The gradient to a kernel: two to four times as slow as it could be, since what it multiplies has
  left the core's cache when it is needed again. `_correlate` sums image by image, strip by strip;
  the smallest images are left to XLA, since many of them together are quicker in training.
- The same within loops: fifty times as slow, since transpositions are found in a program's
  outermost computation only. `_correlate_strips` spells them out.
- The gradient to a kernel that reaches beyond its input: twenty times as slow. `parity.transposed`
  pads by itself.
- Transposed (dilated) convolutions: several times as slow. `conv_transposed` has none of them.
- Convolutions without padding: up to five times as slow. `conv_inside` and `conv_strided` have a
  spare row.
- 8 to 16 channels in, 16 at most out: quicker with 18 outputs, of which some are dropped. By how
  much was not written down.
- The gradients to 4×4 kernels, strided or transposed: up to twenty times as slow as the same
  product of matrices. `conv_windows` is that product.
- A product whose long left side is transposed: up to three times as slow (`_multiplied`).

All of it was found in November 2026, in float32 on two x86-64 cores, with the JAX of that time:
0.10.2, that of docs/benchmarks.md; single findings bear no version of their own. XLA's fusion
emitters, which commands turn off now (`devices.disable_cpu_fusion_emitters`), were on. With another
JAX, or without emitters, none of the figures has been taken again.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ganjax.ops import parity, xla
from ganjax.ops.parity import INSIDE, ParityKernels

LARGE = 16**2  # pixels from which on another form than XLA's own is quicker
STRIP = 2**17  # numbers of a strip of the output's gradient; with its input within a core's cache
NARROW, WIDENED = (8, 16), 18  # channels that XLA:CPU is slow at, and outputs that it is quick at
SMALL, HEAVY = 64, 2**20  # pixels, and weights of a kernel that is larger than the image

# A row of zeros that no stride of two reaches; otherwise it costs a row of the output.
_SPARE_ROW = ((0, 1), (0, 0))


def _is_large(x: jax.Array) -> bool:
  return x.shape[0] * x.shape[1] >= LARGE


def _convolve(x, kernel, padding, stride=1):
  """XLA's own, with outputs added to narrow kernels."""
  c_in, c_out = kernel.shape[2:]
  if _is_large(x) and NARROW[0] <= c_in <= NARROW[1] >= c_out:
    kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, 0), (0, WIDENED - c_out)))
  return xla.convolve(x, kernel, padding, stride)[..., :c_out]


def conv(x: jax.Array, kernel: jax.Array, padding: xla.Padding) -> jax.Array:
  """Stride-1 convolution, [H, W, C_in] -> [H′, W′, C_out]."""
  return (_conv_large if _is_large(x) else _convolve)(x, kernel, padding)


def conv_own(x: jax.Array, kernel: jax.Array, padding: xla.Padding) -> jax.Array:
  """`conv` with a kernel of this image's own, such as W++ makes.

  The gradient to it is that of one image, which `_correlate` is quicker at however small it is.
  """
  return _conv_large(x, kernel, padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_large(x, kernel, padding):
  return _convolve(x, kernel, padding)


def _conv_large_fwd(x, kernel, padding):
  return _convolve(x, kernel, padding), (x, kernel)


def _conv_large_bwd(padding, residuals, gradient):
  x, kernel = residuals
  back = conv(gradient, xla.adjoint(kernel), xla.adjoint_padding(padding, kernel))
  return back, _correlate(jnp.pad(x, (*padding, (0, 0))), gradient, 1)


_conv_large.defvjp(_conv_large_fwd, _conv_large_bwd)


def conv_inside(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """Stride-1 convolution without padding, [H, W, C_in] -> [H - k + 1, W - k + 1, C_out]."""
  return conv(x, kernel, _SPARE_ROW)[:-1]


def conv_strided(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """y[i] = Σ_k x[2i + k]·w[k], k = 0, 1, 2; [2H + 1, 2W + 1, C_in] -> [H, W, C_out]."""
  return (_strided_large if _is_large(x) else _strided)(x, kernel)


def _strided(x, kernel):
  return _convolve(x, kernel, _SPARE_ROW, stride=2)


@jax.custom_vjp
def _strided_large(x, kernel):
  return _strided(x, kernel)


def _strided_large_fwd(x, kernel):
  return _strided(x, kernel), (x, kernel)


def _strided_large_bwd(residuals, gradient):
  x, kernel = residuals
  kernels = parity.split(kernel.swapaxes(2, 3))
  return conv_transposed(gradient, kernels), _correlate(x, gradient, 2)


_strided_large.defvjp(_strided_large_fwd, _strided_large_bwd)


def conv_transposed(x: jax.Array, kernels: ParityKernels) -> jax.Array:
  """The adjoint of `conv_strided` in x: y[2i + k] += x[i]·w[k], w split by parity."""
  return parity.transposed(x, kernels, conv)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
  """The gradient to a kernel, z[k] = Σ_i x[stride · i + k]·y[i] over pixels i.

  Args:
    x: the convolution's input, its padding included, [H, W, C_in].
    y: the gradient to its output, [H′, W′, C_out].
    stride: the convolution's.

  Returns:
    [k, k, C_in, C_out], where k = H − stride · (H′ − 1).
  """
  return _in_turn(functools.partial(_correlate_strips, stride=stride))(x, y)


def _correlate_fwd(x, y, stride):
  return _correlate(x, y, stride), (x, y)


def _correlate_bwd(stride, residuals, gradient):
  x, y = residuals
  _, back = jax.vjp(lambda x: _convolve(x, gradient, INSIDE, stride), x)
  return *back(y), _convolve(x, gradient, INSIDE, stride)


_correlate.defvjp(_correlate_fwd, _correlate_bwd)


def _correlate_strips(x, y, stride):
  height, width, count = y.shape
  rows = max(STRIP // (width * count), 1)
  margin = x.shape[0] - stride * height
  # Channels as images.
  x, y = x.transpose(2, 0, 1)[..., None], y[:, :, None]
  parts = [
    jax.lax.conv_general_dilated(
      x[:, stride * top : stride * min(top + rows, height) + margin],
      y[top : top + rows],
      window_strides=(1, 1),
      padding='VALID',
      rhs_dilation=(stride, stride),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )
    for top in range(0, height, rows)
  ]
  return functools.reduce(jnp.add, parts).transpose(1, 2, 0, 3)


def _in_turn(of_one: Callable) -> Callable:
  """The function, mapped by doing it for one image after another."""
  mapped = jax.custom_batching.custom_vmap(of_one)

  @mapped.def_vmap
  def in_turn(count, is_mapped, *arrays):
    def of_index(i):
      return [a[i] if has_axis else a for a, has_axis in zip(arrays, is_mapped, strict=True)]

    return jnp.stack([mapped(*of_index(i)) for i in range(count)]), True

  return mapped


def conv_windows(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """Convolution with one row of zeros around, as a product of all windows with the kernel.

  Args:
    x: [H, W, C_in].
    kernel: [k, k, C_in, C_out].
    stride: of the windows.

  Returns:
    [(H + 3 - k) / stride, (W + 3 - k) / stride, C_out], rounded up.
  """
  return _multiplied(_windows(x, kernel.shape[0], stride), kernel.reshape(-1, kernel.shape[3]))


def _windows(x: jax.Array, size: int, stride: int) -> jax.Array:
  """Every window's pixels in one row: [h, w, size·size·C], ordered as a kernel's axes."""
  x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
  height, width = x.shape[0] - size + 1, x.shape[1] - size + 1
  shifts = [x[i : i + height : stride, j : j + width : stride]
            for i in range(size) for j in range(size)]  # fmt: skip
  return jnp.concatenate(shifts, axis=2)


def _multiplied(windows: jax.Array, weights: jax.Array) -> jax.Array:
  """Windows [h, w, K] times weights [K, C]: [h, w, C].

  The weights' gradient is a product over all pixels, whose left side, the windows, would have to be
  transposed; so, where pixels are many, the weights are, and the gradient is too. XLA would undo a
  mere transposition, hence the reshaping around it.
  """
  size, count = weights.shape
  if windows.shape[0] * windows.shape[1] < 4 * count:
    return windows @ weights
  across = weights.reshape(4, size // 4, count).transpose(2, 0, 1).reshape(count, size)
  return jax.lax.dot_general(windows, across, (((2,), (1,)), ((), ())))


def is_narrow(kernel: jax.Array) -> bool:
  """Whether outputs are so few that products of pixels and taps take less room than windows."""
  return 4 * kernel.shape[3] < kernel.shape[2]


def outweighs(kernel: jax.Array, x: jax.Array) -> bool:
  """Whether a kernel is so much larger than an image that nothing of it should be copied."""
  return x.shape[0] * x.shape[1] <= SMALL and kernel.size >= HEAVY


def tap_products(x: jax.Array, kernel: jax.Array) -> dict[tuple[int, int], jax.Array]:
  """The pixels times each of a kernel's taps, (i, j) -> [H, W, C_out].

  Shifted and added up they are a convolution. Where outputs are few or the kernel is larger than
  the image, windows would copy more than is computed.

  Args:
    x: [H, W, C_in].
    kernel: [k, k, C_in, C_out].
  """
  height, width, c_in, c_out = kernel.shape
  taps = [(i, j) for i in range(height) for j in range(width)]
  if is_narrow(kernel):
    flat = kernel.transpose(2, 0, 1, 3).reshape(c_in, -1)
    return dict(zip(taps, jax.lax.split(x @ flat, [c_out] * len(taps), axis=2), strict=True))
  # Copies of the pixels, which are few here: products then need none of the kernel.
  copies = jnp.broadcast_to(x.reshape(-1, c_in), (len(taps), x.shape[0] * x.shape[1], c_in))
  products = (copies @ kernel.reshape(-1, c_in, c_out)).reshape(-1, *x.shape[:2], c_out)
  return dict(zip(taps, products, strict=True))
