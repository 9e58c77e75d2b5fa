"""Layers that the networks share, all for one image [H, W, C].

Convolutions are written for weights that stay fixed while something else is optimised: `freeze`
derives once what the gradient to the input needs, so that no optimisation step derives it again.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

SQRT2 = 2**0.5
LEAKY_SLOPE = 0.2


class Frozen(NamedTuple):
  """A kernel that gets no gradient, beside the kernel of its input's gradient."""

  kernel: jax.Array  # [kh, kw, C_in, C_out]
  adjoint: jax.Array  # [kh, kw, C_out, C_in], flipped


class Phases(NamedTuple):
  """A 3×3 kernel split by the parity of the output row and column that its taps reach."""

  even_even: Any  # frozen or not: [2, 2, C_in, C_out]
  even_odd: Any  # [2, 1, C_in, C_out]
  odd_even: Any  # [1, 2, C_in, C_out]
  odd_odd: Any  # [1, 1, C_in, C_out]


class FrozenDown(NamedTuple):
  """A 3×3 kernel of a stride-2 convolution that gets no gradient, beside its adjoint's phases."""

  kernel: jax.Array  # [3, 3, C_in, C_out]
  adjoint: Phases  # of [3, 3, C_out, C_in], not flipped: a transposed convolution's


def _convolve(x, kernel, padding, stride=1, dilation=1):
  return jax.lax.conv_general_dilated(
    x[None],
    kernel,
    window_strides=(stride, stride),
    padding=padding,
    lhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _frozen_conv(x, kernel, adjoint, padding):
  del adjoint
  return _convolve(x, kernel, padding)


def _frozen_conv_fwd(x, kernel, adjoint, padding):
  return _convolve(x, kernel, padding), adjoint


def _frozen_conv_bwd(padding, adjoint, gradient):
  sizes = adjoint.shape[:2]
  back = tuple((k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(sizes, padding, strict=True))
  return _convolve(gradient, adjoint, back), None, None


_frozen_conv.defvjp(_frozen_conv_fwd, _frozen_conv_bwd)


def conv(x: jax.Array, kernel: jax.Array | Frozen, padding=None) -> jax.Array:
  """Stride-1 convolution (cross-correlation), [H, W, C_in] -> [H, W, C_out] by default.

  Args:
    x: [H, W, C_in].
    kernel: [kh, kw, C_in, C_out], frozen or not.
    padding: ((top, bottom), (left, right)); None keeps the size of odd kernels.
  """
  weight = kernel.kernel if isinstance(kernel, Frozen) else kernel
  if padding is None:
    padding = tuple(((k - 1) // 2, k // 2) for k in weight.shape[:2])
  if isinstance(kernel, Frozen):
    return _frozen_conv(x, kernel.kernel, kernel.adjoint, padding)
  return _convolve(x, kernel, padding)


def conv_down(x: jax.Array, kernel: jax.Array | FrozenDown) -> jax.Array:
  """3×3 convolution of the low-passed image with stride 2, [H, W, C_in] -> [H/2, W/2, C_out]."""
  x = low_pass(x, (2, 2))
  if isinstance(kernel, FrozenDown):
    return _frozen_strided(x, kernel)
  return _strided(x, kernel)


def _strided(x, kernel):
  """y[i] = Σ_k x[2i + k]·w[k]; [2H + 1, 2W + 1, C_in] -> [H, W, C_out]."""
  return _convolve(x, kernel, 'VALID', stride=2)


@jax.custom_vjp
def _frozen_strided(x, kernel):
  return _strided(x, kernel.kernel)


def _frozen_strided_fwd(x, kernel):
  return _strided(x, kernel.kernel), kernel.adjoint


def _frozen_strided_bwd(adjoint, gradient):
  return _transposed(gradient, adjoint), None


_frozen_strided.defvjp(_frozen_strided_fwd, _frozen_strided_bwd)


def conv_up(x: jax.Array, kernel: jax.Array | Phases) -> jax.Array:
  """3×3 transposed convolution with stride 2, then low-pass: [H, W, C_in] -> [2H, 2W, C_out]."""
  return low_pass(_transposed(x, kernel), (1, 1), gain=4.0)


def _transposed(x, kernel):
  """y[2i + k] += x[i]·w[k]; [H, W, C_in] -> [2H + 1, 2W + 1, C_out]."""
  if not isinstance(kernel, Phases):
    if not _split_in_phases():
      return _convolve(x, kernel[::-1, ::-1], ((2, 2), (2, 2)), dilation=2)
    kernel = phases(kernel)
  height, width, _ = x.shape
  # Padded here and not by the convolutions: XLA:CPU takes twenty times as long for the gradient to
  # a kernel that reaches beyond its input.
  around = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
  inside = ((0, 0), (0, 0))
  even_even = conv(around, kernel.even_even, inside)
  even_odd = conv(around[:, 1:-1], kernel.even_odd, inside)
  odd_even = conv(around[1:-1], kernel.odd_even, inside)
  odd_odd = conv(x, kernel.odd_odd, inside)
  even = _interleave(even_even, even_odd, axis=1)
  odd = _interleave(odd_even, odd_odd, axis=1)
  return _interleave(even, odd, axis=0)[: 2 * height + 1, : 2 * width + 1]


def _interleave(even, odd, axis):
  """Alternates slices of `even` and of `odd`, which is one shorter along `axis`."""
  widths = [(0, 0)] * 3
  widths[axis] = (0, 1)
  pair = jnp.stack([even, jnp.pad(odd, widths)], axis=axis + 1)
  return pair.reshape(*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])


def _split_in_phases() -> bool:
  """XLA:CPU is several times slower at a dilated convolution; cuDNN is not."""
  return jax.default_backend() == 'cpu'


def phases(kernel: jax.Array) -> Phases:
  """Splits a 3×3 kernel for `conv_up`; four small kernels, each with the fewest operations."""
  return Phases(
    even_even=kernel[2::-2, 2::-2],
    even_odd=kernel[2::-2, 1:2],
    odd_even=kernel[1:2, 2::-2],
    odd_odd=kernel[1:2, 1:2],
  )


def frozen(kernel: jax.Array) -> Frozen:
  """Pairs a kernel with that of its input's gradient (flipped, inputs and outputs exchanged)."""
  return Frozen(kernel, kernel[::-1, ::-1].swapaxes(2, 3))


def frozen_up(kernel: jax.Array) -> jax.Array | Phases:
  """`frozen` for `conv_up`."""
  return Phases(*(frozen(part) for part in phases(kernel))) if _split_in_phases() else kernel


def frozen_down(kernel: jax.Array) -> jax.Array | FrozenDown:
  """`frozen` for `conv_down`."""
  return FrozenDown(kernel, phases(kernel.swapaxes(2, 3))) if _split_in_phases() else kernel


def low_pass(x: jax.Array, padding: tuple[int, int], gain: float = 1.0) -> jax.Array:
  """Filters with outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 · gain after zero padding.

  Separable shifts and adds: XLA runs a depthwise convolution far slower on a CPU.

  Args:
    x: [H, W, C].
    padding: zeros before and after, both axes; the result is 3 smaller than the padded image.
    gain: factor on the result.
  """
  x = jnp.pad(x, (padding, padding, (0, 0)))
  scale = (gain**0.5) / 8
  for axis in (0, 1):
    size = x.shape[axis] - 3
    a, b, c, d = (jax.lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(4))
    x = (a + d) * scale + (b + c) * (3 * scale)
  return x


def upsample(x: jax.Array) -> jax.Array:
  """Twice the size with the [1, 3, 3, 1] filter, [H, W, C] -> [2H, 2W, C]."""
  for axis in (0, 1):
    widths = [(0, 0)] * 3
    widths[axis] = (1, 1)
    padded = jnp.pad(x, widths)
    size = x.shape[axis]
    before = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
    after = jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis)
    pair = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
    x = pair.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
  return x


def downsample(x: jax.Array) -> jax.Array:
  """Half the size with the [1, 3, 3, 1] filter, [H, W, C] -> [H/2, W/2, C]."""
  return low_pass(x, (1, 1))[::2, ::2]


def activate(x: jax.Array, gain: float = 1.0, clamp: float | None = None) -> jax.Array:
  """Leaky ReLU 0.2 · √2 · gain, clamped to ±clamp · gain."""
  x = jnp.where(x >= 0, x, LEAKY_SLOPE * x) * (SQRT2 * gain)
  return limit(x, clamp, gain)


def limit(x: jax.Array, clamp: float | None, gain: float = 1.0) -> jax.Array:
  """Clamps to ±clamp · gain; None leaves x alone."""
  return x if clamp is None else jnp.clip(x, -clamp * gain, clamp * gain)


def normalize_second_moment(x: jax.Array) -> jax.Array:
  """x / √mean(x²), [D] -> [D]."""
  return x * jax.lax.rsqrt(jnp.mean(jnp.square(x)) + 1e-8)


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
  """2×2 maxima, [H, W, C] -> [H/2, W/2, C]; an odd last row or column is dropped.

  The gradient compares with the maximum instead of searching for it again; equal maxima all
  receive it, which behind a ReLU only happens at zero, where the ReLU stops it.
  """
  height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
  x = x[:height, :width].reshape(height // 2, 2, width // 2, 2, x.shape[2])
  return jnp.max(x, axis=(1, 3))


def _max_pool_fwd(x):
  y = max_pool(x)
  return y, (x, y)


def _max_pool_bwd(residuals, gradient):
  x, y = residuals
  widths = ((0, x.shape[0] % 2), (0, x.shape[1] % 2), (0, 0))

  def spread(a):
    return jnp.pad(a.repeat(2, axis=0).repeat(2, axis=1), widths)

  return (jnp.where(x == spread(y), spread(gradient), jnp.zeros((), x.dtype)),)


max_pool.defvjp(_max_pool_fwd, _max_pool_bwd)


class Linear(nnx.Module):
  """Fully connected layer with equalised learning rate, [D_in] -> [D_out]."""

  def __init__(self, d_in: int, d_out: int, lr_multiplier: float = 1.0, bias: float = 0.0):
    self.weight = nnx.Param(jnp.zeros((d_in, d_out)))
    self.bias = nnx.Param(jnp.full((d_out,), bias / lr_multiplier, jnp.float32))
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
  ):
    self.weight = nnx.Param(jnp.zeros((size, size, c_in, c_out)))
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
    self.frozen = nnx.data((frozen_down if strided else frozen)(self.kernel()))

  def __call__(self, x: jax.Array, gain: float = 1.0) -> jax.Array:
    """[H, W, C_in] -> [H′, W′, C_out]; with a bias, leaky ReLU follows; without, only the gain."""
    kernel = self.kernel() if self.frozen is None else self.frozen
    x = x.astype(self.dtype)
    if self.resample == 'down' and self.weight.shape[0] > 1:
      x = conv_down(x, kernel)
    else:
      x = conv(downsample(x) if self.resample == 'down' else x, kernel)
      x = upsample(x) if self.resample == 'up' else x
    if self.bias is None:
      return x * gain
    return activate(x + _spread(self.bias[...], x), gain, self.clamp)


class Modulation(nnx.Module):
  """The affine map from w to a layer's style; rows of W++ give one style per output channel."""

  def __init__(self, w_dim: int, c_in: int):
    self.weight = nnx.Param(jnp.zeros((w_dim, c_in)))
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
) -> jax.Array:
  """Modulated convolution (Karras et al. 2020, section 2.2).

  A style vector scales the activations, so that the kernel is shared by a batch; a style per
  output channel (W++) needs a kernel of its own per image.

  Args:
    x: [H, W, C_in].
    kernel: [k, k, C_in, C_out] for `conv`, or for `conv_up` where `up`; not frozen for W++.
    energy: Σ_k w² [C_in, C_out], for demodulation; None leaves it out.
    style: [C_in], float32, or [C_out, C_in] (W++).
    up: doubles the size.
  """
  apply = conv_up if up else conv
  if style.ndim == 2:
    weight = kernel.astype(jnp.float32) * style.T[None, None]
    if energy is not None:
      weight *= jax.lax.rsqrt(jnp.sum(jnp.square(weight), axis=(0, 1, 2), keepdims=True) + 1e-8)
    return apply(x, weight.astype(x.dtype))
  x = apply(x * _spread(style, x), kernel)
  if energy is None:
    return x
  return x * _spread(jax.lax.rsqrt(jnp.square(style) @ energy + 1e-8), x)


def _spread(vector, x):
  """[C] -> [1, 1, C] in x's type."""
  return vector.astype(x.dtype)[None, None]


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
