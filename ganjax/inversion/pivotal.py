"""Pivotal tuning (Roich et al. 2021): the generator itself is bent around a found latent.

Every image gets weights of its own, so images are tuned one after another; what is kept is the
difference to the shared weights, in float16. While one image is tuned, its weights, their gradient
and Adam's two moments are in memory beside the shared ones: five times the synthesis network.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ganjax.inversion import losses, spaces
from ganjax.inversion.presets import Tuning
from ganjax.inversion.problem import Prior, Problem
from ganjax.models.generator import Noise, Synthesis
from ganjax.models.layers import freeze
from ganjax.weights import tuned

CHUNK_STEPS = 50


class Tuned(NamedTuple):
  """One image after tuning."""

  image: np.ndarray  # [H, W, 3]
  difference: tuned.Difference  # what to add to the synthesis network's parameters
  loss: np.ndarray  # [steps taken]


def tune(
  prior: Prior,
  tuning: Tuning,
  problem: Problem,
  latent: jax.Array,
  noise: Noise,
  on_progress: Callable[[int, float], None] | None = None,
) -> Tuned:
  """Tunes the synthesis network so that the latent explains one image better.

  Adam on all parameters but the stored noise maps; the loss is the perceptual distance plus the
  mean squared difference of what is visible.

  Args:
    prior: networks and statistics.
    tuning: steps, rate, and the perceptual distance at which to stop.
    problem: the image.
    latent: of any space; it stays as it is.
    noise: noise maps; they stay as well.
    on_progress: called with (steps taken, loss) after every chunk.

  Returns:
    The tuned picture, and how the weights differ; with `weights.load_tuned` they make it again.
  """
  graph, params, rest = tuned.split(prior.generator.synthesis)
  own = jax.tree.map(jnp.copy, params)  # the steps use up what they are given
  state = (own, optax.adam(tuning.learning_rate).init(own), jnp.bool_(False))
  history: list[np.ndarray] = []
  while not state[2] and sum(map(len, history)) < tuning.num_steps:
    length = min(CHUNK_STEPS, tuning.num_steps - sum(map(len, history)))
    state, loss = _advance(graph, tuning, length, prior, problem, rest, latent, noise, state)
    history.append(np.asarray(loss)[np.isfinite(loss)])
    if on_progress is not None:
      on_progress(sum(map(len, history)), float(history[-1][-1]) if len(history[-1]) else 0.0)
  difference = tuned.difference(state[0], params)
  # Rendered from what is kept, so that the kept difference gives this very picture.
  synthesis = tuned.apply(prior.generator.synthesis, difference)
  image = np.asarray(_render(synthesis, latent, noise))
  return Tuned(image, difference, np.concatenate(history))


@jax.jit
def _render(synthesis: Synthesis, latent: jax.Array, noise: Noise) -> jax.Array:
  num_ws = sum(block.num_convs for block in synthesis.blocks()) + 1
  return synthesis(spaces.rows(latent, num_ws), noise)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=(8,))
def _advance(graph, tuning, num_steps, prior, problem, rest, latent, noise, state):
  """Up to `num_steps` steps of Adam; the state is (parameters, Adam's, whether it is over)."""
  perceptual = jax.tree.map(freeze, prior.perceptual, is_leaf=lambda x: isinstance(x, nnx.Module))
  adam = optax.adam(tuning.learning_rate)
  rows = spaces.rows(latent, prior.generator.config.num_ws)
  target = losses.target(
    perceptual, 'single', problem.target, problem.visible, jax.random.fold_in(problem.key, 3)
  )

  def loss(params, step):
    image = nnx.merge(graph, params, rest)(rows, noise)
    key = jax.random.fold_in(jax.random.fold_in(problem.key, 4), step)
    degraded, expected = problem.degradation.drawn_and_expected(image, key)
    distance, pixel = losses.distances(perceptual, 'single', degraded, expected, target)
    return distance + pixel, distance

  def take(state, step):
    params, moments, _ = state
    (value, distance), gradient = jax.value_and_grad(loss, has_aux=True)(params, step)
    with jax.numpy_dtype_promotion('standard'):
      update, moments = adam.update(gradient, moments, params)
    over = distance <= tuning.stop_at
    # What is near enough stays as it is.
    params = jax.tree.map(lambda p, u: jnp.where(over, p, p + u), params, update)
    return (params, moments, over), value

  def body(state, step):
    idle = (state, jnp.float32(jnp.nan))
    return jax.lax.cond(state[2], lambda _: idle, lambda step: take(state, step), step)

  start = optax.tree_utils.tree_get(state[1], 'count')
  return jax.lax.scan(body, state, start + jnp.arange(num_steps, dtype=jnp.int32))
