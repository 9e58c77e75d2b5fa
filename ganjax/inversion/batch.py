"""Many inversions at once, from their start to their end."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from ganjax import degradations
from ganjax.inversion import losses, stylegan
from ganjax.inversion.pivotal import tune
from ganjax.inversion.presets import Preset, Tuning
from ganjax.inversion.problem import Prior, Problem
from ganjax.inversion.stylegan import InversionState
from ganjax.models.generator import Noise
from ganjax.models.layers import freeze
from ganjax.runtime.mapping import map_images
from ganjax.runtime.sharding import pad, shard_images
from ganjax.weights.tuned import Difference

CHUNK_STEPS = 50
SETTLED_WITHIN = 0.01


class Restoration(NamedTuple):
  """What came out; with a leading axis [N] for a batch."""

  image: np.ndarray  # [H, W, 3], nominally in [-1, 1]
  latent: jax.Array  # [1, w_dim], [num_ws, w_dim] or [num_ws, C_max, w_dim]
  noise: Noise  # the noise maps that belong to it
  degradation: degradations.Operator  # what was unknown in it is known
  loss: np.ndarray  # [num_steps]
  terms: losses.Terms  # its summands, [num_steps] each
  settled_at: np.ndarray  # first step after which the loss stays within 1 % of its final value
  num_steps: np.ndarray  # how many were taken
  # How each image's synthesis network differs, where the preset tunes it; see `pivotal`.
  tuned: list[Difference] | None = None


# The four functions below take and give batches: [N] leads every leaf of problems and states, and
# N is whole; see `parallel`.


@functools.partial(jax.jit, static_argnums=(1, 3))
def start(prior: Prior, preset: Preset, problems: Problem, phase: int = 0) -> InversionState:
  """Where the images start; in a later phase, as if those before it had no steps."""

  def function(prior, problems):
    return map_images(functools.partial(stylegan.init, prior, preset, phase=phase), problems)

  return shard_images(function, prior, problems)


@functools.partial(jax.jit, static_argnums=(1, 2))
def enter(
  prior: Prior, preset: Preset, phase: int, problems: Problem, states: InversionState
) -> InversionState:
  """Takes the images from one phase into the next one, number `phase`."""

  def function(prior, problems, states):
    return map_images(functools.partial(stylegan.enter, prior, preset, phase), problems, states)

  return shard_images(function, prior, problems, states)


@functools.partial(jax.jit, static_argnums=(1, 2, 3), donate_argnums=(5,))
def advance(
  prior: Prior,
  preset: Preset,
  phase: int,
  num_steps: int,
  problems: Problem,
  states: InversionState,
) -> tuple[InversionState, losses.Terms]:
  """Up to `num_steps` steps each; the old states are used up. Terms are [N, num_steps]."""

  def function(prior, problems, states):
    frozen = jax.tree.map(freeze, prior, is_leaf=lambda x: isinstance(x, nnx.Module))
    one = functools.partial(stylegan.advance, frozen, preset, phase, num_steps)
    return map_images(one, problems, states)

  return shard_images(function, prior, problems, states)


@jax.jit
def render(prior: Prior, states: InversionState) -> jax.Array:
  """The pictures that the states stand for, [N, H, W, 3]."""
  return shard_images(
    lambda prior, states: map_images(functools.partial(stylegan.render, prior), states),
    prior,
    states,
  )


def is_finished(states: InversionState) -> np.ndarray:
  """Which images have come to the end of their phase; bool [N]."""
  return np.asarray(states.step >= states.end)


def chunk_length(num_steps: int, longest: int = CHUNK_STEPS) -> int:
  """Steps per chunk, so that `num_steps` are whole chunks or nearly so."""
  return -(-num_steps // max(1, -(-num_steps // longest)))


def even_chunk(preset: Preset, num_steps: int) -> int:
  """Steps per chunk, so that each of a preset's phases is whole chunks or nearly so."""
  total = sum(phase.share for phase in preset.phases)
  steps = [max(1, round(num_steps * phase.share / total)) for phase in preset.phases]
  return min(chunk_length(one) for one in steps)


