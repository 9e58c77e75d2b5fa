"""Continuous batching: whoever is finished leaves the batch, and the next image takes its slot.

An image's steps are the same in whichever slot and beside whomever they are taken, so this changes
throughput only: no slot waits for the slowest image of its batch.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import degradations
from ganjax.inversion import batch, engine, objective, parallel
from ganjax.inversion.engine import Prior, Problem, State
from ganjax.inversion.presets import Preset

Tag = TypeVar('Tag')


class Seat(NamedTuple):
  """How far one image is; host arrays. Taken up again, it ends as if nothing had been between."""

  state: State
  history: objective.Terms  # [T] so far, NaN where there was nothing to do


class Guest(NamedTuple):
  """Who sits in a slot."""

  tag: Any
  degradation: degradations.Operator
  history: list[objective.Terms]  # [T] for every chunk so far


class Slots:
  """A batch of fixed size through which any number of images pass.

  The latents of a preset of several phases change shape from phase to phase, so there all slots
  go through the phases together and are filled anew together.
  """

  def __init__(self, prior: Prior, preset: Preset, size: int, chunk_steps: int = batch.CHUNK_STEPS):
    """Sets up the slots; compiling waits for the first image.

    Args:
      prior: networks and statistics.
      preset: what is alike for all images.
      size: how many slots; rounded up to a whole batch.
      chunk_steps: steps between two looks at who is finished.
    """
    self.size = parallel.whole(size)
    self._here, self._preset, self._chunk_steps = prior, preset, chunk_steps
    mesh = parallel.mesh(self.size)
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('images'))
    self._spread = functools.partial(jax.device_put, device=spread)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    self._prior = jax.device_put(prior, everywhere)
    self._guests: list[Guest | None] = [None] * self.size
    self._problems: Any = None  # a batch, once the first image is there
    self._states: Any = None
    self._phase = 0

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
    waiting: list[tuple[Tag, Problem]] = []
    while True:
      if self._is_open():
        while None in self._guests and (one := _next(waiting, problems)) is not None:
          tag, problem = one
          self._seat(tag, problem, resume(tag, problem) if resume is not None else None)
      if not any(self._guests):
        return
      terms = self._advance()
      while len(waiting) < self.size and (one := next(problems, None)) is not None:
        waiting.append(one)  # while the devices work
      yield from self._leave(jax.tree.map(np.asarray, terms))
      if on_chunk is not None:
        on_chunk()

  def _is_open(self) -> bool:
    if len(self._preset.phases) > 1 and self._states is not None:
      if any(self._guests):
        return False
      self._problems = self._states = None
      self._phase = 0
    return True

  def seats(self) -> Iterator[tuple[Any, Seat]]:
    """How far the images at work are; none for presets of several phases, which begin again."""
    if len(self._preset.phases) == 1:
      for slot, guest in enumerate(self._guests):
        if guest is not None and guest.history:
          yield guest.tag, Seat(self._state(slot), _joined(guest.history))

  def _state(self, slot: int) -> State:
    return jax.device_get(_pick(self._states, jnp.int32(slot)))

  def _seat(self, tag: Any, problem: Problem, seat: Seat | None) -> None:
    if self._problems is None:
      nobody = problem._replace(hyper=problem.hyper._replace(num_steps=jnp.int32(0)))
      self._problems = self._spread(
        jax.tree.map(lambda x: jnp.broadcast_to(x, (self.size, *jnp.shape(x))), nobody)
      )
      self._states = batch.start(self._prior, self._preset, self._problems)
    slot = self._guests.index(None)
    state = _start(self._prior, self._preset, problem) if seat is None else seat.state
    self._problems, self._states = _put(
      (self._problems, self._states), (problem, state), jnp.int32(slot)
    )
    self._guests[slot] = Guest(tag, problem.degradation, [] if seat is None else [seat.history])

  def _advance(self) -> objective.Terms:
    """One chunk; goes to the next phase first, where all have finished theirs."""
    phase_over = self._phase < len(self._preset.phases) - 1 and all(batch.finished(self._states))
    if phase_over:
      self._phase += 1
      self._states = batch.enter(
        self._prior, self._preset, self._phase, self._problems, self._states
      )
    self._states, terms = batch.advance(
      self._prior, self._preset, self._phase, self._chunk_steps, self._problems, self._states
    )
    return terms

  def _leave(self, terms: objective.Terms) -> Iterator[tuple]:
    """Notes a chunk's terms [N, T], and lets go who is finished."""
    for slot, guest in enumerate(self._guests):
      if guest is not None:
        guest.history.append(jax.tree.map(lambda x, slot=slot: x[slot], terms))
    if self._phase < len(self._preset.phases) - 1:
      return
    for slot in np.flatnonzero(batch.finished(self._states)).tolist():
      if (guest := self._guests[slot]) is not None:
        self._guests[slot] = None
        yield guest.tag, self._restoration(slot, guest)

  def _restoration(self, slot: int, guest: Guest) -> batch.Restoration:
    state = self._state(slot)
    terms = batch.curves([jax.tree.map(lambda x: x[None], _joined(guest.history))])
    loss = np.asarray(terms.loss)
    return batch.Restoration(
      jax.device_get(_render(self._here, state)),
      state.latent,
      state.noise,
      guest.degradation.bind(state.free),
      loss[0],
      jax.tree.map(lambda x: x[0], terms),
      batch.settled_at(loss)[0],
      np.asarray(state.step),
    )


def _next(waiting: list, problems: Iterator):
  return waiting.pop(0) if waiting else next(problems, None)


def _joined(history: list[objective.Terms]) -> objective.Terms:
  return jax.tree.map(lambda *parts: np.concatenate(parts), *history)


_start = jax.jit(engine.init, static_argnums=(1,))


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
