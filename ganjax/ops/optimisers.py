"""Steps down a gradient, for networks whose weights are most of what a step moves in memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Params = Any  # a pytree of arrays


class AdamState(NamedTuple):
  """What Adam remembers."""

  steps: jax.Array  # int32, how many were taken
  mean: Params  # running, of the gradient
  square: Params  # and of its square


def adam_init(params: Params) -> AdamState:
  """Those before the first step."""
  return AdamState(jnp.int32(0), *(jax.tree.map(jnp.zeros_like, params) for _ in range(2)))


def adam_update(
  params: Params,
  gradient: Params,
  moments: AdamState,
  rate: jax.Array | float,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
) -> tuple[Params, AdamState]:
  """One step of Adam (Kingma & Ba 2015, algorithm 1), at a rate that may change from step to step.

  As optax.adam computes it, but that means move by a share of their distance: of sums of two
  products XLA:CPU keeps copies, to compute them once more for the parameters.

  Args:
    params: what is moved.
    gradient: of the loss, shaped like `params`.
    moments: what it remembers.
    rate: the step's length.
    b1: how much of the mean gradient stays.
    b2: how much of the mean square stays.
    eps: added to the root of the mean square.

  Returns:
    The new parameters and moments.
  """
  steps = moments.steps + jnp.int32(1)
  mean = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), moments.mean, gradient)
  square = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), moments.square, gradient)
  first, second = (1 - b ** steps.astype(jnp.float32) for b in (b1, b2))
  params = jax.tree.map(
    lambda p, m, v: p - rate * (m / first) / (jnp.sqrt(v / second) + eps), params, mean, square
  )
  return params, AdamState(steps, mean, square)


def global_norm(tree: Params) -> jax.Array:
  """The Euclidean norm of all values; by products, since XLA:CPU writes squares out first."""
  highest = jax.lax.Precision.HIGHEST
  return jnp.sqrt(sum(jnp.vdot(x, x, precision=highest) for x in jax.tree.leaves(tree)))
