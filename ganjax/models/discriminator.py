"""The StyleGAN2 discriminator; its inner features serve as a perceptual distance."""

import functools
import itertools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.models import layers
from ganjax.models.architecture import DiscriminatorConfig, resolutions
from ganjax.models.mapping import Mapping
from ganjax.ops import resampling


class DiscriminatorBlock(nnx.Module):
  """One resolution, down to half of it."""

  def __init__(self, config: DiscriminatorConfig, index: int, dtype, *, rngs: nnx.Rngs):
    sizes = resolutions(config.resolution)
    self.architecture = config.architecture
    c_in, c_out = config.channels[index], config.channels[index - 1]
    conv = functools.partial(layers.Conv, dtype=dtype, rngs=rngs)
    clamp = config.conv_clamp
    self.has_fromrgb = config.architecture == 'skip' or index == len(sizes) - 1
    if self.has_fromrgb:
      self.fromrgb = conv(1, config.img_channels, c_in, clamp=clamp)
    self.conv0 = conv(3, c_in, c_in, clamp=clamp)
    self.conv1 = conv(3, c_in, c_out, resample='down', clamp=clamp)
    if config.architecture == 'resnet':
      self.skip = conv(1, c_in, c_out, bias=False, resample='down')

  def __call__(self, x, image):
    """x [H, W, C] or None for the first block, image [H, W, 3] -> both at half the size."""
    if self.has_fromrgb:
      rgb = self.fromrgb(image)
      x = rgb if x is None else x.astype(rgb.dtype) + rgb
    if self.architecture == 'resnet':
      shortcut = self.skip(x, gain=0.5**0.5)
      return shortcut + self.conv1(self.conv0(x), gain=0.5**0.5), image
    image = resampling.downsample(image) if self.architecture == 'skip' else image
    return self.conv1(self.conv0(x)), image


