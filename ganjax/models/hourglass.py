"""Untrained networks whose structure alone is a prior (Ulyanov et al. 2018), for one image.

An encoder–decoder with batch normalisation over the pixels of the one image. Two families: that of
the paper, with skip connections, and plain ones whose channels double at every level.
"""

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.ops import convolution

LEAKY_SLOPE = 0.2
EPSILON = 1e-5

Interpolation = Literal['bicubic', 'bilinear']
Distribution = Literal['normal', 'uniform']


@dataclasses.dataclass(frozen=True)
class HourglassConfig:
  """An architecture; level 0 is the finest."""

  channels: tuple[int, ...]  # of each level
  double: bool = True  # two convolutions at each level on each side, or one
  skip_channels: int = 0  # of the skip connections; 0 for none
  pointwise: bool = False  # the decoder's second convolution is 1×1
  upsampling: Interpolation = 'bicubic'
  input: Distribution = 'normal'  # of the fixed input
  in_channels: int = 32

  @property
  def factor(self) -> int:
    """Both sides of a picture must be multiples of it."""
    return 2 ** len(self.channels)


# Ulyanov et al. 2018, for denoising and inpainting.
PAPER = HourglassConfig(
  (128,) * 5, skip_channels=4, pointwise=True, upsampling='bilinear', input='uniform'
)


def plain_config(
  depth: int, double: bool, skip_channels: int = 0, width: int = 128
) -> HourglassConfig:
  """`depth` levels of `width` channels, doubling from level to level.

  Args:
    depth: 1 or more.
    double: two convolutions a level on each side, or one.
    skip_channels: of the skip connections; 0 for none.
    width: channels of the first level.
  """
  return HourglassConfig(tuple(width * 2**i for i in range(depth)), double, skip_channels)


class Norm(nnx.Module):
  """Batch normalisation over one image's pixels."""

  def __init__(self, channels: int):
    self.scale = nnx.Param(jnp.ones((channels,)))
    self.bias = nnx.Param(jnp.zeros((channels,)))

  def __call__(self, x: jax.Array) -> jax.Array:
    mean = jnp.mean(x, axis=(0, 1), keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=(0, 1), keepdims=True)
    scale = self.scale[...][None, None] * jax.lax.rsqrt(variance + EPSILON)
    return (x - mean) * scale + self.bias[...][None, None]


class Conv(nnx.Module):
  """Convolution with mirrored borders; [H, W, C_in] -> [H / stride, W / stride, C_out]."""

  def __init__(self, key: jax.Array, size: int, c_in: int, c_out: int, stride: int = 1):
    # Uniform within 1/√fan_in, as the papers' framework begins.
    bound = (size * size * c_in) ** -0.5
    weight_key, bias_key = jax.random.split(key)
    shape = (size, size, c_in, c_out)
    self.weight = nnx.Param(jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound))
    self.bias = nnx.Param(jax.random.uniform(bias_key, (c_out,), minval=-bound, maxval=bound))
    self.stride = stride

  def __call__(self, x: jax.Array) -> jax.Array:
    reach = self.weight.shape[0] // 2
    sides = (reach, reach - self.stride + 1)  # a stride of two never meets the last row
    if reach:
      x = jnp.pad(x, (sides, sides, (0, 0)), mode='reflect')
    y = convolution.conv_inside(x, self.weight[...], self.stride)
    return y + self.bias[...][None, None]


class Layer(nnx.Module):
  """Convolution, normalisation, leaky ReLU."""

  def __init__(self, key: jax.Array, size: int, c_in: int, c_out: int, stride: int = 1):
    self.conv = Conv(key, size, c_in, c_out, stride)
    self.norm = Norm(c_out)

  def __call__(self, x: jax.Array) -> jax.Array:
    x = self.norm(self.conv(x))
    return jnp.where(x > 0, x, LEAKY_SLOPE * x)


class Level(nnx.Module):
  """One level: down, what lies below, up, and past it all the skip connection."""

  def __init__(self, config: HourglassConfig, index: int, key: jax.Array):
    keys = jax.random.split(key, 6)
    channels = config.channels[index]
    c_in = config.channels[index - 1] if index else config.in_channels
    below = index + 1 < len(config.channels)
    self.down = Layer(keys[0], 3, c_in, channels, stride=2)
    self.down2 = Layer(keys[1], 3, channels, channels) if config.double else None
    self.below = Level(config, index + 1, keys[2]) if below else None
    self.skip = Layer(keys[3], 1, c_in, config.skip_channels) if config.skip_channels else None
    # What comes up has the channels of the next level's outputs, which are this level's own.
    c_up = channels + config.skip_channels
    c_out = config.channels[index - 1] if index else channels
    self.norm = Norm(c_up)
    self.up = Layer(keys[4], 3, c_up, c_out)
    size = 1 if config.pointwise else 3
    self.up2 = Layer(keys[5], size, c_out, c_out) if config.double else None
    self.upsampling = config.upsampling

  def __call__(self, x: jax.Array) -> jax.Array:
    y = self.down(x)
    y = self.down2(y) if self.down2 is not None else y
    y = self.below(y) if self.below is not None else y
    y = upsample(y, self.upsampling)
    if self.skip is not None:
      y = jnp.concatenate([self.skip(x), y], axis=2)
    y = self.up(self.norm(y))
    return self.up2(y) if self.up2 is not None else y


