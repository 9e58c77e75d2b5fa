"""How much memory a batch takes, asked of the compiled program; and what a step of it costs."""

import os
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from ganjax.errors import GanjaxError
from ganjax.inversion import batch
from ganjax.inversion.presets import Preset
from ganjax.inversion.problem import Prior, Problem, stack
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


def largest_batch(prior: Prior, preset: Preset, problem: Problem, chunk_steps: int) -> Fit:
  """The largest batch that fits into the local devices' memory.

  Two small batches are compiled; memory grows linearly from one to the next.

  Args:
    prior: networks and statistics.
    preset: its last phase, whose latents are largest, is at work while the earlier ones' batches
      lie beside it.
    problem: one image, alike in size to all others.
    chunk_steps: steps per chunk.

  Raises:
    DeviceMemoryError: not even one image per device fits.
  """
  devices = len(jax.local_devices())
  one, two = (needed(prior, preset, problem, n * devices, chunk_steps) for n in (1, 2))
  there = int(device_memory() * USABLE)
  each = max(two - one, 1)
  most = MOST.get(jax.default_backend(), MOST_ELSEWHERE)
  images = min(1 + (there - one) // each, most)
  if images < 1:
    raise DeviceMemoryError(
      f'one picture needs {one / 2**30:.1f} GiB on a device that has {there / 2**30:.1f} GiB to '
      'spare; try --remat or --precision=bfloat16'
    )
  return Fit(images * devices, one + (images - 1) * each, there)


def needed(prior: Prior, preset: Preset, problem: Problem, size: int, chunk_steps: int) -> int:
  """Bytes that a chunk of a batch takes on each device, as its compiler says."""
  problems = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((size, *np.shape(x)), x.dtype), jax.eval_shape(lambda: problem)
  )

  def states_of(phase):
    return jax.eval_shape(lambda p, x: batch.start(p, preset, x, phase), prior, problems)

  *earlier, last = range(len(preset.phases))
  beside = sum(_bytes((problems, states_of(phase))) for phase in earlier)
  program = batch.advance.lower(
    prior, preset, last, chunk_steps, problems, states_of(last)
  ).compile()
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
  prior: Prior, preset: Preset, problem: Problem, size: int, chunk_steps: int
) -> tuple[float, float]:
  """What a step of a batch costs, measured.

  Returns:
    Seconds per step, the mean over the phases as they share the steps; and seconds for compiling.
  """
  problems = stack([problem] * sharding.round_up(size))
  steps = compiling = 0.0
  for phase, part in enumerate(preset.phases):
    marks = [time.monotonic()]
    for _ in range(2):
      states = batch.start(prior, preset, problems, phase)
      _, terms = batch.advance(prior, preset, phase, chunk_steps, problems, states)
      jax.block_until_ready(terms)
      marks.append(time.monotonic())
    first, second = map(float, np.diff(marks))
    steps += part.share * second / chunk_steps
    compiling += first - second
  return steps / sum(part.share for part in preset.phases), compiling
