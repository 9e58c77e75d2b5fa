"""The loop of every training task: steps, checkpoints, measurements, samples, and how it ends.

The device works ahead of the host: a step's measurements are looked at `LAG` steps later. A
checkpoint is written only when every step up to it gave finite numbers.
"""

import collections
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from jax.experimental import multihost_utils

from ganjax.errors import TrainingError
from ganjax.training.checkpoints import Checkpoints

LAG = 2

Measured = Mapping[str, Any]  # name -> scalar; a step may measure what another does not
Step = Callable[[Any, Any, int], tuple[Any, Measured]]


@dataclasses.dataclass(frozen=True)
class Intervals:
  """How often things happen, in steps; 0 for never."""

  num_steps: int  # of the whole run
  log_every: int = 50
  sample_every: int = 0
  checkpoint_every: int = 1000


@dataclasses.dataclass(frozen=True)
class Hooks:
  """What the loop tells its caller; on every process."""

  log: Callable[[int, dict[str, float]], None]  # means since the last time, and 'steps_per_second'
  sample: Callable[[int, Any], None] = lambda step, state: None
  advance: Callable[[int, dict[str, float]], None] = lambda step, values: None  # every step


def run(
  step: Step,
  state: Any,
  first: int,
  batches: Iterator[Any],
  rhythm: Intervals,
  checkpoints: Checkpoints,
  hooks: Hooks,
) -> Any:
  """Trains from step `first` to the end, with a checkpoint there.

  Args:
    step: (state, batch, number) -> (state, what was measured); state is given up. `number` counts
      from 0 and may choose among compiled functions. Anything measured that is not finite stops
      the run, so gradients' norms belong there.
    state: after `first` steps.
    first: how many steps have been taken.
    batches: beginning with that of step `first`; already on the devices.
    rhythm: when to do what.
    checkpoints: where the state goes.
    hooks: see there.

  Returns:
    The last state.

  Raises:
    TrainingError: a number was not finite; the message names the last good checkpoint.
    KeyboardInterrupt: a signal (SIGINT, SIGTERM) asked to stop; the state is saved.
  """
  meter = _Measurements(rhythm, checkpoints, hooks)
  with _Stop() as stop:
    for number in range(first, rhythm.num_steps):
      state, measured = step(state, next(batches), number)
      done = number + 1
      meter.add(done, measured)
      stopping = stop.wanted(done)
      last = done == rhythm.num_steps
      if last or stopping or _due(done, rhythm.checkpoint_every):
        meter.drain()
        if not checkpoints.save(done, state):
          raise _not_finite(done, checkpoints)
      if last or _due(done, rhythm.sample_every):
        meter.drain()
        hooks.sample(done, state)
      if stopping and not last:
        checkpoints.wait()
        raise KeyboardInterrupt
  meter.drain()
  checkpoints.wait()
  return state


def _due(done: int, every: int) -> bool:
  return every > 0 and done % every == 0


def _not_finite(step: int, checkpoints: Checkpoints) -> TrainingError:
  checkpoints.wait()
  good = checkpoints.latest
  rest = (
    'there is no checkpoint yet' if good is None else f'the last good checkpoint is step {good}'
  )
  return TrainingError(
    f'step {step}: a loss or a gradient is not finite; {rest}; try a lower --learning_rate'
  )


class _Measurements:
  """Looks at what steps measured once the device has it, and passes means on."""

  def __init__(self, rhythm: Intervals, checkpoints: Checkpoints, hooks: Hooks):
    self._rhythm, self._checkpoints, self._hooks = rhythm, checkpoints, hooks
    self._waiting: collections.deque[tuple[int, Measured]] = collections.deque()
    self._values: dict[str, list[float]] = {}
    self._started, self._steps = time.monotonic(), 0

  def add(self, step: int, measured: Measured) -> None:
    self._waiting.append((step, measured))
    while len(self._waiting) > LAG:
      self._take()

  def drain(self) -> None:
    while self._waiting:
      self._take()

  def _take(self) -> None:
    step, measured = self._waiting.popleft()
    values = {name: float(value) for name, value in jax.device_get(dict(measured)).items()}
    if not all(map(math.isfinite, values.values())):
      raise _not_finite(step, self._checkpoints)
    for name, value in values.items():
      self._values.setdefault(name, []).append(value)
    self._steps += 1
    self._hooks.advance(step, values)
    if _due(step, self._rhythm.log_every) or step == self._rhythm.num_steps:
      means = {name: math.fsum(values) / len(values) for name, values in self._values.items()}
      now = time.monotonic()
      means['steps_per_second'] = self._steps / max(now - self._started, 1e-9)
      self._hooks.log(step, means)
      self._values, self._started, self._steps = {}, now, 0


class _Stop:
  """Turns the first SIGINT or SIGTERM into a question that the loop asks; the second one kills.

  Several processes must agree on the step at which they stop: there JAX's own runtime catches
  SIGTERM and tells all of them.
  """

  SIGNALS = (signal.SIGINT, signal.SIGTERM)

  def __enter__(self) -> '_Stop':
    self._asked = False
    self._before: dict[int, Any] = {}
    if jax.process_count() == 1 and threading.current_thread() is threading.main_thread():
      self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
    return self

  def __exit__(self, *_: object) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)
    self._before = {}

  def wanted(self, step: int) -> bool:
    if jax.process_count() > 1:
      return multihost_utils.reached_preemption_sync_point(step)
    return self._asked

  def _ask(self, number: int, frame: Any) -> None:
    del number, frame
    self._asked = True
    self.__exit__()