class Progress(NamedTuple):
  """What `run` tells between chunks."""

  step: int  # how many steps the image that is furthest has taken
  terms: losses.Terms  # [N, step]; an image that had finished repeats its last value
  render: Callable[[], np.ndarray]  # () -> [N, H, W, 3]


def run(
  prior: Prior,
  preset: Preset,
  problems: Problem,
  on_progress: Callable[[Progress], None] | None = None,
  chunk_steps: int = CHUNK_STEPS,
) -> Restoration:
  """Optimises a batch to the end.

  Args:
    prior: networks and statistics.
    preset: what is alike for all images.
    problems: a batch ([N] leading every leaf); hyper-parameters may differ within it.
    on_progress: called after every chunk of steps; may raise to stop.
    chunk_steps: the longest run between two calls of it.

  Returns:
    The restorations, [N] leading every leaf; host arrays, since batches of other sizes lie on other
    devices. Where images have fewer steps than the longest one of the batch, `loss` repeats their
    last value.
  """
  count = problems.target.shape[0]
  problems = pad(problems)
  states = start(prior, preset, problems)
  history: list[losses.Terms] = []
  for phase in range(len(preset.phases)):
    if phase:
      states = enter(prior, preset, phase, problems, states)
    total = int(np.max(np.asarray(states.end - states.step)))
    length = chunk_length(total, chunk_steps)
    while not np.all(is_finished(states)):
      states, terms = advance(prior, preset, phase, length, problems, states)
      history.append(jax.tree.map(lambda x: np.asarray(x)[:count], terms))
      if on_progress is not None:
        on_progress(_progress(prior, states, history, count))
  image = render(prior, states)
  tuned = None
  if preset.tuning is not None:
    image, tuned = _tuned(prior, preset.tuning, problems, states, count, history, on_progress)

  def keep(tree):
    return jax.device_get(jax.tree.map(lambda x: x[:count], tree))

  terms = curves(history)
  loss = np.asarray(terms.loss)
  return Restoration(
    keep(image),
    keep(states.latent),
    keep(states.noise),
    keep(problems.degradation.bind(states.free)),
    loss,
    terms,
    settled_at(loss),
    np.asarray(states.step)[:count],
    tuned,
  )


def _tuned(
  prior: Prior,
  tuning: Tuning,
  problems: Problem,
  states: InversionState,
  count: int,
  history: list[losses.Terms],
  on_progress: Callable[[Progress], None] | None,
) -> tuple[np.ndarray, list[Difference]]:
  """Tunes the generator for one image after another; returns their pictures and differences."""
  images, differences = np.array(render(prior, states)), []
  told = curves(history)
  for i in range(count):
    one = jax.tree.map(lambda x, i=i: x[i], (problems, states.latent, states.noise))
    tuned = tune(prior, tuning, *one)
    images[i] = tuned.image
    differences.append(tuned.difference)
    if on_progress is not None:
      on_progress(Progress(told.loss.shape[1], told, lambda: images[:count].copy()))
  return images, differences


def _progress(prior, states, history, count) -> Progress:
  terms = curves(history)
  return Progress(terms.loss.shape[1], terms, lambda: np.asarray(render(prior, states))[:count])


def curves(history: list[losses.Terms]) -> losses.Terms:
  """Joins chunks [N, length] to curves [N, T], T of the longest one; shorter ones repeat."""
  joined = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *history)
  taken = ~np.isnan(joined.loss)
  # Steps that were taken come first, in their order; an idle one may lie between two phases.
  order = np.argsort(~taken, axis=1, kind='stable')[:, : taken.sum(axis=1).max()]
  last = np.maximum(taken.sum(axis=1), 1)[:, None] - 1
  places = np.take_along_axis(order, np.minimum(np.arange(order.shape[1])[None], last), axis=1)
  return jax.tree.map(lambda x: np.take_along_axis(x, places, axis=1), joined)


def settled_at(loss: np.ndarray) -> np.ndarray:
  """First step after which the loss stays within 1 % of its final value; [N, T] -> [N] int."""
  final = loss[:, -1:]
  outside = np.abs(loss - final) > SETTLED_WITHIN * np.abs(final)
  steps = np.arange(1, loss.shape[1] + 1)[None]
  return np.max(np.where(outside, steps, 0), axis=1)
