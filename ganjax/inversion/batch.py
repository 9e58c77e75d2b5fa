"""Many problems at once, from their start to their end."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ganjax import degradations
from ganjax.inversion import losses
from ganjax.inversion import solver as solvers
from ganjax.inversion.presets import Preset
from ganjax.inversion.solver import Prior, Problem, Solution, Solver, State, Terms
from ganjax.models.generator import Noise
from ganjax.runtime import devices
from ganjax.runtime.kept import keep
from ganjax.runtime.mapping import map_images
from ganjax.runtime.sharding import count_of, pad, shard_images, spread
from ganjax.runtime.sharding import mesh as mesh_of
from ganjax.weights.tuned import Difference

CHUNK_STEPS = 50
SETTLED_WITHIN = 0.01


class Restoration(NamedTuple):
  """What came out; with a leading axis [N] for a batch."""

  image: np.ndarray  # [H, W, 3], nominally in [-1, 1]
  # [1, w_dim], [num_ws, w_dim] or [num_ws, C_max, w_dim]; None where there is no generator.
  latent: np.ndarray | None
  noise: Noise  # the noise maps that belong to it
  degradation: degradations.Operator  # what was unknown in it is known
  loss: np.ndarray  # [num_steps]
  terms: Terms  # its summands and what else was measured, [num_steps] each
  # The step whose image it is, where the solver chooses one; otherwise the first after which the
  # loss stays within 1 % of its final value.
  settled_at: np.ndarray
  num_steps: np.ndarray  # how many were taken
  # How each image's synthesis network differs, where it was tuned; see `pivotal`.
  tuned: list[Difference] | None = None


# The functions below take and give batches: [N] leads every leaf of problems and states, and the
# devices divide N; see `runtime.sharding`.


@keep(static_argnums=(1,))
def start(prior: Prior, solver: Solver, problems: Problem, before: State | None = None) -> State:
  """Where the images begin a stage; `before` is where they ended the one before."""

  def function(prior, problems, before):
    return map_images(functools.partial(solver.init, prior), problems, before)

  return shard_images(function, prior, problems, before)


@keep(static_argnums=(1, 2), donate_argnums=(5,))
def advance(
  prior: Prior,
  solver: Solver,
  num_steps: int,
  problems: Problem,
  active: jax.Array | np.ndarray,
  states: State,
) -> tuple[State, Terms, jax.Array]:
  """Up to `num_steps` steps each, where `active` [N]; the old states are used up.

  Returns:
    The new states, the terms [N, num_steps], and how many steps are left [N].
  """

  def function(prior, *batched):
    one = functools.partial(solvers.advance, solver, num_steps, solver.frozen(prior))
    return map_images(one, *batched)

  return shard_images(function, prior, problems, active, states)


@keep(static_argnums=(1,))
def render(prior: Prior, solver: Solver, states: State) -> jax.Array:
  """The images that the states stand for, [N, H, W, 3]."""

  def function(prior, states):
    return map_images(functools.partial(solver.image, prior), states)

  return shard_images(function, prior, states)


@keep(static_argnums=(0,))
def steps_left(solver: Solver, problems: Problem, states: State) -> jax.Array:
  """How many steps a stage still has at most; int32 [N]."""
  return jax.vmap(solver.steps_left)(problems, states)


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
  terms: Terms  # [N, step]; an image that had finished repeats its last value
  render: Callable[[], np.ndarray]  # () -> [N, H, W, 3]


class _Watch:
  """What is known of all images of a run while some of them are at work."""

  def __init__(self, count: int, on_progress: Callable[[Progress], None] | None):
    self.count, self.history, self._on_progress = count, list[Terms](), on_progress
    self._images: np.ndarray | None = None

  def tell(self, rows: np.ndarray, terms: Terms, images: Callable[[], jax.Array]) -> None:
    """Takes in a chunk's terms [K, length] of the images `rows` [K]."""
    self.history.append(jax.tree.map(lambda x: self._spread(rows, np.asarray(x)), terms))
    if self._on_progress is not None:
      told = curves(self.history)
      self._on_progress(Progress(told.loss.shape[1], told, lambda: self.shown(rows, images)))

  def _spread(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    whole = np.full((self.count, *values.shape[1:]), np.nan, values.dtype)
    whole[rows] = values[: len(rows)]
    return whole

  def shown(self, rows: np.ndarray, images: Callable[[], jax.Array]) -> np.ndarray:
    """All images, of which `rows` are new."""
    new = np.asarray(images())[: len(rows)]
    if self._images is None:
      self._images = np.zeros((self.count, *new.shape[1:]), new.dtype)
    self._images[rows] = new
    return self._images.copy()


def run(
  prior: Prior,
  stages: Sequence[Solver],
  problems: Problem,
  on_progress: Callable[[Progress], None] | None = None,
  chunk_steps: int = CHUNK_STEPS,
) -> Restoration:
  """Solves a batch to the end.

  Args:
    prior: what all images share.
    stages: one after another; what `stages_of(preset)` gives, for example.
    problems: a batch ([N] leading every leaf); hyperparameters may differ within it.
    on_progress: called after every chunk of steps; may raise to stop.
    chunk_steps: the longest run between two calls of it.

  Returns:
    The restorations, [N] leading every leaf; host arrays, since batches of other sizes lie on other
    devices. Where images have fewer steps than the longest one of the batch, `loss` repeats their
    last value.
  """
  rows = np.arange(count_of(problems))
  watch = _Watch(len(rows), on_progress)
  found = _through(prior, tuple(stages), pad(problems), None, rows, watch, chunk_steps)
  terms = curves(watch.history or [no_terms(len(rows))])
  loss = np.asarray(terms.loss)
  image, solution, num_steps, differences = found
  return Restoration(
    image,
    solution.latent,
    solution.noise,
    solution.degradation,
    loss,
    terms,
    settled_at(loss) if solution.chosen_at is None else solution.chosen_at,
    num_steps,
    differences,
  )


def _through(
  prior: Prior,
  stages: tuple[Solver, ...],
  problems: Problem,
  before: State | None,
  rows: np.ndarray,
  watch: _Watch,
  chunk_steps: int,
) -> tuple[np.ndarray, Solution, np.ndarray, list[Difference] | None]:
  """Takes the images `rows` through stages.

  Returns:
    On the host, [N] leading: images, what else was found, steps taken, and differences.
  """
  solver, *later = stages
  most = images_at_once(solver, len(rows))
  if most < len(rows):
    parts = [rows[i : i + most] for i in range(0, len(rows), most)]
    ended = []
    for part in parts:
      here = slice(part[0] - rows[0], part[-1] - rows[0] + 1)
      own = jax.tree.map(lambda x, here=here: x[here], (problems, before))
      own = pad(own)
      part_problems, part_before = jax.device_put(own, spread(count_of(own)))
      ended.append(_through(prior, stages, part_problems, part_before, part, watch, chunk_steps))
    return _joined(ended)
  everywhere, row = prior, mesh_of(count_of(problems))
  if row.size > 1:  # once a stage; otherwise at every chunk
    everywhere = devices.replicate(row, prior)
    problems = jax.device_put(problems, spread(count_of(problems)))
  states = _solve(everywhere, solver, problems, before, rows, watch, chunk_steps)
  if later:
    return _through(prior, tuple(later), problems, states, rows, watch, chunk_steps)

  def keep(tree):
    return jax.device_get(jax.tree.map(lambda x: x[: len(rows)], tree))

  differences = solver.differences(everywhere, states)
  return (
    keep(render(everywhere, solver, states)),
    keep(solver.solution(problems, states)),
    np.asarray(states.step)[: len(rows)],
    differences if differences is None else differences[: len(rows)],
  )


def images_at_once(solver: Solver, count: int) -> int:
  """How many of `count` images a solver takes at once."""
  each = solver.images_per_device
  return count if each is None else min(count, each * mesh_of(count).size)


def _joined(parts: list[tuple]) -> tuple:
  images, solutions, steps, differences = zip(*parts, strict=True)
  solution = jax.tree.map(lambda *x: np.concatenate(x), *solutions)
  tuned = None if differences[0] is None else list(itertools.chain(*differences))
  return np.concatenate(images), solution, np.concatenate(steps), tuned


def _solve(
  prior: Prior,
  solver: Solver,
  problems: Problem,
  before: State | None,
  rows: np.ndarray,
  watch: _Watch,
  chunk_steps: int,
) -> State:
  """One stage of the images `rows`, to its end."""
  states = start(prior, solver, problems, before)
  active = np.ones(count_of(problems), bool)
  left = np.asarray(steps_left(solver, problems, states))
  length = chunk_length(int(left.max()), chunk_steps) if left.max() > 0 else 0
  while left.max() > 0:
    states, terms, left = advance(prior, solver, length, problems, active, states)
    left = np.asarray(left)
    watch.tell(rows, terms, functools.partial(render, prior, solver, states))
  return states


def no_terms(count: int) -> Terms:
  """The terms of an inversion without a step, [count, 1]."""
  nothing: Any = np.full((count, 1), np.nan, np.float32)
  return losses.Terms(nothing, nothing, nothing, nothing)


def curves(history: list[Terms]) -> Terms:
  """Joins chunks [N, length] to curves [N, T], T of the longest one; shorter ones repeat.

  Where no image took a step T is 1, and the terms are NaN.
  """
  joined = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *history)
  taken = ~np.isnan(joined.loss)
  # Steps that were taken come first, in their order; an idle one may lie between two stages.
  most = max(taken.sum(axis=1).max(), 1)
  order = np.argsort(~taken, axis=1, kind='stable')[:, :most]
  last = np.maximum(taken.sum(axis=1), 1)[:, None] - 1
  places = np.take_along_axis(order, np.minimum(np.arange(order.shape[1])[None], last), axis=1)
  return jax.tree.map(lambda x: np.take_along_axis(x, places, axis=1), joined)


def settled_at(loss: np.ndarray) -> np.ndarray:
  """First step after which the loss stays within 1 % of its final value; [N, T] -> [N] int."""
  final = loss[:, -1:]
  outside = np.abs(loss - final) > SETTLED_WITHIN * np.abs(final)
  steps = np.arange(1, loss.shape[1] + 1)[None]
  return np.max(np.where(outside, steps, 0), axis=1)
