"""Layers that the networks share, all for one image [H, W, C]."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.models.initialisation import normal
from ganjax.ops import convolution, packing, resampling
from ganjax.runtime import platforms, precision

SQRT2 = 2**0.5
LEAKY_SLOPE = 0.2


def dtype_at(resolution: int, dtype: Any, dtype_from: int) -> Any:
  """The type of a resolution's convolutions: `dtype` from a resolution on, float32 below."""
  return dtype if resolution >= dtype_from else jnp.float32


def activate(x: jax.Array, gain: float = 1.0, clamp: float | None = None) -> jax.Array:
  """Leaky ReLU 0.2 · √2 · gain, clamped to ±clamp · gain."""
  x = jnp.where(x >= 0, x, LEAKY_SLOPE * x) * (SQRT2 * gain)
  return limit(x, clamp, gain)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def bias_act(
  x: jax.Array,
  scale: jax.Array | None,
  noise: jax.Array | None,
  bias: jax.Array,
  gain: float = 1.0,
  clamp: float | None = None,
) -> jax.Array:
  """What follows a convolution, in one pass: leaky ReLU of x · scale + noise + bias.

  The gradient needs the output alone: leaky ReLU is one-to-one, so that what went into it is found
  again, and a layer keeps one array of its size instead of three.

  Args:
    x: [H, W, C], or packed [H / 2, W / 2, 4·C].
    scale: [C], positive: demodulation; None for none.
    noise: [H, W, 1], or [H / 2, W / 2, 4]; None for none.
    bias: [C].
    gain: factor on the result, beside leaky ReLU's √2.
    clamp: the result is clamped to ±clamp · gain.

  Returns:
    [H, W, C], of x's type.
  """
  return activate(_before_act(x, scale, noise, bias), gain, clamp)


def _before_act(x, scale, noise, bias):
  x = x if scale is None else x * _spread(scale, x)
  x = x if noise is None else x + _over_channels(noise, x)
  return x + _spread(bias, x)


