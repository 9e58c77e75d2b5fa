"""Convolutions and filters of the networks, all for one image [H, W, C].

Inversion convolves with kernels that stay fixed while something else is optimised: `frozen` derives
once what the gradient to the input needs, so that no optimisation step derives it again. Training
needs the gradient to the kernel, too. XLA:CPU is two to four times as slow at it as it could be
where pictures are large: what it multiplies has left the core's cache when it is needed again.
Within loops it is slower still (see `_correlate_strips`). So there the sum over pixels is made
picture by picture, and strip by strip; only the smallest pictures are left to XLA, since many of
them together are quicker in training.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ganjax.ops.resampling import depth_to_space, fold_down, fold_up, low_pass, space_to_depth
from ganjax.runtime import platforms, precision

LARGE = 16**2  # pixels from which on a CPU wants another form than XLA's own
STRIP = 2**17  # numbers of a strip of the output's gradient; with its input within a core's cache
LANES = 128  # of a TPU: what its arrays' minor axis is padded to
NARROW, WIDENED = (8, 16), 18  # channels that XLA:CPU is slow at, and outputs that it is quick at
# Channels up to which accelerators have the low-pass filter in the kernel: for more, four times the
# multiplications outweigh the memory traffic that it saves.
FOLDED = 128

_NONE = ((0, 0), (0, 0))
# XLA:CPU is up to five times as slow at convolutions without any padding. This row of zeros no
# stride of two reaches; otherwise it costs a row of the output, which is dropped.
_SPARE_ROW = ((0, 1), (0, 0))


class Frozen(NamedTuple):
  """A kernel that gets no gradient, beside the kernel of its input's gradient."""

  kernel: jax.Array  # [kh, kw, C_in, C_out]
  adjoint: jax.Array  # [kh, kw, C_out, C_in], flipped


class ParityKernels(NamedTuple):
  """A 3×3 kernel split by the parity of the output row and column that its taps reach."""

  even_even: Any  # frozen or not: [2, 2, C_in, C_out]
  even_odd: Any  # [2, 1, C_in, C_out]
  odd_even: Any  # [1, 2, C_in, C_out]
  odd_odd: Any  # [1, 1, C_in, C_out]


class FrozenDown(NamedTuple):
  """A 3×3 kernel of a stride-2 convolution that gets no gradient, beside its adjoint's phases."""

  kernel: jax.Array  # [3, 3, C_in, C_out]
  adjoint: ParityKernels  # of [3, 3, C_out, C_in], not flipped: a transposed convolution's


class Folded(NamedTuple):
  """A kernel with the low-pass filter in it, of an image that is packed four pixels to one."""

  kernel: Any  # frozen or not: [3, 3, C_in, 4·C_out] to double the size, or [3, 3, 4·C_in, C_out]


class Packed(NamedTuple):
  """A kernel whose output stays packed, four pixels to one."""

  kernel: Any  # frozen or not: [k, k, C_in or 4·C_in, 4·C_out]


class Own(NamedTuple):
  """A kernel that one image of a batch has for itself, as in W++."""

  kernel: jax.Array  # [kh, kw, C_in, C_out]


def _convolve(x, kernel, padding, stride=1, dilation=1):
  c_in, c_out = kernel.shape[2:]
  if _large_on_cpu(x) and NARROW[0] <= c_in <= NARROW[1] >= c_out and dilation == 1:
    kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, 0), (0, WIDENED - c_out)))
  y = jax.lax.conv_general_dilated(
    x[None],
    kernel,
    window_strides=(stride, stride),
    padding=padding,
    lhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision.of_operands(x.dtype),
  )[0]
  return y[..., :c_out]


def _large_on_cpu(x) -> bool:
  return platforms.is_cpu() and x.shape[0] * x.shape[1] >= LARGE


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _frozen_conv(x, kernel, adjoint, padding):
  del adjoint
  return _convolve(x, kernel, padding)


def _frozen_conv_fwd(x, kernel, adjoint, padding):
  return _convolve(x, kernel, padding), adjoint


def _frozen_conv_bwd(padding, adjoint, gradient):
  return _convolve(gradient, adjoint, _back(padding, adjoint)), None, None


_frozen_conv.defvjp(_frozen_conv_fwd, _frozen_conv_bwd)


