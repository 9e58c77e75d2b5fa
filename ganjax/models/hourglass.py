"""Untrained networks whose structure alone is a prior (Ulyanov et al. 2018), for one image.

An encoder–decoder with batch normalisation over the pixels of the one image. Two families: that of
the paper, with skip connections, and plain ones whose channels double at every level.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.ops import convolution
from ganjax.ops.upsample import Interpolation, upsample

LEAKY_SLOPE = 0.2
EPSILON = 1e-5

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

  def __init__(self, config: HourglassConfig, *, rngs: nnx.Rngs):
    # Keys branch as levels do: what a layer starts from depends on its place alone.
    level_key, out_key = jax.random.split(rngs.params.key[...])
    self.levels = Level(config, 0, level_key)
    self.out = Conv(out_key, 1, config.channels[0], 3)

  def __call__(self, z: Float[Array, 'h w c_in']) -> Float[Array, 'h w 3']:
    """z [H, W, in_channels], sides multiples of `factor` -> [H, W, 3] in [-1, 1]."""
    return jnp.tanh(self.out(self.levels(z)) / 2)  # 2·sigmoid(x) − 1
