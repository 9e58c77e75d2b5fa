"""Pooling of one image [H, W, C]."""

import jax
import jax.numpy as jnp


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