def _back(padding, kernel):
  """The padding of the convolution that leads back to an input's gradient."""
  sizes = kernel.shape[:2]
  return tuple((k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(sizes, padding, strict=True))


def conv(x: jax.Array, kernel: jax.Array | Frozen | Packed | Own, padding=None) -> jax.Array:
  """Stride-1 convolution (cross-correlation), [H, W, C_in] -> [H, W, C_out] by default.

  Args:
    x: [H, W, C_in].
    kernel: [kh, kw, C_in, C_out], frozen or not; or the image's own; or for packed images.
    padding: ((top, bottom), (left, right)); None keeps the size of odd kernels.
  """
  if isinstance(kernel, Packed):
    return conv(x, kernel.kernel)
  weight = kernel.kernel if isinstance(kernel, Frozen | Own) else kernel
  if padding is None:
    padding = tuple(((k - 1) // 2, k // 2) for k in weight.shape[:2])
  if weight.shape[:2] == (1, 1) and padding == _NONE and not platforms.is_cpu():
    return jnp.matmul(x, weight[0, 0], precision=precision.of_operands(x.dtype))
  if isinstance(kernel, Own) and platforms.current() == 'gpu':
    return _by_rows(x, weight, padding)
  if isinstance(kernel, Frozen):
    return _frozen_conv(x, kernel.kernel, kernel.adjoint, padding)
  return _trained_conv(x, weight, padding) if _large_on_cpu(x) else _convolve(x, weight, padding)


def _by_rows(x, kernel, padding):
  """A convolution as one matrix product for each row of the kernel.

  Under `vmap`, kernels of several images make it a few batched products, which keep a GPU's tensor
  cores busy; a convolution with groups would take one image after another. A TPU's compiler makes
  better programs of groups (a third to half of the traffic from 128 channels on, compiled for v5e).
  """
  height, width, c_in, c_out = kernel.shape
  x = jnp.pad(x, (*padding, (0, 0)))
  rows, columns = x.shape[0] - height + 1, x.shape[1] - width + 1
  beside = jnp.concatenate([x[:, j : j + columns] for j in range(width)], axis=2)
  products = [
    jnp.matmul(
      beside[i : i + rows],
      kernel[i].reshape(width * c_in, c_out),
      precision=precision.of_operands(x.dtype),
    )
    for i in range(height)
  ]
  return functools.reduce(jnp.add, products)


def conv_down(x: jax.Array, kernel: jax.Array | FrozenDown | Folded) -> jax.Array:
  """3×3 convolution of the low-passed image with stride 2, [H, W, C_in] -> [H/2, W/2, C_out]."""
  if not isinstance(kernel, FrozenDown | Folded) and _is_folded(kernel):
    kernel = Folded(fold_down(kernel))
  if isinstance(kernel, Folded):
    return conv(space_to_depth(x), kernel.kernel)
  x = low_pass(x, (2, 2))
  return _frozen_strided(x, kernel) if isinstance(kernel, FrozenDown) else conv_inside(x, kernel, 2)


def _is_folded(kernel: jax.Array) -> bool:
  """Whether a change of size is one convolution with the low-pass filter in its kernel."""
  return not platforms.is_cpu() and max(kernel.shape[2:]) <= FOLDED


def conv_inside(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """Convolution where the kernel lies inside the image, [H, W, C_in] -> [H′, W′, C_out].

  Args:
    x: [H, W, C_in]; H and W odd for a stride of 2.
    kernel: [k, k, C_in, C_out], k = 3 for a stride of 2.
    stride: 1 or 2.
  """
  if stride == 2:
    return _trained_strided(x, kernel) if _large_on_cpu(x) else _strided(x, kernel)
  if kernel.shape[:2] == (1, 1):
    return x @ kernel[0, 0]
  return conv(x, kernel, _SPARE_ROW)[:-1] if platforms.is_cpu() else conv(x, kernel, _NONE)


def _strided(x, kernel):
  """y[i] = Σ_k x[2i + k]·w[k]; [2H + 1, 2W + 1, C_in] -> [H, W, C_out]."""
  return _convolve(x, kernel, _SPARE_ROW if platforms.is_cpu() else _NONE, stride=2)


@jax.custom_vjp
def _frozen_strided(x, kernel):
  return _strided(x, kernel.kernel)


def _frozen_strided_fwd(x, kernel):
  return _strided(x, kernel.kernel), kernel.adjoint


def _frozen_strided_bwd(adjoint, gradient):
  return _transposed(gradient, adjoint), None


_frozen_strided.defvjp(_frozen_strided_fwd, _frozen_strided_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _trained_conv(x, kernel, padding):
  return _convolve(x, kernel, padding)


def _trained_conv_fwd(x, kernel, padding):
  return _convolve(x, kernel, padding), (x, kernel)


def _trained_conv_bwd(padding, residuals, gradient):
  x, kernel = residuals
  back = conv(gradient, _adjoint(kernel), _back(padding, kernel))
  return back, correlate(jnp.pad(x, (*padding, (0, 0))), gradient, 1)


_trained_conv.defvjp(_trained_conv_fwd, _trained_conv_bwd)


@jax.custom_vjp
def _trained_strided(x, kernel):
  return _strided(x, kernel)


def _trained_strided_fwd(x, kernel):
  return _strided(x, kernel), (x, kernel)


def _trained_strided_bwd(residuals, gradient):
  x, kernel = residuals
  return _transposed(gradient, kernel.swapaxes(2, 3)), correlate(x, gradient, 2)


_trained_strided.defvjp(_trained_strided_fwd, _trained_strided_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def correlate(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
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
  return correlate(x, y, stride), (x, y)


def _correlate_bwd(stride, residuals, gradient):
  x, y = residuals
  _, back = jax.vjp(lambda x: _convolve(x, gradient, 'VALID', stride), x)
  return *back(y), _convolve(x, gradient, 'VALID', stride)


correlate.defvjp(_correlate_fwd, _correlate_bwd)


def _correlate_strips(x, y, stride):
  height, width, count = y.shape
  rows = max(STRIP // (width * count), 1)
  margin = x.shape[0] - stride * height
  # Channels as pictures. The transpositions are spelled out since XLA:CPU finds them by itself in a
  # program's outermost computation only; within a loop it would take fifty times as long.
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
  """The function, mapped by doing it for one picture after another."""
  mapped = jax.custom_batching.custom_vmap(of_one)

  @mapped.def_vmap
  def in_turn(count, is_mapped, *arrays):
    def of_index(i):
      return [a[i] if has_axis else a for a, has_axis in zip(arrays, is_mapped, strict=True)]

    return jnp.stack([mapped(*of_index(i)) for i in range(count)]), True

  return mapped


def conv_up(x: jax.Array, kernel: jax.Array | ParityKernels | Folded | Packed | Own) -> jax.Array:
  """3×3 transposed convolution with stride 2, then low-pass: [H, W, C_in] -> [2H, 2W, C_out].

  With a packed kernel the result is [H, W, 4·C_out].
  """
  if isinstance(kernel, Packed):
    return conv(x, kernel)
  if not isinstance(kernel, ParityKernels | Folded | Own) and _is_folded(kernel):
    kernel = Folded(fold_up(kernel))
  if isinstance(kernel, Folded):
    return depth_to_space(conv(x, kernel.kernel))
  return low_pass(_transposed(x, kernel), (1, 1), gain=4.0)


def _transposed(x, kernel):
  """y[2i + k] += x[i]·w[k]; [H, W, C_in] -> [2H + 1, 2W + 1, C_out]."""
  if isinstance(kernel, Own) and platforms.current() == 'gpu':
    kernel = ParityKernels(*map(Own, parity_kernels(kernel.kernel)))
  kernel = kernel.kernel if isinstance(kernel, Own) else kernel
  if not isinstance(kernel, ParityKernels):
    if not platforms.is_cpu():  # it is several times slower at a dilated convolution
      return _convolve(x, kernel[::-1, ::-1], ((2, 2), (2, 2)), dilation=2)
    kernel = parity_kernels(kernel)
  height, width, _ = x.shape
  # Padded here and not by the convolutions: XLA:CPU takes twenty times as long for the gradient to
  # a kernel that reaches beyond its input.
  around = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
  even_even = conv(around, kernel.even_even, _NONE)
  even_odd = conv(around[:, 1:-1], kernel.even_odd, _NONE)
  odd_even = conv(around[1:-1], kernel.odd_even, _NONE)
  odd_odd = conv(x, kernel.odd_odd, _NONE)
  even = _interleave(even_even, even_odd, axis=1)
  odd = _interleave(odd_even, odd_odd, axis=1)
  return _interleave(even, odd, axis=0)[: 2 * height + 1, : 2 * width + 1]


def _interleave(even, odd, axis):
  """Alternates slices of `even` and of `odd`, which is one shorter along `axis`."""
  widths = [(0, 0)] * 3
  widths[axis] = (0, 1)
  pair = jnp.stack([even, jnp.pad(odd, widths)], axis=axis + 1)
  return pair.reshape(*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])


def parity_kernels(kernel: jax.Array) -> ParityKernels:
  """Splits a 3×3 kernel for `conv_up`; four small kernels, each with the fewest operations."""
  return ParityKernels(
    even_even=kernel[2::-2, 2::-2],
    even_odd=kernel[2::-2, 1:2],
    odd_even=kernel[1:2, 2::-2],
    odd_odd=kernel[1:2, 1:2],
  )


def frozen(kernel: jax.Array | Packed) -> Frozen | Packed:
  """Pairs a kernel with that of its input's gradient (flipped, inputs and outputs exchanged)."""
  if isinstance(kernel, Packed):
    return Packed(frozen(kernel.kernel))
  return Frozen(kernel, _adjoint(kernel))


def _adjoint(kernel):
  return kernel[::-1, ::-1].swapaxes(2, 3)


def is_packed(channels: int) -> bool:
  """Whether images of so many channels are packed four pixels to one, to fill a TPU's lanes."""
  return platforms.current() == 'tpu' and 4 * channels <= LANES


def frozen_up(kernel: jax.Array | Packed) -> jax.Array | ParityKernels | Folded | Packed:
  """`frozen` for `conv_up`."""
  if isinstance(kernel, Packed):
    return Packed(frozen(kernel.kernel))
  if _is_folded(kernel):
    return Folded(frozen(fold_up(kernel)))
  return (
    ParityKernels(*(frozen(part) for part in parity_kernels(kernel)))
    if platforms.is_cpu()
    else kernel
  )


def frozen_down(kernel: jax.Array) -> jax.Array | FrozenDown | Folded:
  """`frozen` for `conv_down`."""
  if _is_folded(kernel):
    return Folded(frozen(fold_down(kernel)))
  return FrozenDown(kernel, parity_kernels(kernel.swapaxes(2, 3))) if platforms.is_cpu() else kernel
