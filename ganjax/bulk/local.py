"""A shard of a bulk run on this machine's devices."""

import dataclasses
import pathlib
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ganjax.bulk import finalize, output, plan
from ganjax.bulk.parts import Parts
from ganjax.bulk.plan import BlockPlan
from ganjax.bulk.status import Status
from ganjax.bulk.worker import Settings, Stopped, Worker
from ganjax.runtime.cluster import Shard


@dataclasses.dataclass(frozen=True)
class Job:
  """All that a process needs to work on an output folder; plain values."""

  folder: pathlib.Path  # claimed for this configuration
  config_hash: str
  settings: Settings
  batch_size: int
  threads: int

  def worker(self, made: BlockPlan, parts: Parts, most: int) -> Worker:
    """Loads the networks, opens the source, and says in the folder what the parts hold.

    Args:
      made: the plan of the folder.
      parts: of the folder.
      most: pictures that can be at work together: more slots than that would only idle.
    """
    source = plan.open_source(made, plan.listing_of(self.folder))
    worker = Worker(
      self.settings,
      self.config_hash,
      made,
      source,
      parts,
      min(self.batch_size, most),
      self.threads,
    )
    finalize.write_features(self.folder, worker.features, parts.scratch)
    return worker


def to_do(parts: Parts, blocks: Iterable[int], retry_failures: bool) -> list[int]:
  """Which of `blocks` still need work."""
  done = parts.done()
  return [
    block for block in blocks if block not in done or (retry_failures and parts.reopen(block))
  ]


def pictures_in(made: BlockPlan, blocks: Iterable[int]) -> int:
  """How many pictures some blocks hold."""
  return sum(last - first for first, last in map(made.bounds, blocks))


def run(job: Job, made: BlockPlan, shard: Shard, retry_failures: bool) -> None:
  """Works through a shard.

  Args:
    job: what to do.
    made: the plan of its folder.
    shard: whose lock is held.
    retry_failures: tries the failures of earlier runs again.

  Raises:
    Stopped: SIGINT or SIGTERM came; the chunk of steps was finished, and what was done is kept.
    StoreError: the folder cannot be written.
  """
  with output.scratch(job.folder, str(shard)) as scratch:
    parts = Parts(job.folder, made.num_blocks, scratch)
    blocks = to_do(parts, made.blocks(shard), retry_failures)
    if not blocks:
      return
    total, left = pictures_in(made, made.blocks(shard)), pictures_in(made, blocks)
    worker = job.worker(made, parts, left)
    path = job.folder / output.STATUS / f'{shard}.json'
    with (
      Status(path, scratch, shard, worker.tally, total, total - left) as status,
      stopping() as stop,
    ):

      def on_chunk() -> None:
        status.show()
        if stop():
          raise Stopped

      worker.run(blocks, on_chunk)
      status.show()


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
  """Makes SIGINT and SIGTERM a wish, which the returned function tells; the second one is final."""
  wished = False

  def wish(number: int, frame: object) -> None:
    nonlocal wished
    if wished:
      raise KeyboardInterrupt
    wished = True

  earlier = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield lambda: wished
  finally:
    for number, handler in earlier.items():
      signal.signal(number, handler)
