"""How much memory a batch takes, asked of the compiled program; and what a step of it costs."""

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.errors import GanjaxError
from ganjax.inversion import batch
from ganjax.inversion.problem import stack
from ganjax.inversion.solver import Prior, Problem, Solver
from ganjax.runtime import sharding

USABLE = 0.9  # of a device's memory: the rest is for fragmentation and for what finishes
# Images per device. On a CPU they are taken one after another, so more only lengthen a chunk.
MOST = {'cpu': 4}
MOST_ELSEWHERE = 128


class DeviceMemoryError(GanjaxError):
  """Not even the smallest batch fits; the message names the remedy."""


class Fit(NamedTuple):
  """What the largest batch that fits is, and why."""

  batch_size: int
  bytes_needed: int  # per device, with that batch
  bytes_there: int  # per device


def largest_batch(
  prior: Prior, stages: Sequence[Solver], problem: Problem, chunk_steps: int
) -> Fit:
  """The largest batch that fits into the local devices' memory.

  Two small batches are compiled; memory grows linearly from one to the next.

  Args:
    prior: what all images share.
    stages: of the method; the last one that takes a whole batch, whose states are largest, is at
      work while the earlier ones' batches lie beside it.
    problem: one image, alike in size to all others.
    chunk_steps: steps per chunk.

  Raises:
    DeviceMemoryError: not even one image per device fits.
  """
  devices = len(jax.local_devices())
  one, two = (needed(prior, stages, problem, n * devices, chunk_steps) for n in (1, 2))
  there = int(device_memory() * USABLE)
  each = max(two - one, 1)
  most = MOST.get(jax.default_backend(), MOST_ELSEWHERE)
  images = min(1 + (there - one) // each, most)
  if images < 1:
    raise DeviceMemoryError(
      f'one image needs {one / 2**30:.1f} GiB on a device that has {there / 2**30:.1f} GiB to '
      'spare; try --remat or --precision=bfloat16'
    )
  return Fit(images * devices, one + (images - 1) * each, there)


def needed(
  prior: Prior, stages: Sequence[Solver], problem: Problem, size: int, chunk_steps: int
) -> int:
  """Bytes that a chunk of a batch takes on each device, as its compiler says."""
  problems = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((size, *np.shape(x)), x.dtype), jax.eval_shape(lambda: problem)
  )
  whole = [solver for solver in stages if solver.images_per_device is None] or stages[:1]
  states, beside = None, 0
  for solver in whole:
    beside += _bytes((problems, states)) if states is not None else 0
    states = jax.eval_shape(
      lambda p, x, before, solver=solver: batch.start(p, solver, x, before), prior, problems, states
    )
  active = jax.ShapeDtypeStruct((size,), bool)
  program = batch.advance.lower(prior, whole[-1], chunk_steps, problems, active, states).compile()
  use: Any = program.memory_analysis()
  kept = use.argument_size_in_bytes + use.output_size_in_bytes - use.alias_size_in_bytes
  return beside // len(jax.local_devices()) + kept + use.temp_size_in_bytes


def _bytes(arrays: Any) -> int:
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(arrays))


def device_memory() -> int:
  """Bytes of one local device; on a CPU, its share of the memory that is free."""
  device = jax.local_devices()[0]
  stats = device.memory_stats() or {}
  if 'bytes_limit' in stats:
    return stats['bytes_limit']
  return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // len(jax.local_devices())


def step_seconds(
  prior: Prior, stages: Sequence[Solver], problem: Problem, size: int, chunk_steps: int
) -> tuple[float, float]:
  """What a step of a batch costs, measured.

  Returns:
    Seconds per step, the mean over all steps of the stages that take whole batches; and seconds for
    compiling.
  """
  problems = stack([problem] * sharding.round_up(size))
  active = np.ones(sharding.count_of(problems), bool)
  seconds = steps = compiling = 0.0
  before = None
  for solver in stages:
    if solver.images_per_device is not None:
      continue
    states = batch.start(prior, solver, problems, before)
    left = float(np.max(batch.steps_left(solver, problems, states)))
    marks = [time.monotonic()]
    for _ in range(2):
      again = jax.tree.map(jnp.copy, states)  # a chunk uses up what it is given
      before, _, _ = jax.block_until_ready(
        batch.advance(prior, solver, chunk_steps, problems, active, again)
      )
      marks.append(time.monotonic())
    first, second = map(float, np.diff(marks))
    seconds += left * second / chunk_steps
    steps += left
    compiling += first - second
  return seconds / steps, compiling
