"""The U-Net generator of pix2pix (Isola et al. 2017, section 6.1.1), for one image."""

import dataclasses
import functools
from typing import Any, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.choices import Norm
from ganjax.models.initialisation import normal
from ganjax.models.layers import LEAKY_SLOPE
from ganjax.ops import convolution_4x4
from ganjax.runtime import devices

NORMS: tuple[Norm, ...] = get_args(Norm)
EPSILON = 1e-5  # added to variances
DEVIATION = 0.02  # of the first kernels and scales (Isola et al. 2017, section 6.2)
DROPOUT_FREE = 5  # levels that never drop: the four outer ones and the innermost

# Layer -> mean and variance of its channels.
NormStatistics = dict[str, tuple[Float[Array, ' c'], Float[Array, ' c']]]


@dataclasses.dataclass(frozen=True)
class UNetConfig:
  """A U-Net: `depth` halvings; 8 for the paper's 256 px, 7 for 128 px.

  Level i is min(width · 2^min(i, 3), max_width) channels wide.
  """

  depth: int = 8
  width: int = 64
  max_width: int = 512
  norm: Norm = 'instance'
  img_channels: int = 3

  def __post_init__(self):
    if self.norm not in NORMS:
      raise ValueError(f'norm must be one of {NORMS}, not {self.norm!r}')
    if not 2 <= self.depth <= 12 or min(self.width, self.max_width, self.img_channels) < 1:
      raise ValueError(f'depth must be 2 to 12, and every width 1 or more; got {self}')

  @property
  def channels(self) -> tuple[int, ...]:
    """The levels' widths, from the outermost in."""
    return tuple(min(self.width * 2 ** min(i, 3), self.max_width) for i in range(self.depth))

  def record(self) -> dict[str, Any]:
    """The inverse of `unet_config`."""
    return dataclasses.asdict(self)

  @property
  def multiple(self) -> int:
    """What the picture's sides must be multiples of, in px."""
    return 2**self.depth


def unet_config(fields: dict[str, Any]) -> UNetConfig:
  """Builds the configuration from a weights file's header.

  Raises:
    ValueError: an entry is missing, unknown or impossible.
  """
  expected = {field.name for field in dataclasses.fields(UNetConfig)}
  if set(fields) != expected:
    raise ValueError(f'UNetConfig needs exactly {sorted(expected)}, not {sorted(fields)}')
  return UNetConfig(**fields)


class Conv(nnx.Module):
  """A 4×4 convolution of any kind in `strided`; computes in `dtype`."""

  def __init__(self, function, c_in: int, c_out: int, *, bias: bool, dtype, rngs: nnx.Rngs):
    size = convolution_4x4.SIZE
    self.kernel = normal(rngs, size, size, c_in, c_out, deviation=DEVIATION)
    if bias:
      self.bias = nnx.Param(jnp.zeros((c_out,)))
    self.has_bias = bias
    self.function = function
    self.dtype = dtype

  def __call__(self, x: jax.Array) -> jax.Array:
    y = self.function(x.astype(self.dtype), self.kernel[...].astype(self.dtype))
    return y + self.bias[...].astype(self.dtype).reshape(1, 1, -1) if self.has_bias else y


class Normalise(nnx.Module):
  """Zero mean and unit variance per channel, then scale and shift; [H, W, C] -> [H, W, C].

  'instance' takes the image's own moments. 'batch' takes the running ones, or, while it is being
  trained, those over the mapped axes `axes` (`jax.vmap`, `jax.shard_map`) as well.
  """

  def __init__(self, channels: int, norm: Norm, *, rngs: nnx.Rngs):
    self.scale = normal(rngs, channels, mean=1.0, deviation=DEVIATION)
    self.shift = nnx.Param(jnp.zeros((channels,)))
    self.norm = norm
    if norm == 'batch':
      self.mean = nnx.BatchStat(jnp.zeros((channels,)))
      self.variance = nnx.BatchStat(jnp.ones((channels,)))

  def __call__(self, x: jax.Array, axes: tuple[str, ...] | None = None):
    """axes: None for prediction. Returns (y, (mean, variance) where they are the batch's)."""
    wide = x.astype(jnp.float32)
    if self.norm == 'batch' and axes is None:
      mean, variance = self.mean[...], self.variance[...]
    else:
      shared = (axes or ()) if self.norm == 'batch' else ()
      mean = devices.mean(jnp.mean(wide, axis=(0, 1)), shared)
      squares = jnp.square(wide - mean.reshape(1, 1, -1))
      variance = devices.mean(jnp.mean(squares, axis=(0, 1)), shared)
    factor = self.scale[...] * jax.lax.rsqrt(variance + EPSILON)
    offset = self.shift[...] - mean * factor
    y = wide * factor.reshape(1, 1, -1) + offset.reshape(1, 1, -1)
    return y.astype(x.dtype), (mean, variance)


