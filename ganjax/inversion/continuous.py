"""Continuous batching: finished images free their slot, which the next image takes.

An image's steps do not depend on its slot or its neighbours, so this changes throughput only: no
slot waits for the slowest image of its batch. Images whose degradations have other operators, such
as the holes of a transparent photo, have slots of their own.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.inversion import batch
from ganjax.inversion.solver import Prior, Problem, Solver, State, Terms
from ganjax.runtime import devices, sharding
from ganjax.runtime.kept import keep

MOST_WAITED = 32  # chunks of other slots, after which some go on that are not all taken
Tag = TypeVar('Tag')


class Paused(NamedTuple):
  """How far one image is; host arrays. Taken up again, it ends as if nothing had been between."""

  stage: int  # the one that `state` belongs to, not necessarily unfinished
  state: State
  history: Terms  # [T] so far, NaN where there was nothing to do

  def arrays(self) -> list[np.ndarray]:
    """All of it, for `from_arrays`."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(self)]

  @classmethod
  def from_arrays(
    cls, prior: Prior, stages: Sequence[Solver], problem: Problem, arrays: list[np.ndarray]
  ) -> 'Paused | None':
    """What was kept as arrays; None where they are another version's."""
    stage, *rest = arrays
    if stage.shape or stage not in range(len(stages)):
      return None
    state, terms = _shapes.eval_shape(tuple(stages[: int(stage) + 1]), prior, problem)
    leaves, structure = jax.tree.flatten(state)
    kept, history = rest[: len(leaves)], rest[len(leaves) :]
    alike = [array.shape for array in kept] == [leaf.shape for leaf in leaves]
    if not alike or len(history) != len(jax.tree.leaves(terms)):
      return None
    terms = jax.tree.unflatten(jax.tree.structure(terms), history)
    return cls(int(stage), jax.tree.unflatten(structure, kept), terms)


class Request(NamedTuple):
  """An image that occupies a slot."""

  tag: Any
  problem: Problem  # host arrays
  history: list[Terms]  # [T] for every chunk so far


@dataclasses.dataclass
class StageBatch:
  """The slots of one stage, and the images that wait for one."""

  stage: int
  requests: list[Request | None]
  waiting: list[tuple[Any, Problem, Paused | None]] = dataclasses.field(default_factory=list)
  problems: Any = None  # a batch, once the first image is there
  states: Any = None
  waited: int = 0  # chunks of others since its own last one

  @property
  def is_full(self) -> bool:
    return None not in self.requests

  @property
  def is_empty(self) -> bool:
    return not any(self.requests)


