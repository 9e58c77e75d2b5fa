"""Continuous batching: whoever is finished leaves the batch, and the next image takes its slot.

An image's steps are the same in whichever slot and beside whomever they are taken, so this changes
throughput only: no slot waits for the slowest image of its batch.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.inversion import batch, engine, objective, parallel
from ganjax.inversion.engine import Prior, Problem, State
from ganjax.inversion.presets import Preset

Tag = TypeVar('Tag')


class Seat(NamedTuple):
  """How far one image is; host arrays. Taken up again, it ends as if nothing had been between."""

  phase: int  # the one that `state` belongs to, not necessarily unfinished
  state: State
  history: objective.Terms  # [T] so far, NaN where there was nothing to do

  def arrays(self) -> list[np.ndarray]:
    """All of it, for `from_arrays`."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(self)]

  @classmethod
  def from_arrays(
    cls, prior: Prior, preset: Preset, problem: Problem, arrays: list[np.ndarray]
  ) -> 'Seat | None':
    """The seat that was kept as arrays; None where they are another version's."""
    phase, *rest = arrays
    if phase.shape or phase not in range(len(preset.phases)):
      return None
    state = jax.eval_shape(lambda: engine.init(prior, preset, problem, int(phase)))
    leaves, structure = jax.tree.flatten(state)
    kept, history = rest[: len(leaves)], rest[len(leaves) :]
    alike = [array.shape for array in kept] == [leaf.shape for leaf in leaves]
    if not alike or len(history) != len(objective.Terms._fields):
      return None
    terms = objective.Terms(*map(jnp.asarray, history))
    return cls(int(phase), jax.tree.unflatten(structure, kept), terms)


class Guest(NamedTuple):
  """Who sits in a slot."""

  tag: Any
  problem: Problem  # host arrays
  history: list[objective.Terms]  # [T] for every chunk so far


@dataclasses.dataclass
class Room:
  """The slots of one phase, and who waits for one."""

  phase: int
  guests: list[Guest | None]
  waiting: list[tuple[Any, Problem, Seat | None]] = dataclasses.field(default_factory=list)
  problems: Any = None  # a batch, once the first image is there
  states: Any = None

  @property
  def is_full(self) -> bool:
    return None not in self.guests

  @property
  def is_empty(self) -> bool:
    return not any(self.guests)


