"""Clips that let a gradient through beyond the range."""

import jax
import jax.numpy as jnp


@jax.custom_jvp
def clip(x: jax.Array) -> jax.Array:
  """Clips to [-1, 1], with a gradient that fades out within a quarter of the range beyond.

  A little beyond it, ringing puts many pixels that must still be pulled. Far beyond, the loss no
  longer sees what a step does: an undiminished gradient drives the picture there, and for ever on.
  """
  return jnp.clip(x, -1.0, 1.0)


@clip.defjvp
def _clip_jvp(primals, tangents):
  (x,), (tangent,) = primals, tangents
  clipped = clip(x)
  return clipped, tangent * jnp.exp(-jnp.square(2 * (x - clipped)))


@jax.custom_jvp
def soft_clamp(x: jax.Array) -> jax.Array:
  """Clips to [0, 1], with the gradient of sigmoid(2·(x - ½)).

  A plain clip has no gradient where the noise leaves the range, which under strong noise is most
  of the picture (Poirier-Ginter & Lalonde 2023).
  """
  return jnp.clip(x, 0.0, 1.0)


@soft_clamp.defjvp
def _soft_clamp_jvp(primals, tangents):
  (x,), (tangent,) = primals, tangents
  sigmoid = jax.nn.sigmoid(2 * (x - 0.5))
  return soft_clamp(x), 2 * sigmoid * (1 - sigmoid) * tangent
