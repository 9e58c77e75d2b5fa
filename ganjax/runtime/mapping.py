"""Functions of one image, mapped over a batch on one device, as its platform is quickest."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from ganjax.runtime import platforms
from ganjax.runtime.tracing import traced

State = TypeVar('State')
Told = TypeVar('Told')


def map_images(function: Callable, *batched: Any) -> Any:
  """Applies a function of one image to a batch, [N] leading every leaf.

  All images at once on accelerators; on a CPU, where batching gains nothing, one after another.
  """
  if platforms.is_cpu():
    return _one_after_another(function, batched)
  return jax.vmap(function)(*batched)


def _one_after_another(function: Callable, batched: tuple) -> Any:
  """`jax.lax.map`, but for an image that is alone the same program as for one of many.

  XLA unrolls a loop of which it knows that it goes round once, and fuses it with what is around it:
  the last bits of sums are others then, which an optimisation amplifies. So it is not told how
  often the loop goes round.
  """
  count = jax.tree.leaves(batched)[0].shape[0]

  def picked(i: jax.Array) -> Any:
    pick = functools.partial(jax.lax.dynamic_index_in_dim, index=i, keepdims=False)
    return function(*jax.tree.map(pick, batched))

  of_image, shapes = traced(picked, jnp.int32(0))

  def put(i: jax.Array, results: Any) -> Any:
    place = functools.partial(jax.lax.dynamic_update_index_in_dim, index=i, axis=0)
    return jax.tree.map(place, results, of_image(i))

  blank = jax.tree.map(lambda x: jnp.zeros((count, *x.shape), x.dtype), shapes)
  rounds = jax.lax.optimization_barrier(jnp.int32(count))
  return jax.lax.fori_loop(0, rounds, put, blank)


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