class Slots:
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
    self.size = parallel.whole(size)
    self._here, self._preset, self._chunk_steps = prior, preset, chunk_steps
    mesh = parallel.mesh(self.size)
    self._spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('images'))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    self._prior = jax.device_put(prior, everywhere)
    self._rooms = [Room(phase, [None] * self.size) for phase in range(len(preset.phases))]

  def solve(
    self,
    problems: Iterable[tuple[Tag, Problem]],
    on_chunk: Callable[[], None] | None = None,
    resume: Callable[[Tag, Problem], Seat | None] | None = None,
  ) -> Iterator[tuple[Tag, batch.Restoration]]:
    """Inverts a stream of images; what is finished first comes out first.

    Args:
      problems: (tag, problem), all of one size and with the same operators; taken as slots get
        free, up to one batch ahead of that.
      on_chunk: called after every chunk, and after who is finished has left; may raise to stop,
        and `seats` then says how far the others are.
      resume: where an image goes on, if it does not begin.

    Yields:
      (tag, restoration) of one image, without a leading axis; host arrays.
    """
    problems = iter(problems)
    ahead: list[tuple[Tag, Problem]] = []
    while True:
      self._admit(ahead, problems, resume)
      room = self._due()
      if room is None:
        return
      terms = self._advance(room)
      while len(ahead) < self.size and (one := next(problems, None)) is not None:
        ahead.append(one)  # while the devices work
      yield from self._leave(room, jax.tree.map(np.asarray, terms))
      if on_chunk is not None:
        on_chunk()

  def seats(self) -> Iterator[tuple[Any, Seat]]:
    """How far the images at work are."""
    for room in self._rooms:
      for slot, guest in enumerate(room.guests):
        if guest is not None and guest.history:
          yield guest.tag, self._seat_of(room, slot, guest)
      for tag, _, seat in room.waiting:
        if seat is not None:
          yield tag, seat

  def _admit(self, ahead: list, problems: Iterator, resume) -> None:
    """Lets images in, and from phase to phase, as far as there are slots."""
    first = self._rooms[0]
    while not first.is_full and (one := _next(ahead, problems)) is not None:
      tag, problem = one
      self._send(tag, problem, resume(tag, problem) if resume is not None else None)
      self._take_seats(first)
    for room in self._rooms[1:]:
      self._take_seats(room)

  def _send(self, tag: Any, problem: Problem, seat: Seat | None) -> None:
    """Has an image wait for a slot of the phase that it is to go on with."""
    phase = 0
    if seat is not None:
      phase = min(seat.phase + int(seat.state.step >= seat.state.end), len(self._rooms) - 1)
    self._rooms[phase].waiting.append((tag, problem, seat))

  def _due(self) -> Room | None:
    """Whose turn it is: the last phase whose slots are all taken; at the end of the stream, when
    none's are, the first at work, so that the later ones fill up before theirs comes."""
    full = [room for room in self._rooms if room.is_full]
    at_work = [room for room in self._rooms if not room.is_empty]
    return full[-1] if full else at_work[0] if at_work else None

  def _take_seats(self, room: Room) -> None:
    while room.waiting and not room.is_full:
      tag, problem, seat = room.waiting.pop(0)
      state = self._begun(room.phase, problem, seat)
      if room.problems is None:
        nobody = problem, state._replace(end=state.step)
        room.problems, room.states = _repeated(nobody, self.size, self._spread)
      slot = room.guests.index(None)
      room.problems, room.states = _put(
        (room.problems, room.states), (problem, state), jnp.int32(slot)
      )
      history = [] if seat is None else [seat.history]
      room.guests[slot] = Guest(tag, jax.device_get(problem), history)

  def _begun(self, phase: int, problem: Problem, seat: Seat | None) -> State:
    if seat is None:
      return _start(self._here, self._preset, problem)
    if seat.phase < phase:
      return _enter(self._here, self._preset, phase, problem, seat.state)
    return seat.state

  def _advance(self, room: Room) -> objective.Terms:
    room.states, terms = batch.advance(
      self._prior, self._preset, room.phase, self._chunk_steps, room.problems, room.states
    )
    return terms

  def _leave(self, room: Room, terms: objective.Terms) -> Iterator[tuple]:
    """Notes a chunk's terms [N, T], and lets go who is finished: on, or out."""
    for slot, guest in enumerate(room.guests):
      if guest is not None:
        guest.history.append(jax.tree.map(lambda x, slot=slot: x[slot], terms))
    for slot in np.flatnonzero(batch.finished(room.states)).tolist():
      guest = room.guests[slot]
      if guest is None:
        continue
      seat = self._seat_of(room, slot, guest)
      room.guests[slot] = None
      if room is self._rooms[-1]:
        yield guest.tag, self._restoration(guest, seat)
      else:
        self._send(guest.tag, guest.problem, seat)

  def _seat_of(self, room: Room, slot: int, guest: Guest) -> Seat:
    history = jax.tree.map(lambda *parts: np.concatenate(parts), *guest.history)
    return Seat(room.phase, jax.device_get(_pick(room.states, jnp.int32(slot))), history)

  def _restoration(self, guest: Guest, seat: Seat) -> batch.Restoration:
    state = seat.state
    terms = batch.curves([jax.tree.map(lambda x: x[None], seat.history)])
    loss = np.asarray(terms.loss)
    return batch.Restoration(
      jax.device_get(_render(self._here, state)),
      state.latent,
      state.noise,
      guest.problem.degradation.bind(state.free),
      loss[0],
      jax.tree.map(lambda x: x[0], terms),
      batch.settled_at(loss)[0],
      np.asarray(state.step),
    )


def _next(waiting: list, problems: Iterator):
  return waiting.pop(0) if waiting else next(problems, None)


_start = jax.jit(engine.init, static_argnums=(1,))
_enter = jax.jit(engine.enter, static_argnums=(1, 2))


def _repeated(one: tuple[Problem, State], size: int, spread: jax.sharding.NamedSharding):
  """A batch of one and the same image, made where it belongs."""

  def repeated(one):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x))), one)

  return jax.jit(repeated, out_shardings=spread)(one)


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


_render = jax.jit(engine.render)