class ContinuousBatch:
  """A batch of fixed size through which any number of images pass.

  States change their shape from stage to stage, so each has a batch of its own, and images go from
  one to the next.
  """

  def __init__(
    self,
    prior: Prior,
    stages: Sequence[Solver],
    size: int,
    chunk_steps: int = batch.CHUNK_STEPS,
  ):
    """Sets up the slots; compiling waits for the first image.

    Args:
      prior: what all images share.
      stages: one after another; what `stages_of(preset)` gives, for example.
      size: how many slots each stage has, unless it takes fewer images at once; rounded up to a
        whole batch.
      chunk_steps: steps between two looks at which images have finished.
    """
    self.size = sharding.round_up(size)
    self._here, self._solvers, self._chunk_steps = prior, tuple(stages), chunk_steps
    self._prior = devices.replicate(sharding.mesh(self.size), prior)
    self._sizes = [batch.images_at_once(solver, self.size) for solver in self._solvers]
    self._stages: dict[Any, list[StageBatch]] = {}  # by the problems' tree structure

  def solve(
    self,
    problems: Iterable[tuple[Tag, Problem]],
    on_chunk: Callable[[], None] | None = None,
    resume: Callable[[Tag, Problem], Paused | None] | None = None,
  ) -> Iterator[tuple[Tag, batch.Restoration]]:
    """Inverts a stream of images; what is finished first comes out first.

    Args:
      problems: (tag, problem), those with the same operators of one size; taken as slots get free,
        up to one batch ahead of that.
      on_chunk: called after every chunk, once finished images have left; may raise to stop,
        and `paused` then says how far the others are.
      resume: where an image goes on, if it does not begin.

    Yields:
      (tag, restoration) of one image, without a leading axis; host arrays.
    """
    problems = iter(problems)
    ahead: list[tuple[Tag, Problem]] = []
    while True:
      self._admit(ahead, problems, resume)
      slots = self._due()
      if slots is None:
        return
      terms, left = self._advance(slots)
      while len(ahead) < self.size and (one := next(problems, None)) is not None:
        ahead.append(one)  # while the devices work
      yield from self._leave(slots, *jax.tree.map(np.asarray, (terms, left)))
      if on_chunk is not None:
        on_chunk()

  def paused(self) -> Iterator[tuple[Any, Paused]]:
    """How far the images at work are."""
    for slots in self._all():
      for slot, request in enumerate(slots.requests):
        if request is not None and request.history:
          yield request.tag, self._paused_of(slots, slot, request)
      for tag, _, paused in slots.waiting:
        if paused is not None:
          yield tag, paused

  def _admit(self, ahead: list, problems: Iterator, resume) -> None:
    """Lets images in, and from stage to stage, as far as there are slots."""
    while (one := _next(ahead, problems)) is not None:
      tag, problem = one
      first = self._stages_of(problem)[0]
      if first.is_full:
        ahead.insert(0, one)
        break
      self._send(tag, problem, resume(tag, problem) if resume is not None else None)
      self._fill_slots(first)
    for slots in self._all():
      self._fill_slots(slots)

  def _stages_of(self, problem: Problem) -> list[StageBatch]:
    structure = jax.tree.structure(problem)
    if structure not in self._stages:
      sizes = enumerate(self._sizes)
      self._stages[structure] = [StageBatch(stage, [None] * size) for stage, size in sizes]
    return self._stages[structure]

  def _all(self) -> list[StageBatch]:
    return [slots for stages in self._stages.values() for slots in stages]

  def _send(self, tag: Any, problem: Problem, paused: Paused | None) -> None:
    """Has an image wait for a slot of the stage that it is to go on with."""
    stage = 0
    if paused is not None:
      left = self._solvers[paused.stage].steps_left(problem, paused.state)
      stage = min(paused.stage + int(left <= 0), len(self._solvers) - 1)
    self._stages_of(problem)[stage].waiting.append((tag, problem, paused))

  def _due(self) -> StageBatch | None:
    """Which stage is next: the last one whose slots are all taken; at the end of the stream, when
    none's are, the first at work, so that the later ones fill up before their turn. What images of
    a rare kind have begun must not wait for that end: now and then they come first."""
    at_work = [slots for slots in self._all() if not slots.is_empty]
    full = [slots for slots in at_work if slots.is_full]
    late = [slots for slots in at_work if slots.waited >= MOST_WAITED]
    due = late[0] if late else full[-1] if full else at_work[0] if at_work else None
    for slots in at_work:
      slots.waited = 0 if slots is due else slots.waited + 1
    return due

  def _fill_slots(self, slots: StageBatch) -> None:
    while slots.waiting and not slots.is_full:
      tag, problem, paused = slots.waiting.pop(0)
      state = self._begun(slots.stage, problem, paused)
      if slots.problems is None:
        padding = problem, state
        slots.problems, slots.states = _repeated(padding, len(slots.requests))
      slot = slots.requests.index(None)
      slots.problems, slots.states = _put(
        (slots.problems, slots.states), (problem, state), jnp.int32(slot)
      )
      history = [] if paused is None else [paused.history]
      slots.requests[slot] = Request(tag, jax.device_get(problem), history)

  def _begun(self, stage: int, problem: Problem, paused: Paused | None) -> State:
    if paused is None:
      return _start(self._here, self._solvers[0], problem, None)
    if paused.stage < stage:
      return _start(self._here, self._solvers[stage], problem, paused.state)
    return paused.state

  def _advance(self, slots: StageBatch) -> tuple[Terms, np.ndarray]:
    """A chunk of steps; its terms [N, T], and the steps that are left [N]."""
    active = np.array([request is not None for request in slots.requests])
    solver = self._solvers[slots.stage]
    left = np.asarray(batch.steps_left(solver, slots.problems, slots.states))
    if left.max() <= 0:  # an encoder's answers, which take no step
      return batch.no_terms(len(active)), left
    slots.states, terms, left = batch.advance(
      self._prior,
      solver,
      self._chunk_steps,
      slots.problems,
      active,
      slots.states,
    )
    return terms, left

  def _leave(self, slots: StageBatch, terms: Terms, left: np.ndarray) -> Iterator[tuple]:
    """Notes a chunk's terms [N, T]; finished images go on to the next stage, or out."""
    for slot, request in enumerate(slots.requests):
      if request is not None:
        request.history.append(jax.tree.map(lambda x, slot=slot: x[slot], terms))
    for slot in np.flatnonzero(left <= 0).tolist():
      request = slots.requests[slot]
      if request is None:
        continue
      paused = self._paused_of(slots, slot, request)
      slots.requests[slot] = None
      if slots.stage == len(self._solvers) - 1:
        yield request.tag, self._restoration(request, paused)
      else:
        self._send(request.tag, request.problem, paused)

  def _paused_of(self, slots: StageBatch, slot: int, request: Request) -> Paused:
    history = jax.tree.map(lambda *parts: np.concatenate(parts), *request.history)
    return Paused(slots.stage, jax.device_get(_pick(slots.states, jnp.int32(slot))), history)

  def _restoration(self, request: Request, paused: Paused) -> batch.Restoration:
    solver, state = self._solvers[-1], paused.state
    terms = batch.curves([jax.tree.map(lambda x: x[None], paused.history)])
    loss = np.asarray(terms.loss)
    solution = solver.solution(request.problem, state)
    chosen_at = solution.chosen_at
    return batch.Restoration(
      jax.device_get(_render(self._here, solver, state)),
      solution.latent,
      solution.noise,
      solution.degradation,
      loss[0],
      jax.tree.map(lambda x: x[0], terms),
      batch.settled_at(loss)[0] if chosen_at is None else np.asarray(chosen_at),
      np.asarray(state.step),
      solver.differences(self._here, jax.tree.map(lambda x: x[None], state)),
    )


