"""Functions of one image, mapped over a batch on one device, as its platform is quickest."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from ganjax.runtime import platforms

State = TypeVar('State')
Told = TypeVar('Told')


def map_images(function: Callable, *batched: Any) -> Any:
  """Applies a function of one image to a batch, [N] leading every leaf.

  All images at once on accelerators; on a CPU, where batching gains nothing, one after another.
  """
  if platforms.is_cpu():
    return jax.lax.map(lambda args: function(*args), batched)
  return jax.vmap(function)(*batched)


def step_if(
  active: jax.Array, step: Callable[[State], tuple[State, Told]], state: State, idle: Told
) -> tuple[State, Told]:
  """`step(state)` where `active`, else (state, idle); for one image of a batch.

  On accelerators the step is always taken, and its result chosen or not. A `lax.cond` would do
  worse: under `vmap` it gives everything that the step reads a batch axis, the networks' weights
  among them, and a shared convolution becomes as many as there are images. On a CPU, where images
  are mapped one after another, it saves the work of those that have finished.

  Args:
    active: bool scalar.
    step: state -> (new state, what it tells).
    state: before the step.
    idle: what is told without one.
  """
  if platforms.is_cpu():
    return jax.lax.cond(active, step, lambda state: (state, idle), state)
  return jax.tree.map(functools.partial(jnp.where, active), step(state), (state, idle))
