"""Walks along a direction, and what changes on the way; one walk at a time."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def traverse(
  point: jax.Array, normal: jax.Array, steps: jax.Array, layers: jax.Array | None = None
) -> jax.Array:
  """Walks along a direction; step 0 is the point itself.

  Args:
    point: a latent: of Z [z_dim], of W [w_dim], or of W+ [num_ws, w_dim].
    normal: the direction, of the point's shape; or one of W [w_dim] for a point of W+.
    steps: [T], in units of the latent; times `deviation`, they are in deviations.
    layers: [num_ws], 1 for the rows of W+ that move and 0 for those that stay; None for all.

  Returns:
    [T, *shape].
  """
  move = jnp.broadcast_to(normal, point.shape)
  if layers is not None:
    move = move * layers[:, None]
  return point[None] + steps.reshape((-1,) + (1,) * point.ndim) * move[None]


def deviation(points: jax.Array, normal: jax.Array) -> jax.Array:
  """How far latents [N, …] spread along a direction: a scalar, the unit of steps."""
  return jnp.std(points.reshape(points.shape[0], -1) @ normal.reshape(-1))


def layer_mask(layers: Sequence[int], num_ws: int) -> np.ndarray:
  """float32 [num_ws] for `traverse`.

  Raises:
    ValueError: a layer is out of range.
  """
  if wrong := [layer for layer in layers if not 0 <= layer < num_ws]:
    raise ValueError(f'layer {wrong[0]} is out of range: this generator has 0 to {num_ws - 1}')
  mask = np.zeros(num_ws, np.float32)
  mask[list(layers)] = 1.0
  return mask


def flip(scores: jax.Array) -> jax.Array:
  """The first step whose answer is not the first one's, or −1; scores [T] -> int32 scalar."""
  changed = (scores > 0) != (scores[0] > 0)
  return jnp.where(jnp.any(changed), jnp.argmax(changed), -1).astype(jnp.int32)


def slope(steps: jax.Array, values: jax.Array) -> jax.Array:
  """Change per unit of step, by least squares; [T], [T] -> scalar."""
  centred = steps - jnp.mean(steps)
  return jnp.sum(centred * (values - jnp.mean(values))) / jnp.sum(jnp.square(centred))


def succeeds(scores: jax.Array) -> jax.Array:
  """Whether a walk of rising steps, [T] odd, moves its centre's answer where it ought to.

  Downhill the attribute is to go, uphill it is to come: a centre without it (score ≤ 0) has to have
  it at the last step, a centre with it has to have lost it at the first.
  """
  centre = scores[scores.shape[0] // 2]
  return jnp.where(centre > 0, scores[0] <= 0, scores[-1] > 0)
