"""Continuous batching: finished images free their slot, which the next image takes.

An image's steps do not depend on its slot or its neighbours, so this changes throughput only: no
slot waits for the slowest image of its batch.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.inversion import batch, losses, stylegan
from ganjax.inversion.presets import Preset
from ganjax.inversion.problem import Prior, Problem
from ganjax.inversion.stylegan import InversionState
from ganjax.runtime import sharding

Tag = TypeVar('Tag')


class Paused(NamedTuple):
  """How far one image is; host arrays. Taken up again, it ends as if nothing had been between."""

  phase: int  # the one that `state` belongs to, not necessarily unfinished
  state: InversionState
  history: losses.Terms  # [T] so far, NaN where there was nothing to do

  def arrays(self) -> list[np.ndarray]:
    """All of it, for `from_arrays`."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(self)]

  @classmethod
  def from_arrays(
    cls, prior: Prior, preset: Preset, problem: Problem, arrays: list[np.ndarray]
  ) -> 'Paused | None':
    """The paused that was kept as arrays; None where they are another version's."""
    phase, *rest = arrays
    if phase.shape or phase not in range(len(preset.phases)):
      return None
    state = jax.eval_shape(lambda: stylegan.init(prior, preset, problem, int(phase)))
    leaves, structure = jax.tree.flatten(state)
    kept, history = rest[: len(leaves)], rest[len(leaves) :]
    alike = [array.shape for array in kept] == [leaf.shape for leaf in leaves]
    if not alike or len(history) != len(losses.Terms._fields):
      return None
    terms = losses.Terms(*map(jnp.asarray, history))
    return cls(int(phase), jax.tree.unflatten(structure, kept), terms)


class Request(NamedTuple):
  """An image that occupies a slot."""

  tag: Any
  problem: Problem  # host arrays
  history: list[losses.Terms]  # [T] for every chunk so far


@dataclasses.dataclass
class PhaseBatch:
  """The slots of one phase, and the images that wait for one."""

  phase: int
  requests: list[Request | None]
  waiting: list[tuple[Any, Problem, Paused | None]] = dataclasses.field(default_factory=list)
  problems: Any = None  # a batch, once the first image is there
  states: Any = None

  @property
  def is_full(self) -> bool:
    return None not in self.requests

  @property
  def is_empty(self) -> bool:
    return not any(self.requests)