def _over_channels(noise, x):
  noise = noise.astype(x.dtype)
  if noise.shape[2] == 1:
    return noise
  if platforms.current() != 'tpu':  # where a product fills lanes; elsewhere it would be written
    return jnp.repeat(noise, x.shape[2] // noise.shape[2], axis=2)
  return jnp.matmul(noise, _groups(noise, x), precision=precision.of_operands(x.dtype))


def _groups(noise, x):
  """Which value of the noise each channel gets, [P, C] of 0 and 1."""
  count = noise.shape[2]
  return jnp.repeat(jnp.eye(count, dtype=x.dtype), x.shape[2] // count, axis=1)


def _bias_act_fwd(x, scale, noise, bias, gain, clamp):
  y = bias_act(x, scale, noise, bias, gain, clamp)
  return y, (y, scale, noise, bias)


def _bias_act_bwd(gain, clamp, residuals, gradient):
  y, scale, noise, bias = residuals
  slope = jnp.where(y >= 0, 1.0, LEAKY_SLOPE).astype(y.dtype) * (SQRT2 * gain)
  slope_ = slope if clamp is None else jnp.where(jnp.abs(y) < clamp * gain, slope, 0)
  inner = gradient * slope_
  to_bias = _gathered(inner, bias)
  if scale is None:
    return inner, None, None if noise is None else _to_noise(inner, noise), to_bias
  x = y / slope - _spread(bias, y)
  x = x if noise is None else x - _over_channels(noise, y)
  to_scale = _gathered(inner * x, scale) / scale
  to_x = inner * _spread(scale, y)
  if noise is not None and platforms.current() == 'gpu':
    # One array is read for the noise maps' gradient, which is written anyway; otherwise two are.
    to_x = kept(to_x)
    inner = to_x / _spread(scale, y)
  return to_x, to_scale, None if noise is None else _to_noise(inner, noise), to_bias


def _to_noise(inner, noise):
  if noise.shape[2] == 1:
    return jnp.sum(inner, axis=2, keepdims=True, dtype=noise.dtype)
  if platforms.current() != 'tpu':
    parts = inner.reshape(*noise.shape, inner.shape[2] // noise.shape[2])
    return jnp.sum(parts, axis=3, dtype=noise.dtype)
  groups = _groups(noise, inner).T
  return jnp.matmul(inner, groups, precision=precision.of_operands(inner.dtype)).astype(noise.dtype)


bias_act.defvjp(_bias_act_fwd, _bias_act_bwd)


def limit(x: jax.Array, clamp: float | None, gain: float = 1.0) -> jax.Array:
  """Clamps to ±clamp · gain; None leaves x alone."""
  return x if clamp is None else jnp.clip(x, -clamp * gain, clamp * gain)


def kept(x: jax.Array) -> jax.Array:
  """`x`, which a compiler is to keep in its type where that is a half one.

  It would rather write the float32 that a later operation reads, which is twice the traffic.
  """
  return x if x.dtype == jnp.float32 else jax.lax.optimization_barrier(x)


def normalize_second_moment(x: jax.Array) -> jax.Array:
  """x / √mean(x²), [D] -> [D]."""
  return x * jax.lax.rsqrt(jnp.mean(jnp.square(x)) + 1e-8)


class Linear(nnx.Module):
  """Fully connected layer with equalised learning rate, [D_in] -> [D_out].

  Equalised: weights start from N(0, 1) over the multiplier and are scaled where they are used
  (Karras et al. 2018, section 4.1), so that Adam's steps change all layers alike.
  """

  def __init__(self, d_in: int, d_out: int, lr_multiplier: float = 1.0, *, rngs: nnx.Rngs):
    self.weight = normal(rngs, d_in, d_out, deviation=1 / lr_multiplier)
    self.bias = nnx.Param(jnp.zeros((d_out,)))
    self.lr_multiplier = lr_multiplier

  def __call__(self, x: jax.Array) -> jax.Array:
    scale = self.lr_multiplier / self.weight.shape[0] ** 0.5
    bias = self.bias[...] * self.lr_multiplier
    return x @ (self.weight[...] * scale) + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


class Conv(nnx.Module):
  """Convolution with equalised learning rate and, optionally, bias, activation and resampling."""

  def __init__(
    self,
    size: int,
    c_in: int,
    c_out: int,
    *,
    bias: bool = True,
    resample: str | None = None,
    clamp: float | None = None,
    dtype=jnp.float32,
    rngs: nnx.Rngs,
  ):
    self.weight = normal(rngs, size, size, c_in, c_out)
    self.bias = nnx.Param(jnp.zeros((c_out,))) if bias else None
    self.resample = resample
    self.clamp = clamp
    self.dtype = dtype
    self.frozen: Any = nnx.data(None)

  def kernel(self) -> jax.Array:
    """The weight as it is used: scaled by 1/√fan_in."""
    size, _, c_in, _ = self.weight.shape
    return (self.weight[...] * (size * size * c_in) ** -0.5).astype(self.dtype)

  def freeze(self) -> None:
    strided = self.resample == 'down' and self.weight.shape[0] > 1
    self.frozen = nnx.data(
      (convolution.frozen_down if strided else convolution.frozen)(self.kernel())
    )

  def __call__(self, x: jax.Array, gain: float = 1.0) -> jax.Array:
    """[H, W, C_in] -> [H′, W′, C_out]; with a bias, leaky ReLU follows; without, only the gain."""
    kernel = self.kernel() if self.frozen is None else self.frozen
    x = x.astype(self.dtype)
    if self.resample == 'down' and self.weight.shape[0] > 1:
      x = convolution.conv_down(x, kernel)
    else:
      x = convolution.conv(resampling.downsample(x) if self.resample == 'down' else x, kernel)
      x = resampling.upsample(x) if self.resample == 'up' else x
    if self.bias is None:
      return x * gain
    return bias_act(x, None, None, self.bias[...], gain, self.clamp)


class Modulation(nnx.Module):
  """The affine map from w to a layer's style; rows of W++ give one style per output channel."""

  def __init__(self, w_dim: int, c_in: int, *, rngs: nnx.Rngs):
    self.weight = normal(rngs, w_dim, c_in)
    self.bias = nnx.Param(jnp.ones((c_in,)))

  def __call__(self, w: jax.Array, c_out: int) -> jax.Array:
    """w: [w_dim] -> [C_in], or [C_max, w_dim] -> [C_out, C_in]."""
    w = w[:c_out] if w.ndim == 2 else w
    scale = self.weight.shape[0] ** -0.5
    style = w @ (self.weight[...] * scale)
    return style + self.bias[...].reshape((1,) * (style.ndim - 1) + self.bias.shape)


def modulated_conv(
  x: jax.Array,
  kernel: Any,
  energy: jax.Array | None,
  style: jax.Array,
  up: bool = False,
) -> tuple[jax.Array, jax.Array | None]:
  """Modulated convolution (Karras et al. 2020, section 2.2).

  A style vector scales the activations, so that the kernel is shared by a batch; a style per
  output channel (W++) needs a kernel of its own per image.

  Args:
    x: [H, W, C_in], or packed [H / 2, W / 2, 4·C_in].
    kernel: [k, k, C_in, C_out] for `conv`, or for `conv_up` where `up`; not frozen for W++.
    energy: Σ_k w² [C_in, C_out], for demodulation; None leaves it out.
    style: [C_in], float32, or [C_out, C_in] (W++).
    up: doubles the size.

  Returns:
    The image, and what demodulates it: a factor for each channel [C_out], or None where nothing is
    left to do. On GPUs an image of twice the size stays packed where the filter is in the kernel:
    what follows a convolution then reads and writes it as it lies.
  """
  if style.ndim == 2:
    apply = convolution.conv_up if up else convolution.conv
    weight = kernel.astype(jnp.float32) * style.T[None, None]
    if energy is not None:
      weight *= jax.lax.rsqrt(jnp.sum(jnp.square(weight), axis=(0, 1, 2), keepdims=True) + 1e-8)
    return apply(x, weight.astype(x.dtype), per_image=True), None
  if energy is None and convolution.is_narrow(kernel):
    weight = convolution.unfrozen(kernel)[0, 0] * style[:, None]
    return convolution.narrow(x, weight.astype(x.dtype)), None
  x = x * _spread(style, x)
  if up:
    x = convolution.conv_up(x, kernel, stay_packed=platforms.current() == 'gpu')
  else:
    is_packed = x.shape[2] != convolution.unfrozen(kernel).shape[2]
    x = convolution.conv(packing.depth_to_space(x) if is_packed else x, kernel)
  return x, None if energy is None else jax.lax.rsqrt(jnp.square(style) @ energy + 1e-8)


def _spread(vector, x):
  """[C] -> [1, 1, C] in x's type, again for each of the pixels that x has packed into one."""
  count = x.shape[2] // vector.shape[0]
  vector = vector.astype(x.dtype)
  return (vector if count == 1 else jnp.tile(vector, count))[None, None]


def _gathered(x, vector):
  """The adjoint of `_spread`: the sums of x's channels over all pixels, like `vector`."""
  sums = jnp.sum(x, axis=(0, 1), dtype=vector.dtype)
  return sums if sums.shape == vector.shape else jnp.sum(sums.reshape(-1, *vector.shape), axis=0)


def freeze(module):
  """A copy of `module` whose convolutions hold what a gradient to their input needs.

  Inside a jitted function and outside of its loop, this does that work once; the copy's weights
  get no gradient.
  """
  module = nnx.merge(*nnx.split(module))
  for _, layer in nnx.iter_modules(module):
    if hasattr(layer, 'freeze'):
      layer.freeze()
  return module