class Epilogue(nnx.Module):
  """The last block, at 4 px: minibatch standard deviation, convolution, two linear layers."""

  def __init__(self, config: DiscriminatorConfig, *, rngs: nnx.Rngs):
    channels, clamp = config.channels[0], config.conv_clamp
    self.group_size = config.mbstd_group_size
    self.num_stats = config.mbstd_num_channels
    self.has_fromrgb = config.architecture == 'skip'
    if self.has_fromrgb:
      self.fromrgb = layers.Conv(1, config.img_channels, channels, clamp=clamp, rngs=rngs)
    self.conv = layers.Conv(3, channels + self.num_stats, channels, clamp=clamp, rngs=rngs)
    self.fc = layers.Linear(16 * channels, channels, rngs=rngs)
    self.out = layers.Linear(channels, config.cmap_dim if config.c_dim else 1, rngs=rngs)

  def __call__(self, xs, images) -> jax.Array:
    """xs [N, 4, 4, C], images [N, 4, 4, 3] (skip only) -> [N, 1], or [N, cmap_dim]."""
    return jax.vmap(self.out)(self.features(xs, images))

  def features(self, xs, images) -> jax.Array:
    """What the last layer scores: as `__call__` takes it -> [N, C]."""
    if self.has_fromrgb:
      xs = xs + jax.vmap(self.fromrgb)(images)
    return jax.vmap(self._head)(jnp.concatenate([xs, self._minibatch_std(xs)], axis=3))

  def _minibatch_std(self, xs):
    """Deviation within groups of N // G-strided images (Karras et al. 2018, section 3)."""
    n, height, width, _ = xs.shape
    group = min(self.group_size, n)
    if n % group:
      raise ValueError(f'{n} images do not divide into groups of {group}')
    groups = xs.reshape(group, n // group, height, width, self.num_stats, -1)
    deviation = jnp.sqrt(jnp.var(groups, axis=0) + 1e-8)
    stats = jnp.mean(deviation, axis=(1, 2, 4))  # [N / G, num_stats]
    stats = jnp.tile(stats, (group, 1))[:, None, None]
    return jnp.broadcast_to(stats, (n, height, width, self.num_stats))

  def _head(self, x):
    x = self.conv(x)
    return layers.activate(self.fc(x.reshape(-1)))


class Discriminator(nnx.Module):
  """Scores images; `features` serves inversion."""

  def __init__(
    self,
    config: DiscriminatorConfig,
    dtype=jnp.float32,
    dtype_from: int = 0,
    *,
    rngs: nnx.Rngs,
  ):
    """Args:
    config: the architecture.
    dtype: of the convolutions.
    dtype_from: resolution from which that holds; smaller ones compute in float32.
    rngs: of the weights that training starts from.
    """
    self.config = config
    self.sizes = resolutions(config.resolution)
    for index in reversed(range(1, len(self.sizes))):
      own = layers.dtype_at(self.sizes[index], dtype, dtype_from)
      setattr(self, f'b{self.sizes[index]}', DiscriminatorBlock(config, index, own, rngs=rngs))
    self.b4 = Epilogue(config, rngs=rngs)
    if config.c_dim:
      assert config.mapping is not None, 'a conditional discriminator maps its label'
      self.mapping = Mapping(config.mapping, 0, config.c_dim, config.cmap_dim, 1, rngs=rngs)

  def _pyramid(self, image):
    """Yields (x, image) after each block, from half the resolution down to 4 px."""
    x = None
    for size in reversed(self.sizes[1:]):
      x, image = getattr(self, f'b{size}')(x, image)
      x = layers.kept(x)
      yield x, image

  def _descend(self, image):
    """What the last block reads: x [4, 4, C] and the image [4, 4, 3] (skip only)."""
    *_, (x, small) = self._pyramid(image)
    return x.astype(jnp.float32), small

  def features(
    self, image: Float[Array, 'side side c'], num_blocks: int | None = None
  ) -> tuple[Float[Array, '_ _ _'], ...]:
    """What the first blocks see: [H/2, W/2, C], [H/4, W/4, C′], …; float32.

    Args:
      image: [H, W, 3] in [-1, 1]; smaller than the resolution serves, too.
      num_blocks: at most so many; all that give 4 px or more if None.
    """
    most = min(image.shape[:2]).bit_length() - 3
    blocks = itertools.islice(self._pyramid(image), min(num_blocks or most, most))
    return tuple(x.astype(jnp.float32) for x, _ in blocks)

  def last_features(self, image: Float[Array, 'side side c']) -> Float[Array, ' _']:
    """What the score of one image [H, W, 3] (a group of one) is the last layer's sum of: [C]."""
    x, small = self._descend(image)
    return self.b4.features(x[None], small[None])[0]

  def logits(
    self,
    images: Float[Array, 'n side side c'],
    labels: Float[Array, 'n c_dim'] | None = None,
  ) -> Float[Array, ' n']:
    """Scores a minibatch, whose groups share the minibatch standard deviation.

    Args:
      images: [N, H, W, 3] in [-1, 1]; N at most the group size, or a multiple of it.
      labels: [N, c_dim], one-hot; for conditional networks only.

    Returns:
      [N]; larger is more real.
    """
    scores = self.b4(*jax.vmap(self._descend)(images))
    if not self.config.c_dim:
      return scores[:, 0]
    if labels is None:
      raise ValueError(f'this network takes a one-hot label of {self.config.c_dim} classes')
    maps = jax.vmap(lambda label: self.mapping.w(None, label))(labels)
    return jnp.sum(scores * maps, axis=1) * self.config.cmap_dim**-0.5

  def __call__(
    self, image: Float[Array, 'side side c'], label: Float[Array, ' c_dim'] | None = None
  ) -> Float[Array, '']:
    """Scores one image [H, W, 3] (a group of one): a scalar."""
    return self.logits(image[None], None if label is None else label[None])[0]
