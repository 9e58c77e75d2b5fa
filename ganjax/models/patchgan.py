"""The patch discriminators of pix2pix (Isola et al. 2017, section 6.1.2), for one image."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.models.initialisation import normal
from ganjax.models.unet import DEVIATION, Conv, Norm, Normalise, leaky
from ganjax.ops import convolution_4x4

# Side of the patch that one logit sees, in px -> convolutions with stride 2; 0 means 1×1 kernels.
PATCHES = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


@dataclasses.dataclass(frozen=True)
class PatchGANConfig:
  """A discriminator that judges patches of `patch` px of the condition and the picture."""

  patch: int = 70
  width: int = 64
  max_width: int = 512
  norm: Norm = 'instance'
  img_channels: int = 6  # of condition and picture together

  def __post_init__(self):
    if self.patch not in PATCHES:
      raise ValueError(f'patch must be one of {list(PATCHES)}, not {self.patch}')

  def logits(self, side: int) -> int:
    """How many logits a picture of `side` px has in a row; 0 or less where it is too small."""
    down = PATCHES[self.patch]
    return side // 2**down - 2 if down else side


class Pointwise(nnx.Module):
  """A 1×1 convolution, [H, W, C_in] -> [H, W, C_out]."""

  def __init__(self, c_in: int, c_out: int, *, bias: bool, dtype, rngs: nnx.Rngs):
    self.kernel = normal(rngs, c_in, c_out, deviation=DEVIATION)
    if bias:
      self.bias = nnx.Param(jnp.zeros((c_out,)))
    self.has_bias = bias
    self.dtype = dtype

  def __call__(self, x: jax.Array) -> jax.Array:
    y = x.astype(self.dtype) @ self.kernel[...].astype(self.dtype)
    return y + self.bias[...].astype(self.dtype).reshape(1, 1, -1) if self.has_bias else y


class PatchGAN(nnx.Module):
  """Scores patches of a picture, given its condition."""

  def __init__(self, config: PatchGANConfig, dtype=jnp.float32, *, rngs: nnx.Rngs):
    """Args:
    config: the architecture.
    dtype: of the convolutions.
    rngs: of the weights that training starts from.
    """
    self.config = config
    down = PATCHES[config.patch]
    steps = ['down'] * down + ['same'] if down else ['point', 'point']
    functions = {'down': convolution_4x4.conv_down, 'same': convolution_4x4.conv_same}

    def layer(kind, c_in, c_out, bias):
      if kind == 'point':
        return Pointwise(c_in, c_out, bias=bias, dtype=dtype, rngs=rngs)
      return Conv(functions[kind], c_in, c_out, bias=bias, dtype=dtype, rngs=rngs)

    c_in = config.img_channels
    for i, kind in enumerate(steps):
      c_out = min(config.width * 2 ** min(i, 3), config.max_width)
      setattr(self, f'conv{i}', layer(kind, c_in, c_out, bias=i == 0))
      if i:
        setattr(self, f'norm{i}', Normalise(c_out, config.norm, rngs=rngs))
      c_in = c_out
    self.out = layer(steps[-1], c_in, 1, bias=True)
    self.num_layers = len(steps)

  def __call__(
    self, condition: jax.Array, image: jax.Array, axes: tuple[str, ...] = ()
  ) -> jax.Array:
    """Logits, float32 [h, w]; larger is more real.

    Args:
      condition: [H, W, C] in [-1, 1].
      image: the picture that belongs to it, or is said to: [H, W, C] in [-1, 1].
      axes: the mapped axes of the batch, whose moments 'batch' normalisation takes.
    """
    x = jnp.concatenate([condition, image], axis=2)
    for i in range(self.num_layers):
      x = getattr(self, f'conv{i}')(x)
      if i:
        x, _ = getattr(self, f'norm{i}')(x, axes)
      x = leaky(x)
    return self.out(x).astype(jnp.float32)[:, :, 0]
