"""VGG16's convolutions and the LPIPS distance on them (Zhang et al. 2018, v0.1)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.models import layers
from ganjax.models.initialisation import he_normal
from ganjax.ops import convolution, pool

# Convolutions per stage; a tap follows the last ReLU of each stage, a max-pool the tap.
STAGES = (2, 2, 3, 3, 3)
# LPIPS's normalisation of RGB in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class VGGConv(nnx.Module):
  """3×3 convolution with bias and ReLU."""

  def __init__(self, c_in: int, c_out: int, dtype, *, rngs: nnx.Rngs):
    self.weight = he_normal(rngs, 3, 3, c_in, c_out)
    self.bias = nnx.Param(jnp.zeros((c_out,)))
    self.dtype = dtype
    self.frozen: Any = nnx.data(None)

  def freeze(self) -> None:
    self.frozen = nnx.data(convolution.frozen(self.weight[...].astype(self.dtype)))

  def __call__(self, x: jax.Array) -> jax.Array:
    kernel = self.weight[...].astype(self.dtype) if self.frozen is None else self.frozen
    x = convolution.conv(x.astype(self.dtype), kernel)
    return jnp.maximum(x + self.bias[...].astype(x.dtype)[None, None], 0)


class LPIPS(nnx.Module):
  """VGG16 up to conv5_3 with one non-negative weight per tapped channel.

  Args:
    widths: channels of the 13 convolutions; (64, 64, 128, 128, 256, …) for the real one.
    dtype: of the convolutions.
    rngs: of the convolutions' first weights; heads start at 1.
  """

  def __init__(self, widths: tuple[int, ...], dtype=jnp.float32, *, rngs: nnx.Rngs):
    if len(widths) != sum(STAGES):
      raise ValueError(f'VGG16 has {sum(STAGES)} convolutions, not {len(widths)}')
    c_in, rest = 3, iter(widths)
    for stage, count in enumerate(STAGES, 1):
      for i in range(1, count + 1):
        c_out = next(rest)
        setattr(self, f'conv{stage}_{i}', VGGConv(c_in, c_out, dtype, rngs=rngs))
        c_in = c_out
      setattr(self, f'lin{stage - 1}', Head(c_in))

  def taps(self, image: Float[Array, 'h w 3']) -> list[Float[Array, '_ _ _']]:
    """VGG16's activations after conv1_2, 2_2, 3_3, 4_3 and 5_3; float32.

    Args:
      image: [H, W, 3] in [-1, 1], H and W at least 16.

    Returns:
      Five arrays [H / 2^i, W / 2^i, C_i].
    """
    x = (image - jnp.asarray(SHIFT)[None, None]) / jnp.asarray(SCALE)[None, None]
    taps = []
    for stage, count in enumerate(STAGES, 1):
      x = pool.max_pool(x) if stage > 1 else x
      for i in range(1, count + 1):
        x = getattr(self, f'conv{stage}_{i}')(x)
      x = layers.kept(x)
      taps.append(x.astype(jnp.float32))
    return taps

  def features(self, image: Float[Array, 'h w 3']) -> list[Float[Array, '_ _ _']]:
    """Features whose squared Euclidean distance is LPIPS, so a target's are computed once.

    Args:
      image: [H, W, 3] in [-1, 1].

    Returns:
      Five arrays: unit-length channels · √head / √(H·W).
    """
    return [self._scaled(i, tap) for i, tap in enumerate(self.taps(image))]

  def _scaled(self, i, tap):
    # The norm is taken of a shifted square, so that its gradient stays finite where all is zero.
    norm = jnp.sqrt(jnp.sum(jnp.square(tap), axis=2, keepdims=True) + 1e-20)
    head = jnp.sqrt(getattr(self, f'lin{i}').weight[...])
    pixels = tap.shape[0] * tap.shape[1]
    return tap / (norm + 1e-10) * (head * pixels**-0.5)[None, None]

  def __call__(
    self, image_a: Float[Array, 'h w 3'], image_b: Float[Array, 'h w 3']
  ) -> Float[Array, '']:
    """LPIPS between two images [H, W, 3] in [-1, 1]: a scalar, 0 for equal ones."""
    pairs = zip(self.features(image_a), self.features(image_b), strict=True)
    return sum((jnp.sum(jnp.square(a - b)) for a, b in pairs), start=jnp.zeros(()))


class Head(nnx.Module):
  """LPIPS's weight per channel, [C]."""

  def __init__(self, channels: int):
    self.weight = nnx.Param(jnp.ones((channels,)))
