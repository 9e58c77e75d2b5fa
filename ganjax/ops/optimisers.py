"""Adam for networks whose weights are most of what a step moves in memory.

Shaped like optax's `init` and `update`, but that an update gives the new parameters at once.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Params = Any  # a pytree of arrays


class AdamState(NamedTuple):
  """What Adam remembers from step to step."""

  steps: jax.Array  # int32, how many were taken
  mean: Params  # running, of the gradient
  square: Params  # running, of the gradient's square


def adam_init(params: Params) -> AdamState:
  """The state before the first step, all zero."""
  return AdamState(jnp.int32(0), *(jax.tree.map(jnp.zeros_like, params) for _ in range(2)))


def adam_update(
  gradient: Params,
  state: AdamState,
  params: Params,
  learning_rate: jax.Array | float,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
) -> tuple[Params, AdamState]:
  """One step of Adam (Kingma & Ba 2015, algorithm 1).

  The same as optax.adam up to rounding: means move by a share of their distance, since of sums of
  two products XLA:CPU keeps copies, to compute them once more for the parameters.

  Args:
    gradient: of the loss, shaped like `params`.
    state: from `adam_init` or the step before.
    params: a pytree of arrays.
    learning_rate: may change from step to step.
    b1: decay rate of the running mean.
    b2: decay rate of the running mean square.
    eps: added to the root of the mean square.

  Returns:
    The new parameters (not their differences, as optax has it) and the new state.
  """
  steps = state.steps + jnp.int32(1)
  mean = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.mean, gradient)
  square = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), state.square, gradient)
  first, second = (1 - b ** steps.astype(jnp.float32) for b in (b1, b2))
  params = jax.tree.map(
    lambda p, m, v: p - learning_rate * (m / first) / (jnp.sqrt(v / second) + eps),
    params,
    mean,
    square,
  )
  return params, AdamState(steps, mean, square)


def global_norm(tree: Params) -> jax.Array:
  """The Euclidean norm of all values; by products, since XLA:CPU writes squares out first."""
  highest = jax.lax.Precision.HIGHEST
  return jnp.sqrt(sum(jnp.vdot(x, x, precision=highest) for x in jax.tree.leaves(tree)))
