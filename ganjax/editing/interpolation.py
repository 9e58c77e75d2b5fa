"""From one latent to another; written for one pair, vmap for more."""

from typing import Literal

import jax
import jax.numpy as jnp

Method = Literal['linear', 'spherical']

_PARALLEL = 1e-3  # below this sine the arc is as good as its chord, or undefined


def interpolate(
  start: jax.Array, end: jax.Array, shares: jax.Array, method: Method = 'linear'
) -> jax.Array:
  """Latents between two, or beyond them.

  Args:
    start: a latent, an image or a noise map: any shape.
    end: another of that space and shape.
    shares: [T], 0 for `start` and 1 for `end`, both of which come out exactly.
    method: 'linear', or 'spherical': along the arc between the two directions (Shoemake 1985),
      on which normal noise keeps its usual length. Where start and end are parallel, or opposite,
      no one arc is the right one, and the straight line is taken.

  Returns:
    [T, *shape].
  """
  shares = shares.reshape((-1,) + (1,) * start.ndim)
  start, end = start[None], end[None]
  line = (1 - shares) * start + shares * end
  if method == 'linear':
    return line
  lengths = jnp.sqrt(jnp.sum(jnp.square(start)) * jnp.sum(jnp.square(end)))
  cosine = jnp.where(lengths > 0, jnp.sum(start * end) / jnp.maximum(lengths, 1e-12), 1.0)
  angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
  sine = jnp.sin(angle)
  safe = jnp.where(sine > _PARALLEL, sine, 1.0)
  arc = (jnp.sin((1 - shares) * angle) * start + jnp.sin(shares * angle) * end) / safe
  # sin(ω)/sin(ω) need not be 1 to the last bit.
  arc = jnp.where(shares == 0, start, jnp.where(shares == 1, end, arc))
  return jnp.where(sine > _PARALLEL, arc, line)


def step_lengths(points: jax.Array) -> jax.Array:
  """Euclidean distances between neighbours of a path, [T, …] -> [T - 1]."""
  steps = jnp.diff(points.reshape(points.shape[0], -1), axis=0)
  return jnp.sqrt(jnp.sum(jnp.square(steps), axis=1))
