"""XLA's own convolution of one image, and what the gradient to its input is made of."""

import jax

from ganjax.runtime import precision

Padding = tuple[tuple[int, int], tuple[int, int]]  # zeros: ((top, bottom), (left, right))


def convolve(
  x: jax.Array,
  kernel: jax.Array,
  padding: Padding,
  stride: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """Convolution (cross-correlation) of one image, [H, W, C_in] -> [H′, W′, C_out].

  Args:
    x: [H, W, C_in].
    kernel: [kh, kw, C_in, C_out].
    padding: zeros around the image.
    stride: of the kernel's places, both axes.
    dilation: distance of the image's pixels, with zeros between; a transposed convolution's stride.
  """
  return jax.lax.conv_general_dilated(
    x[None],
    kernel,
    window_strides=(stride, stride),
    padding=padding,
    lhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision.of_operands(x.dtype),
  )[0]


def adjoint(kernel: jax.Array) -> jax.Array:
  """The kernel of the gradient to a convolution's input: flipped, [kh, kw, C_out, C_in]."""
  return kernel[::-1, ::-1].swapaxes(2, 3)


def adjoint_padding(padding: Padding, kernel: jax.Array) -> Padding:
  """The padding with which that kernel is applied; `kernel` is either of the two."""
  (top, bottom), (left, right) = padding
  height, width = (size - 1 for size in kernel.shape[:2])
  return (height - top, height - bottom), (width - left, width - right)
