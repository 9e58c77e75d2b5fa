"""Convolutions of StyleGAN2's networks and of those beside it, all for one image [H, W, C].

A kernel that is trained is an array. Inversion convolves with kernels that stay fixed while
something else is optimised: `frozen`, `frozen_up` and `frozen_down` derive once what the gradient
to the input needs, so that no optimisation step derives it again. How a convolution is computed
depends on the platform: what a CPU is quick at is in `convolution_cpu`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ganjax.ops import convolution_cpu, parity, xla
from ganjax.ops.packing import depth_to_space, fold_down, fold_up, space_to_depth
from ganjax.ops.parity import INSIDE, ParityKernels
from ganjax.ops.resampling import low_pass
from ganjax.runtime import platforms, precision

# Channels up to which accelerators have the low-pass filter in the kernel: for more, four times the
# multiplications outweigh the memory traffic that it saves.
FOLDED = 128
NARROW = 4  # outputs of a 1×1 convolution: an image's channels


class Frozen(NamedTuple):
  """A kernel that gets no gradient, beside the kernel that leads a gradient to its input."""

  kernel: jax.Array  # [kh, kw, C_in, C_out]
  # [kh, kw, C_out, C_in], flipped; of a strided convolution, on a CPU, what is split by parity.
  adjoint: jax.Array | ParityKernels


class Folded(NamedTuple):
  """A kernel that filters, too: of a change of size as one convolution of packed images."""

  kernel: Any  # frozen or not: [3, 3, C_in, 4·C_out] to double the size, or [3, 3, 4·C_in, C_out]


def conv(
  x: jax.Array,
  kernel: jax.Array | Frozen,
  padding: xla.Padding | None = None,
  per_image: bool = False,
) -> jax.Array:
  """Stride-1 convolution (cross-correlation), [H, W, C_in] -> [H, W, C_out] by default.

  Args:
    x: [H, W, C_in].
    kernel: [kh, kw, C_in, C_out], frozen or not.
    padding: ((top, bottom), (left, right)); None keeps the size of odd kernels.
    per_image: the images of a batch have kernels of their own, as in W++; arrays only.
  """
  weight = unfrozen(kernel)
  if padding is None:
    height, width = weight.shape[:2]
    padding = ((height - 1) // 2, height // 2), ((width - 1) // 2, width // 2)
  if weight.shape[:2] == (1, 1) and padding == INSIDE and not platforms.is_cpu():
    return jnp.matmul(x, weight[0, 0], precision=precision.of_operands(x.dtype))
  if per_image and platforms.current() == 'gpu':
    return _by_rows(x, weight, padding)
  if per_image and platforms.is_cpu():
    return convolution_cpu.conv_own(x, weight, padding)
  if isinstance(kernel, Frozen):
    return _frozen_conv(x, kernel.kernel, kernel.adjoint, padding)
  return _convolve(x, weight, padding)


def _convolve(x, kernel, padding):
  return (convolution_cpu.conv if platforms.is_cpu() else xla.convolve)(x, kernel, padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _frozen_conv(x, kernel, adjoint, padding):
  del adjoint
  return _convolve(x, kernel, padding)


def _frozen_conv_fwd(x, kernel, adjoint, padding):
  return _convolve(x, kernel, padding), adjoint


def _frozen_conv_bwd(padding, adjoint, gradient):
  return _convolve(gradient, adjoint, xla.adjoint_padding(padding, adjoint)), None, None


_frozen_conv.defvjp(_frozen_conv_fwd, _frozen_conv_bwd)


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


def unfrozen(kernel: jax.Array | Frozen) -> jax.Array:
  """The kernel itself."""
  return kernel.kernel if isinstance(kernel, Frozen) else kernel


def is_narrow(kernel: jax.Array | Frozen) -> bool:
  """Whether a 1×1 convolution has so few outputs that `narrow` is quicker."""
  size, _, _, c_out = unfrozen(kernel).shape
  return platforms.current() == 'gpu' and size == 1 and c_out <= NARROW


@jax.custom_vjp
def narrow(x: jax.Array, weight: jax.Array) -> jax.Array:
  """A 1×1 convolution to a few channels, such as an image's: [H, W, C_in] -> [H, W, C_out].

  Its gradients are sums over the outputs, which GPUs' compilers fuse with what is around them. They
  would write a product of matrices to memory, an array of x's size, to read it again at once.

  Args:
    x: [H, W, C_in].
    weight: [C_in, C_out], of x's type; may differ from image to image.
  """
  return jnp.matmul(x, weight, precision=precision.of_operands(x.dtype))


def _narrow_fwd(x, weight):
  return narrow(x, weight), (x, weight)


def _narrow_bwd(residuals, gradient):
  x, weight = residuals
  parts = [gradient[:, :, i : i + 1] for i in range(weight.shape[1])]
  to_x = functools.reduce(
    jnp.add, (part * weight[None, None, :, i] for i, part in enumerate(parts))
  )
  to_weight = [jnp.sum(x * part, axis=(0, 1), dtype=jnp.float32) for part in parts]
  return to_x, jnp.stack(to_weight, axis=1).astype(weight.dtype)


narrow.defvjp(_narrow_fwd, _narrow_bwd)


def conv_inside(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """Convolution where the kernel lies inside the image, [H, W, C_in] -> [H′, W′, C_out].

  Args:
    x: [H, W, C_in]; H and W odd for a stride of 2.
    kernel: [k, k, C_in, C_out], k = 3 for a stride of 2.
    stride: 1 or 2.
  """
  if stride == 1 and kernel.shape[:2] == (1, 1):
    return x @ kernel[0, 0]
  if not platforms.is_cpu():
    return xla.convolve(x, kernel, INSIDE, stride)
  inside = convolution_cpu.conv_inside if stride == 1 else convolution_cpu.conv_strided
  return inside(x, kernel)


def conv_down(x: jax.Array, kernel: jax.Array | Frozen | Folded) -> jax.Array:
  """3×3 convolution of the low-passed image with stride 2, [H, W, C_in] -> [H/2, W/2, C_out].

  Args:
    x: [H, W, C_in].
    kernel: [3, 3, C_in, C_out], or what `frozen_down` makes of it.
  """
  if not isinstance(kernel, Frozen | Folded) and _is_folded(kernel):
    kernel = Folded(fold_down(kernel))
  if isinstance(kernel, Folded):
    return conv(space_to_depth(x), kernel.kernel)
  x = low_pass(x, (2, 2))
  return _frozen_strided(x, kernel) if isinstance(kernel, Frozen) else conv_inside(x, kernel, 2)


@jax.custom_vjp
def _frozen_strided(x, kernel):
  return convolution_cpu.conv_strided(x, kernel.kernel)


def _frozen_strided_fwd(x, kernel):
  return convolution_cpu.conv_strided(x, kernel.kernel), kernel.adjoint


def _frozen_strided_bwd(adjoint, gradient):
  return convolution_cpu.conv_transposed(gradient, adjoint), None


_frozen_strided.defvjp(_frozen_strided_fwd, _frozen_strided_bwd)


def conv_up(
  x: jax.Array,
  kernel: jax.Array | ParityKernels | Folded,
  per_image: bool = False,
  stay_packed: bool = False,
) -> jax.Array:
  """3×3 transposed convolution with stride 2, then low-pass: [H, W, C_in] -> [2H, 2W, C_out].

  Args:
    x: [H, W, C_in].
    kernel: [3, 3, C_in, C_out], or what `frozen_up` makes of it.
    per_image: the images of a batch have kernels of their own, as in W++; arrays only.
    stay_packed: where the filter is in the kernel, give [H, W, 4·C_out]; see `packing`.
  """
  if not isinstance(kernel, ParityKernels | Folded) and _is_folded(kernel) and not per_image:
    kernel = Folded(fold_up(kernel))
  if isinstance(kernel, Folded):
    x = conv(x, kernel.kernel)
    return x if stay_packed else depth_to_space(x)
  return low_pass(_transposed(x, kernel, per_image), (1, 1), gain=4.0)


def _is_folded(kernel: jax.Array) -> bool:
  """Whether a change of size is one convolution with the low-pass filter in its kernel."""
  return not platforms.is_cpu() and max(kernel.shape[2:]) <= FOLDED


def _transposed(x, kernel, per_image):
  """y[2i + k] += x[i]·w[k]; [H, W, C_in] -> [2H + 1, 2W + 1, C_out]."""
  if not isinstance(kernel, ParityKernels):
    by_parity = platforms.is_cpu() or (per_image and platforms.current() == 'gpu')
    if not by_parity:
      return xla.convolve(x, kernel[::-1, ::-1], ((2, 2), (2, 2)), dilation=2)
    kernel = parity.split(kernel)
  return parity.transposed(x, kernel, functools.partial(conv, per_image=per_image))


def frozen(kernel: jax.Array) -> Frozen:
  """Pairs a kernel of `conv` with that of its input's gradient."""
  return Frozen(kernel, xla.adjoint(kernel))


def frozen_up(kernel: jax.Array) -> jax.Array | ParityKernels | Folded:
  """`frozen` for `conv_up`; wide kernels are left as they are on accelerators."""
  if _is_folded(kernel):
    return Folded(frozen(fold_up(kernel)))
  return ParityKernels(*map(frozen, parity.split(kernel))) if platforms.is_cpu() else kernel


def frozen_down(kernel: jax.Array) -> jax.Array | Frozen | Folded:
  """`frozen` for `conv_down`; wide kernels are left as they are on accelerators."""
  if _is_folded(kernel):
    return Folded(frozen(fold_down(kernel)))
  return Frozen(kernel, parity.split(kernel.swapaxes(2, 3))) if platforms.is_cpu() else kernel