class ContinuousBatch:
  """A batch of fixed size through which any number of images pass.

  Latents change their shape from phase to phase, so a preset of several phases has a batch for
  each, and images go from one to the next.
  """

  def __init__(self, prior: Prior, preset: Preset, size: int, chunk_steps: int = batch.CHUNK_STEPS):
    """Sets up the slots; compiling waits for the first image.

    Args:
      prior: networks and statistics.
      preset: what is alike for all images.
      size: how many slots each phase has; rounded up to a whole batch.
      chunk_steps: steps between two looks at who is finished.
    """
    self.size = sharding.round_up(size)
    self._here, self._preset, self._chunk_steps = prior, preset, chunk_steps
    mesh = sharding.mesh(self.size)
    self._spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('images'))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    self._prior = jax.device_put(prior, everywhere)
    self._phases = [PhaseBatch(phase, [None] * self.size) for phase in range(len(preset.phases))]

  def solve(
    self,
    problems: Iterable[tuple[Tag, Problem]],
    on_chunk: Callable[[], None] | None = None,
    resume: Callable[[Tag, Problem], Paused | None] | None = None,
  ) -> Iterator[tuple[Tag, batch.Restoration]]:
    """Inverts a stream of images; what is finished first comes out first.

    Args:
      problems: (tag, problem), all of one size and with the same operators; taken as slots get
        free, up to one batch ahead of that.
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
      terms = self._advance(slots)
      while len(ahead) < self.size and (one := next(problems, None)) is not None:
        ahead.append(one)  # while the devices work
      yield from self._leave(slots, jax.tree.map(np.asarray, terms))
      if on_chunk is not None:
        on_chunk()

  def paused(self) -> Iterator[tuple[Any, Paused]]:
    """How far the images at work are."""
    for slots in self._phases:
      for slot, request in enumerate(slots.requests):
        if request is not None and request.history:
          yield request.tag, self._paused_of(slots, slot, request)
      for tag, _, paused in slots.waiting:
        if paused is not None:
          yield tag, paused

  def _admit(self, ahead: list, problems: Iterator, resume) -> None:
    """Lets images in, and from phase to phase, as far as there are slots."""
    first = self._phases[0]
    while not first.is_full and (one := _next(ahead, problems)) is not None:
      tag, problem = one
      self._send(tag, problem, resume(tag, problem) if resume is not None else None)
      self._fill_slots(first)
    for slots in self._phases[1:]:
      self._fill_slots(slots)

  def _send(self, tag: Any, problem: Problem, paused: Paused | None) -> None:
    """Has an image wait for a slot of the phase that it is to go on with."""
    phase = 0
    if paused is not None:
      phase = min(paused.phase + int(paused.state.step >= paused.state.end), len(self._phases) - 1)
    self._phases[phase].waiting.append((tag, problem, paused))

  def _due(self) -> PhaseBatch | None:
    """Whose turn it is: the last phase whose slots are all taken; at the end of the stream, when
    none's are, the first at work, so that the later ones fill up before theirs comes."""
    full = [slots for slots in self._phases if slots.is_full]
    at_work = [slots for slots in self._phases if not slots.is_empty]
    return full[-1] if full else at_work[0] if at_work else None

  def _fill_slots(self, slots: PhaseBatch) -> None:
    while slots.waiting and not slots.is_full:
      tag, problem, paused = slots.waiting.pop(0)
      state = self._begun(slots.phase, problem, paused)
      if slots.problems is None:
        padding = problem, state._replace(end=state.step)
        slots.problems, slots.states = _repeated(padding, self.size, self._spread)
      slot = slots.requests.index(None)
      slots.problems, slots.states = _put(
        (slots.problems, slots.states), (problem, state), jnp.int32(slot)
      )
      history = [] if paused is None else [paused.history]
      slots.requests[slot] = Request(tag, jax.device_get(problem), history)

  def _begun(self, phase: int, problem: Problem, paused: Paused | None) -> InversionState:
    if paused is None:
      return _start(self._here, self._preset, problem)
    if paused.phase < phase:
      return _enter(self._here, self._preset, phase, problem, paused.state)
    return paused.state

  def _advance(self, slots: PhaseBatch) -> losses.Terms:
    slots.states, terms = batch.advance(
      self._prior, self._preset, slots.phase, self._chunk_steps, slots.problems, slots.states
    )
    return terms

  def _leave(self, slots: PhaseBatch, terms: losses.Terms) -> Iterator[tuple]:
    """Notes a chunk's terms [N, T]; finished images go on to the next phase, or out."""
    for slot, request in enumerate(slots.requests):
      if request is not None:
        request.history.append(jax.tree.map(lambda x, slot=slot: x[slot], terms))
    for slot in np.flatnonzero(batch.is_finished(slots.states)).tolist():
      request = slots.requests[slot]
      if request is None:
        continue
      paused = self._paused_of(slots, slot, request)
      slots.requests[slot] = None
      if slots is self._phases[-1]:
        yield request.tag, self._restoration(request, paused)
      else:
        self._send(request.tag, request.problem, paused)

  def _paused_of(self, slots: PhaseBatch, slot: int, request: Request) -> Paused:
    history = jax.tree.map(lambda *parts: np.concatenate(parts), *request.history)
    return Paused(slots.phase, jax.device_get(_pick(slots.states, jnp.int32(slot))), history)

  def _restoration(self, request: Request, paused: Paused) -> batch.Restoration:
    state = paused.state
    terms = batch.curves([jax.tree.map(lambda x: x[None], paused.history)])
    loss = np.asarray(terms.loss)
    return batch.Restoration(
      jax.device_get(_render(self._here, state)),
      state.latent,
      state.noise,
      request.problem.degradation.bind(state.free),
      loss[0],
      jax.tree.map(lambda x: x[0], terms),
      batch.settled_at(loss)[0],
      np.asarray(state.step),
    )


def _next(waiting: list, problems: Iterator):
  return waiting.pop(0) if waiting else next(problems, None)


_start = jax.jit(stylegan.init, static_argnums=(1,))
_enter = jax.jit(stylegan.enter, static_argnums=(1, 2))


def _repeated(one: tuple[Problem, InversionState], size: int, spread: jax.sharding.NamedSharding):
  """A batch of one and the same image, made where it belongs."""

  def repeated(one):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x))), one)

  return jax.jit(repeated, out_shardings=spread)(one)


@functools.partial(jax.jit, donate_argnums=(0,))
def _put(
  batches: tuple[Problem, InversionState], one: tuple[Problem, InversionState], slot: jax.Array
):
  """Puts one image into one slot of a batch."""

  def put(many, one):
    # A selection, not an update at an index: it needs no word between devices.
    here = jnp.arange(many.shape[0]) == slot
    return jnp.where(here.reshape(-1, *[1] * jnp.ndim(one)), jnp.asarray(one)[None], many)

  return jax.tree.map(put, batches, one)


@jax.jit
def _pick(states: InversionState, slot: jax.Array) -> InversionState:
  return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, slot, keepdims=False), states)


_render = jax.jit(stylegan.render)
