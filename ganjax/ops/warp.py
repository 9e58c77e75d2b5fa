"""Affine warps of one image by two passes of one-dimensional resampling (Catmull & Smith 1980).

Each pass shifts every line by its own amount and then resamples all lines with one matrix. This
needs neither gathers of single pixels nor, for the gradient, scatters of them: on a CPU and on a
TPU these are what makes the usual bilinear sampler slow. Where the map sends pixels onto pixels
(mirroring, quarter turns, whole shifts) the result is exact.
"""

import jax
import jax.numpy as jnp

_A = -0.5  # of Keys' cubic kernel (1981): exact for quadratics
_TAPS = 4  # that a shift by a fraction of a pixel reads


def warp(image: jax.Array, matrix: jax.Array, shift: jax.Array) -> jax.Array:
  """out(x, y) = image(matrix · (x, y) + shift), from the centre, in px; mirrored at the borders.

  Cubic interpolation; where a line shrinks, the kernel widens by as much, so that nothing aliases.
  What lies more than a whole side from the centre repeats the border.

  Args:
    image: [N, N, C], N even.
    matrix: [2, 2], invertible; acts on (x, y).
    shift: [2], (x, y).
  """
  side = image.shape[0]
  # The first pass runs along the columns of the input and needs |c| ≤ |a|; else they swap roles.
  swap = jnp.abs(matrix[1, 0]) > jnp.abs(matrix[0, 0])
  matrix, shift = jnp.where(swap, matrix[::-1], matrix), jnp.where(swap, shift[::-1], shift)
  columns = jnp.where(swap, image, image.swapaxes(0, 1))  # [x, y, C]
  (a, b), (c, d) = matrix
  slope = c / a

  columns = _mirrored(columns, side // 2, axis=0)
  columns = _mirrored(columns, side + side // 2, axis=1)
  columns = _shifted(columns, slope * _centred(2 * side))
  scale = d - slope * b
  columns = _resampled(columns, scale, shift[1] - slope * shift[0], side)  # [2N of x, N of y, C]

  rows = jnp.pad(columns.swapaxes(0, 1), ((0, 0), (side, side), (0, 0)), mode='edge')
  rows = _shifted(rows, b * _centred(side))
  return _resampled(rows, a, shift[0], side)


def _centred(size: int) -> jax.Array:
  """The pixels' places, from the centre."""
  return jnp.arange(size, dtype=jnp.float32) - (size - 1) / 2


def _mirrored(x: jax.Array, margin: int, axis: int) -> jax.Array:
  """Continues `x` on both sides by its mirror images; margin at most twice its size."""
  size = x.shape[axis]
  flipped = jnp.flip(x, axis)
  inner = min(margin, size)

  def part(array, start, stop):
    return jax.lax.slice_in_dim(array, start, stop, axis=axis)

  parts = [part(flipped, size - inner, size), x, part(flipped, 0, inner)]
  if margin > size:
    rest = margin - size
    parts = [part(x, size - rest, size), *parts, part(x, 0, rest)]
  return jnp.concatenate(parts, axis=axis)


def _shifted(lines: jax.Array, shift: jax.Array) -> jax.Array:
  """out[l, i] = lines[l] at i + shift[l], both from the middle: [L, 2P, C], [L] -> [L, P, C]."""
  size = lines.shape[1] // 2
  most = size // 2 - _TAPS  # farther ones, in corners that nobody sees, are cut
  shift = jnp.clip(shift, -most, most)
  whole = jnp.floor(shift)
  start = size // 2 + whole.astype(jnp.int32) - 1
  length = size + _TAPS - 1

  def cut(line, start):
    return jax.lax.dynamic_slice_in_dim(line, start, length)

  lines = jax.vmap(cut)(lines, start)
  weights = cubic((shift - whole)[:, None] - jnp.arange(-1.0, _TAPS - 1.0)[None])  # [L, taps]
  return sum(
    (lines[:, i : i + size] * weights[:, i, None, None] for i in range(1, _TAPS)),
    start=lines[:, :size] * weights[:, 0, None, None],
  )


def _resampled(lines: jax.Array, scale: jax.Array, shift: jax.Array, size: int) -> jax.Array:
  """out[l, i] = lines[l] at scale·i + shift, from the middle: [L, P, C] -> [L, size, C]."""
  length = lines.shape[1]
  half = (length - 1) / 2
  places = jnp.clip(scale * _centred(size) + shift, -half, half)
  width = jnp.maximum(jnp.abs(scale), 1.0)
  weights = cubic((places[:, None] - _centred(length)[None]) / width)  # [size, P]
  weights /= jnp.sum(weights, axis=1, keepdims=True)
  # Full precision: on accelerators the default would round pixels to 8 or 10 bits.
  return jnp.einsum('ip,lpc->lic', weights, lines, precision=jax.lax.Precision.HIGHEST)


def cubic(x: jax.Array) -> jax.Array:
  """Keys' kernel: 1 at 0, 0 at the other whole numbers and beyond ±2."""
  x = jnp.abs(x)
  near = ((_A + 2.0) * x - (_A + 3.0)) * x * x + 1.0
  far = ((_A * x - 5.0 * _A) * x + 8.0 * _A) * x - 4.0 * _A
  return jnp.where(x < 1.0, near, jnp.where(x < 2.0, far, 0.0))