def _next(waiting: list, problems: Iterator):
  return waiting.pop(0) if waiting else next(problems, None)


@keep(static_argnums=(1,))
def _start(prior: Prior, solver: Solver, problem: Problem, before: State | None) -> State:
  return solver.init(prior, problem, before)


@keep(static_argnums=(1,))
def _render(prior: Prior, solver: Solver, state: State) -> jax.Array:
  return solver.image(prior, state)


@functools.partial(jax.jit, static_argnums=(0,))
def _shapes(stages: tuple[Solver, ...], prior: Prior, problem: Problem) -> tuple[State, Terms]:
  """A state of the last of some stages, and a step's terms; traced once for images alike."""
  state = None
  for solver in stages:
    state = solver.init(prior, problem, state)
  frozen = stages[-1].frozen(prior)
  return stages[-1].step(frozen, problem, stages[-1].prepare(frozen, problem), state)


def _repeated(one: tuple[Problem, State], size: int):
  """A batch of one and the same image, made where it belongs."""

  def repeated(one):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x))), one)

  return jax.jit(repeated, out_shardings=sharding.spread(size))(one)


@functools.partial(jax.jit, donate_argnums=(0,))
def _put(batches: tuple[Problem, State], one: tuple[Problem, State], slot: jax.Array):
  """Puts one image into one slot of a batch."""

  def put(many, one):
    # A selection, not an update at an index: it needs no word between devices.
    here = jnp.arange(many.shape[0]) == slot
    return jnp.where(here.reshape(-1, *[1] * jnp.ndim(one)), jnp.asarray(one)[None], many)

  return jax.tree.map(put, batches, one)


@jax.jit
def _pick(states: State, slot: jax.Array) -> State:
  return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, slot, keepdims=False), states)