def leaky(x: jax.Array) -> jax.Array:
  """Leaky ReLU with slope 0.2."""
  return jnp.where(x >= 0, x, LEAKY_SLOPE * x)


class UNet(nnx.Module):
  """From a picture to a picture of the same size, with skips between mirrored levels."""

  def __init__(self, config: UNetConfig, dtype=jnp.float32, *, rngs: nnx.Rngs):
    """Args:
    config: the architecture.
    dtype: of the convolutions.
    rngs: of the weights that training starts from.
    """
    self.config = config
    conv = functools.partial(Conv, dtype=dtype, rngs=rngs)
    widths = config.channels
    last = config.depth - 1
    for i, width in enumerate(widths):
      # A bias before a normalisation would be taken out again.
      c_in = widths[i - 1] if i else config.img_channels
      setattr(self, f'down{i}', conv(convolution_4x4.conv_down, c_in, width, bias=i in (0, last)))
      if i not in (0, last):
        setattr(self, f'down_norm{i}', Normalise(width, config.norm, rngs=rngs))
      inner = width if i == last else 2 * width
      setattr(self, f'up{i}', conv(convolution_4x4.conv_up, inner, c_in, bias=i == 0))
      if i:
        setattr(self, f'up_norm{i}', Normalise(c_in, config.norm, rngs=rngs))

  def drops(self, level: int) -> bool:
    """Whether the decoder drops activations of this level in training (three of eight levels)."""
    last = self.config.depth - 1
    return last - (self.config.depth - DROPOUT_FREE) <= level < last

  def forward(
    self,
    image: jax.Array,
    key: jax.Array | None = None,
    dropout: float = 0.0,
    axes: tuple[str, ...] | None = None,
  ) -> tuple[jax.Array, NormStatistics]:
    """The picture, and the moments of every 'batch' normalisation.

    Args:
      image: [H, W, C] in [-1, 1], H and W multiples of 2^depth.
      key: draws which activations are dropped; needed if dropout > 0.
      dropout: the share of the three innermost skips' decoders that is dropped.
      axes: the mapped axes of the batch in training; None for prediction.
    """
    if image.shape[0] % self.config.multiple or image.shape[1] % self.config.multiple:
      raise ValueError(f'sides must be multiples of {self.config.multiple}, not {image.shape[:2]}')
    moments: NormStatistics = {}

    def normalised(name, x):
      layer = getattr(self, name)
      x, batch = layer(x, axes)
      if layer.norm == 'batch':
        moments[name] = batch
      return x

    skips = []
    x = image
    last = self.config.depth - 1
    for i in range(self.config.depth):
      x = getattr(self, f'down{i}')(leaky(x) if i else x)
      if i not in (0, last):
        x = normalised(f'down_norm{i}', x)
      skips.append(x)
    for i in reversed(range(self.config.depth)):
      # relu of the skip: its own leaky ReLU before it changes nothing.
      x = skips[i] if i == last else jnp.concatenate([skips[i], x], axis=2)
      x = getattr(self, f'up{i}')(jax.nn.relu(x))
      if i:
        x = normalised(f'up_norm{i}', x)
      if dropout and self.drops(i):
        assert key is not None, 'dropout needs a key'
        keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - dropout, x.shape)
        x = jnp.where(keep, x / (1 - dropout), jnp.zeros((), x.dtype))
    return jnp.tanh(x.astype(jnp.float32)), moments

  def __call__(self, image: Float[Array, 'h w c']) -> Float[Array, 'h w c']:
    """Prediction: [H, W, C] in [-1, 1] -> float32 [H, W, C] in [-1, 1]."""
    return self.forward(image)[0]
