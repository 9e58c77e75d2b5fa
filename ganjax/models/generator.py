"""The StyleGAN2 generator (Karras et al. 2020), written for one image."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from ganjax.models import layers
from ganjax.models.architecture import GeneratorConfig, resolutions
from ganjax.models.initialisation import normal
from ganjax.models.mapping import Mapping
from ganjax.ops import convolution, packing, resampling
from ganjax.runtime import platforms

Noise = dict[str, Float[Array, '_ _']]  # 'b8.conv0' -> [8, 8]


class StyledConv(nnx.Module):
  """Modulated convolution, noise, bias and activation; doubles the size where `up`."""

  def __init__(
    self,
    config: GeneratorConfig,
    c_in: int,
    c_out: int,
    resolution: int,
    up: bool,
    may_pack: bool,
    dtype,
    *,
    rngs: nnx.Rngs,
  ):
    self.weight = normal(rngs, 3, 3, c_in, c_out)
    self.bias = nnx.Param(jnp.zeros((c_out,)))
    self.affine = layers.Modulation(config.w_dim, c_in, rngs=rngs)
    if config.use_noise:
      self.noise_strength = nnx.Param(jnp.zeros(()))
      self.noise_const = normal(rngs, resolution, resolution)
    self.up, self.clamp, self.dtype = up, config.conv_clamp, dtype
    self.may_pack = may_pack
    self.frozen: Any = nnx.data(None)

  def packs(self, w: jax.Array | None = None) -> bool:
    """Whether the result is packed, and where the size stays the input, too."""
    return _packs(self.may_pack, self.weight.shape[3], w)

  def freeze(self) -> None:
    self.frozen = nnx.data((self._kernel(self.packs(), frozen=True), self._energy()))

  def _kernel(self, packed: bool, frozen: bool = False) -> Any:
    return _kernel(self.weight[...], packed, frozen, self.dtype, self.up)

  def _energy(self):
    return jnp.sum(jnp.square(self.weight[...]), axis=(0, 1))

  def __call__(self, x, w, noise: jax.Array | None, gain: float = 1.0) -> jax.Array:
    style, packed = self.affine(w, self.weight.shape[3]), self.packs(w)
    if self.frozen is not None and style.ndim == 1:
      kernel, energy = self.frozen
    else:
      kernel, energy = self._kernel(packed), self._energy()
    up = self.up and not packed  # a packed kernel doubles the size by itself
    x, scale = layers.modulated_conv(x.astype(self.dtype), kernel, energy, style, up)
    if noise is not None:
      noise = platforms.in_lanes(noise) * self.noise_strength[...]
      is_packed = x.shape[0] < noise.shape[0]
      noise = packing.packed_map(noise) if is_packed else noise[:, :, None]
    return layers.bias_act(x, scale, noise, self.bias[...], gain, self.clamp)


def _packs(may_pack: bool, channels: int, w: jax.Array | None = None) -> bool:
  """Whether a layer of so many channels is packed; with a row `w` of W++ none is."""
  return may_pack and packing.is_packed(channels) and (w is None or w.ndim == 1)


def _kernel(weight: jax.Array, packed: bool, frozen: bool, dtype: Any, up: bool = False) -> Any:
  """A weight in the form, and the type, in which `layers.modulated_conv` takes it."""
  kernel: Any = weight
  if packed:
    kernel = packing.fold_up(weight) if up else packing.packed_kernel(weight)
  if frozen:
    kernel = (convolution.frozen_up if up and not packed else convolution.frozen)(kernel)
  return jax.tree.map(lambda x: x.astype(dtype), kernel)


class ToRGB(nnx.Module):
  """1×1 modulated convolution to an image, without demodulation; float32 out."""

  def __init__(self, config: GeneratorConfig, c_in: int, may_pack: bool, dtype, *, rngs: nnx.Rngs):
    self.weight = normal(rngs, 1, 1, c_in, config.img_channels)
    self.bias = nnx.Param(jnp.zeros((config.img_channels,)))
    self.affine = layers.Modulation(config.w_dim, c_in, rngs=rngs)
    self.clamp, self.dtype, self.may_pack = config.conv_clamp, dtype, may_pack
    self.frozen: Any = nnx.data(None)

  def freeze(self) -> None:
    packed = _packs(self.may_pack, self.weight.shape[2])
    self.frozen = nnx.data(_kernel(self.weight[...], packed, True, self.dtype))

  def __call__(self, x, w) -> Float[Array, 'h w c']:
    c_in, c_out = self.weight.shape[2:]
    style = self.affine(w, c_out) * c_in**-0.5
    packed = _packs(self.may_pack, c_in, w)
    if self.frozen is not None and style.ndim == 1:
      kernel = self.frozen
    else:
      kernel = _kernel(self.weight[...], packed, False, self.dtype)
    x, _ = layers.modulated_conv(x.astype(self.dtype), kernel, None, style)
    x = packing.depth_to_space(x) if packed else x
    return layers.limit(x.astype(jnp.float32) + self.bias[...][None, None], self.clamp)


class SynthesisBlock(nnx.Module):
  """One resolution of the synthesis network."""

  def __init__(self, config: GeneratorConfig, index: int, dtype, *, rngs: nnx.Rngs):
    sizes = resolutions(config.resolution)
    self.resolution, self.architecture = sizes[index], config.architecture
    c_out = config.channels[index]
    may_pack = index > 0 and config.architecture != 'resnet'

    def styled(c_in: int, up: bool) -> StyledConv:
      return StyledConv(config, c_in, c_out, self.resolution, up, may_pack, dtype, rngs=rngs)

    if index == 0:
      self.const = normal(rngs, 4, 4, c_out)
    else:
      c_in = config.channels[index - 1]
      self.conv0 = styled(c_in, up=True)
      if config.architecture == 'resnet':
        self.skip = layers.Conv(1, c_in, c_out, bias=False, resample='up', dtype=dtype, rngs=rngs)
    self.conv1 = styled(c_out, up=False)
    self.num_convs = 1 if index == 0 else 2
    self.has_torgb = config.architecture == 'skip' or index == len(sizes) - 1
    if self.has_torgb:
      self.torgb = ToRGB(config, c_out, may_pack, dtype, rngs=rngs)

  def conv_names(self) -> list[str]:
    """The block's convolutions, in the order in which they take rows of ws."""
    return ['conv1'] if self.num_convs == 1 else ['conv0', 'conv1']

  def __call__(self, x, image, ws, noise: Noise):
    """x [H/2, W/2, C], image so far, ws [num_convs + 1, w_dim] -> x [H, W, C′], image."""

    def take(name):
      return noise.get(f'b{self.resolution}.{name}')

    if self.num_convs == 1:
      x = self.conv1(self.const[...], ws[0], take('conv1'))
    elif self.architecture == 'resnet':
      shortcut = self.skip(x, gain=0.5**0.5)
      x = self.conv0(x, ws[0], take('conv0'))
      x = shortcut + self.conv1(x, ws[1], take('conv1'), gain=0.5**0.5)
    else:
      x = self.conv0(x, ws[0], take('conv0'))
      x = self.conv1(x, ws[1], take('conv1'))
    if image is not None:
      image = resampling.upsample(image)
    if self.has_torgb:
      rgb = self.torgb(x, ws[self.num_convs])
      image = rgb if image is None else image + rgb
    return packing.depth_to_space(x) if self.conv1.packs(ws[0]) else x, image


