"""Residual blocks of convolutional networks, for one image."""

import functools

import jax
from flax import nnx

from ganjax.models.initialisation import lecun_normal

GROUPS = 8  # of the normalisation


class Residual(nnx.Module):
  """Two normalised 3×3 convolutions beside a 1×1 shortcut (He et al. 2016, pre-activation)."""

  def __init__(self, c_in: int, c_out: int, stride: int, *, rngs: nnx.Rngs):
    drawn = lecun_normal(rngs)
    conv = functools.partial(nnx.Conv, use_bias=False, kernel_init=drawn, rngs=rngs)
    self.norm0 = nnx.GroupNorm(c_in, GROUPS, rngs=rngs)
    self.norm1 = nnx.GroupNorm(c_out, GROUPS, rngs=rngs)
    self.conv0 = conv(c_in, c_out, (3, 3), stride)
    self.conv1 = conv(c_out, c_out, (3, 3))
    self.skip = conv(c_in, c_out, (1, 1), stride)

  def __call__(self, x: jax.Array) -> jax.Array:
    """[1, H, W, C] -> [1, H / stride, W / stride, C′]; C and C′ are multiples of GROUPS."""
    y = self.conv0(nnx.relu(self.norm0(x)))
    return self.skip(x) + self.conv1(nnx.relu(self.norm1(y)))