class Hourglass(nnx.Module):
  """The whole network: a fixed random input to an image."""

  def __init__(self, config: HourglassConfig, key: jax.Array):
    level_key, out_key = jax.random.split(key)
    self.levels = Level(config, 0, level_key)
    self.out = Conv(out_key, 1, config.channels[0], 3)

  def __call__(self, z: jax.Array) -> jax.Array:
    """z [H, W, in_channels], sides multiples of `factor` -> [H, W, 3] in [-1, 1]."""
    return jnp.tanh(self.out(self.levels(z)) / 2)  # 2·sigmoid(x) − 1


def _cubic(distance: float, a: float = -0.5) -> float:
  """The cubic convolution kernel (Keys 1981)."""
  d = abs(distance)
  if d <= 1:
    return ((a + 2) * d - (a + 3)) * d * d + 1
  return (((d - 5) * d + 8) * d - 4) * a if d < 2 else 0.0


# An output pixel lies a quarter of an input pixel before or behind the input pixel's centre. Before
# it these are the weights of pixels −2, −1, 0, 1; behind it, of 1, 0, −1, … the other way round.
_TAPS: dict[Interpolation, tuple[float, ...]] = {
  'bicubic': tuple(_cubic(d) for d in (1.75, 0.75, -0.25, -1.25)),
  'bilinear': (0.0, 0.25, 0.75, 0.0),
}


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def upsample(x: jax.Array, kind: Interpolation = 'bicubic') -> jax.Array:
  """Doubles both sides by interpolation, borders repeated; [H, W, C] -> [2H, 2W, C].

  Shifted sums of the neighbours: a product with a matrix would cost as much as a convolution.
  The gradient is written out, since XLA:CPU takes twenty times as long over the one it derives.
  """
  for axis in (0, 1):
    x = _doubled(x, axis, _TAPS[kind])
  return x


def _doubled(x: jax.Array, axis: int, taps: tuple[float, ...]) -> jax.Array:
  length = x.shape[axis]
  padded = jnp.pad(x, _along(axis, 2), mode='edge')

  def at(offset):
    return jax.lax.slice_in_dim(padded, 2 + offset, 2 + offset + length, axis=axis)

  before, behind = (
    sum(tap * at(sign * offset) for tap, offset in zip(taps, (-2, -1, 0, 1), strict=True) if tap)
    for sign in (1, -1)
  )
  pairs = jnp.stack([jnp.asarray(before), jnp.asarray(behind)], axis=axis + 1)
  return pairs.reshape(*x.shape[:axis], 2 * length, *x.shape[axis + 1 :])


def _along(axis: int, width: int) -> list[tuple[int, int]]:
  return [(width, width) if i == axis else (0, 0) for i in range(3)]


def _halved(gradient: jax.Array, axis: int, taps: tuple[float, ...]) -> jax.Array:
  """The adjoint of `_doubled`."""
  shape = gradient.shape
  length = shape[axis] // 2
  pairs = gradient.reshape(*shape[:axis], length, 2, *shape[axis + 1 :])
  before, behind = (
    jnp.pad(jax.lax.index_in_dim(pairs, i, axis + 1, keepdims=False), _along(axis, 4))
    for i in (0, 1)
  )

  def of(padded, taps, first):  # what the pixel at `first` + k got through tap k, for all pixels
    parts = [
      tap * jax.lax.slice_in_dim(padded, 4 - k, 8 - k + length, axis=axis)
      for k, tap in enumerate(taps, first)
      if tap
    ]
    return functools.reduce(jnp.add, parts)

  # Of the input with two repeated pixels.
  padded = of(before, taps, 0) + of(behind, taps[::-1], 1)

  def rows(start, stop):
    return jax.lax.slice_in_dim(padded, start, stop, axis=axis)

  first = rows(0, 1) + rows(1, 2) + rows(2, 3)
  last = rows(length + 1, length + 2) + rows(length + 2, length + 3) + rows(length + 3, length + 4)
  if length == 1:
    return first + last - rows(2, 3)
  return jnp.concatenate([first, rows(3, length + 1), last], axis=axis)


def _upsample_backward(kind, _, gradient):
  taps = _TAPS[kind]
  return (_halved(_halved(gradient, 1, taps), 0, taps),)


upsample.defvjp(lambda x, kind: (upsample(x, kind), None), _upsample_backward)