class Synthesis(nnx.Module):
  """From the rows of W+ to an image; see `Generator` for the types."""

  def __init__(self, config: GeneratorConfig, dtype, dtype_from: int = 0, *, rngs: nnx.Rngs):
    self.use_noise = config.use_noise
    self.remat = False  # whether a gradient computes the blocks again instead of storing them
    self.sizes = resolutions(config.resolution)
    for index, size in enumerate(self.sizes):
      own = layers.dtype_at(size, dtype, dtype_from)
      setattr(self, f'b{size}', SynthesisBlock(config, index, own, rngs=rngs))

  def blocks(self) -> list[SynthesisBlock]:
    """From 4 px to the image's size."""
    return [getattr(self, f'b{size}') for size in self.sizes]

  def noise_const(self) -> Noise:
    """The noise maps stored with the weights; empty for a generator without noise."""
    if not self.use_noise:
      return {}
    return {
      f'b{block.resolution}.{name}': getattr(block, name).noise_const[...]
      for block in self.blocks()
      for name in block.conv_names()
    }

  def noise_random(self, key: Key[Array, '']) -> Noise:
    """Fresh standard normal noise maps, each from a key of its own."""
    maps = self.noise_const()
    keys = jax.random.split(key, max(1, len(maps)))
    return {
      name: jax.random.normal(keys[i], value.shape, jnp.float32)
      for i, (name, value) in enumerate(maps.items())
    }

  def __call__(
    self,
    ws: Float[Array, 'num_ws *w'],
    noise: str | Noise = 'const',
    key: Key[Array, ''] | None = None,
  ) -> Float[Array, 'side side c']:
    """Synthesises one image.

    Args:
      ws: [num_ws, w_dim] (W+), or [num_ws, C_max, w_dim] (W++: one style per output channel; a
        layer with fewer channels reads the first ones).
      noise: 'const' (the maps stored with the weights), 'none', 'random', or the maps themselves
        as `noise_const` gives them.
      key: for noise='random'.

    Returns:
      [H, W, 3], float32, nominally in [-1, 1]; not clipped.
    """
    maps = self._maps(noise, key)
    x: Any = None
    image: Any = None
    row = 0
    for block in self.blocks():
      rows = ws[row : row + block.num_convs + 1]
      x, image = (jax.checkpoint(block) if self.remat else block)(x, image, rows, maps)
      row += block.num_convs
    return image

  def _maps(self, noise, key) -> Noise:
    if isinstance(noise, dict):
      expected = self.noise_const()
      if noise.keys() != expected.keys():
        raise ValueError(f'noise maps must be named {list(expected)}, not {list(noise)}')
      return noise
    if noise == 'random':
      if key is None:
        raise ValueError("noise='random' needs a key")
      return self.noise_random(key)
    if noise in ('const', 'none'):
      return self.noise_const() if noise == 'const' else {}
    raise ValueError(f"noise must be 'const', 'none', 'random' or maps, not {noise!r}")


class Generator(nnx.Module):
  """Mapping and synthesis; `generator.synthesis(generator.mapping(z))` is an image."""

  def __init__(
    self, config: GeneratorConfig, dtype=jnp.float32, dtype_from: int = 0, *, rngs: nnx.Rngs
  ):
    """Args:
    config: the architecture.
    dtype: of the convolutions.
    dtype_from: resolution from which that holds; smaller ones compute in float32.
    rngs: of the weights that training starts from, and of the constant noise maps.
    """
    self.config = config
    sizes = config.z_dim, config.c_dim, config.w_dim, config.num_ws
    self.mapping = Mapping(config.mapping, *sizes, rngs=rngs)
    self.synthesis = Synthesis(config, dtype, dtype_from, rngs=rngs)
