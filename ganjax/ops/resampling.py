"""StyleGAN2's low-pass filter [1, 3, 3, 1], and what doubles or halves an image [H, W, C] with it.

Where channels are few, filtering costs more memory traffic than the convolution beside it. There
the filter is folded into the convolution's kernel: `fold_up` and `fold_down` make kernels of 3×3
for images whose pixels are packed four to one (`space_to_depth`).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ganjax.runtime import platforms

_NONE = ((0, 0, 0), (0, 0, 0))


def low_pass(x: jax.Array, padding: tuple[int, int], gain: float = 1.0) -> jax.Array:
  """Filters with outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 · gain after zero padding.

  Separable shifts and adds: XLA runs a depthwise convolution far slower on a CPU.

  Args:
    x: [H, W, C].
    padding: zeros before and after, both axes; the result is 3 smaller than the padded image.
    gain: factor on the result.
  """
  x = _padded(x, (padding, padding))
  scale = (gain**0.5) / 8
  for axis in (0, 1):
    size = x.shape[axis] - 3
    a, b, c, d = (jax.lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(4))
    x = (a + d) * scale + (b + c) * (3 * scale)
  return x


def upsample(x: jax.Array) -> jax.Array:
  """Twice the size with the [1, 3, 3, 1] filter, [H, W, C] -> [2H, 2W, C]."""
  for axis in (0, 1):
    padded = _padded(x, [(1, 1) if i == axis else (0, 0) for i in (0, 1)])
    size = x.shape[axis]
    before = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
    after = jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis)
    pair = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
    x = pair.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
  return x


def downsample(x: jax.Array) -> jax.Array:
  """Half the size with the [1, 3, 3, 1] filter, [H, W, C] -> [H/2, W/2, C]."""
  return low_pass(x, (1, 1))[::2, ::2]


def _padded(x: jax.Array, widths: Sequence[tuple[int, int]]) -> jax.Array:
  """Zeros around the two first axes; traced in a tenth of the time that `jnp.pad` takes."""
  return jax.lax.pad(x, x.dtype.type(0), [(*width, 0) for width in (*widths, (0, 0))])


def space_to_depth(x: jax.Array) -> jax.Array:
  """Packs 2×2 pixels into one, [2H, 2W, C] -> [H, W, 4C]; rows vary slower than columns."""
  height, width, channels = x.shape
  x = x.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 1, 3, 4)
  return x.reshape(height // 2, width // 2, 4 * channels)


def packed_map(x: jax.Array) -> jax.Array:
  """`space_to_depth` of a map [2H, 2W] -> [H, W, 4], with its rows in a TPU's lanes throughout."""
  rows = x.reshape(x.shape[0] // 2, 2, x.shape[1])
  parts = [platforms.in_lanes(rows[:, i, j::2]) for i in (0, 1) for j in (0, 1)]
  return platforms.in_lanes(jnp.stack(parts, axis=2), axis=1)


def depth_to_space(x: jax.Array) -> jax.Array:
  """The inverse of `space_to_depth`."""
  height, width, channels = x.shape
  x = x.reshape(height, width, 2, 2, channels // 4).transpose(0, 2, 1, 3, 4)
  return x.reshape(2 * height, 2 * width, channels // 4)


def packed_kernel(kernel: jax.Array) -> jax.Array:
  """A convolution's kernel for packed images: packed in, packed out.

  A TPU fills 128 lanes with channels; an image of 32 takes four times its room and its time
  there. Packed, it fills them, and the kernel's zeros cost what the lanes' emptiness did.

  Args:
    kernel: [3, 3, C_in, C_out] or [1, 1, C_in, C_out].

  Returns:
    [3, 3, 4·C_in, 4·C_out] or [1, 1, 4·C_in, 4·C_out].
  """
  size, _, c_in, c_out = kernel.shape
  if size == 1:
    own = jnp.eye(4, dtype=kernel.dtype)  # a pixel's channels see those of the same pixel
    return jnp.einsum('pq,ijcd->ijpcqd', own, kernel).reshape(1, 1, 4 * c_in, 4 * c_out)
  # Pixel 2i + p of the output meets pixel 2(i + u - 1) + a of the input at tap 2u + a - p - 1.
  moved = [
    [jax.lax.pad(kernel, kernel.dtype.type(0), [(p + 1, 2 - p, 0), (q + 1, 2 - q, 0), *_NONE])
     for q in (0, 1)]
    for p in (0, 1)
  ]  # fmt: skip
  taps = jnp.stack([jnp.stack(row) for row in moved])  # [p, q, (u, a), (v, b), C_in, C_out]
  taps = taps.reshape(2, 2, 3, 2, 3, 2, c_in, c_out).transpose(2, 4, 3, 5, 6, 0, 1, 7)
  return taps.reshape(3, 3, 4 * c_in, 4 * c_out)


def fold_up(kernel: jax.Array) -> jax.Array:
  """A transposed convolution's kernel and the filter after it, as one kernel.

  A 3×3 convolution with it gives, packed, what the transposed convolution with stride 2 and
  `low_pass` (gain 4) give. It has four times their multiplications.

  Args:
    kernel: [3, 3, C_in, C_out].

  Returns:
    [3, 3, C_in, 4·C_out].
  """
  c_in, c_out = kernel.shape[2:]
  taps = _filtered(kernel, gain=4.0)[::-1, :, ::-1]  # [u, a, v, b, C_in, C_out]
  return taps.transpose(0, 2, 4, 1, 3, 5).reshape(3, 3, c_in, 4 * c_out)


def fold_down(kernel: jax.Array) -> jax.Array:
  """The filter before a convolution with stride 2 and that convolution's kernel, as one kernel.

  Args:
    kernel: [3, 3, C_in, C_out].

  Returns:
    [3, 3, 4·C_in, C_out], for a 3×3 convolution of the packed image.
  """
  c_in, c_out = kernel.shape[2:]
  taps = _filtered(kernel).transpose(0, 2, 1, 3, 4, 5)  # [u, v, a, b, C_in, C_out]
  return taps.reshape(3, 3, 4 * c_in, c_out)


def _filtered(kernel: jax.Array, gain: float = 1.0) -> jax.Array:
  """The 6×6 kernel that filter and convolution are together, by parity: [3, 2, 3, 2, …]."""
  size, _, c_in, c_out = kernel.shape
  wide = low_pass(kernel.reshape(size, size, c_in * c_out), (3, 3), gain)
  return wide.reshape(3, 2, 3, 2, c_in, c_out)
