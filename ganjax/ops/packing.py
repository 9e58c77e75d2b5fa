"""Images whose pixels are packed four to one, [2H, 2W, C] -> [H, W, 4·C], and kernels for them.

A TPU fills 128 lanes with channels: narrow layers are packed, so that their images fill them.
Where channels are few, StyleGAN2's low-pass filter costs more memory traffic than the convolution
beside it: there it is folded into the convolution's kernel, which `fold_up` and `fold_down` make
for images that are packed after or before it.
"""

import jax
import jax.numpy as jnp

from ganjax.ops.resampling import low_pass
from ganjax.runtime import platforms

LANES = 128  # of a TPU: what its arrays' minor axis is padded to

_NONE = ((0, 0, 0), (0, 0, 0))


def is_packed(channels: int) -> bool:
  """Whether images of so many channels are packed on this platform."""
  return platforms.current() == 'tpu' and 4 * channels <= LANES


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
