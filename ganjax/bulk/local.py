"""A shard of a bulk run on this machine's devices; and the same blocks on a Ray cluster."""

import dataclasses
import pathlib
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ganjax.bulk import finalize, output, plan
from ganjax.bulk.parts import Parts
from ganjax.bulk.plan import Plan, Shard
from ganjax.bulk.status import Status
from ganjax.bulk.work import Settings, Worker


@dataclasses.dataclass(frozen=True)
class Job:
  """All that a process needs to work on an output folder; plain values."""

  folder: pathlib.Path  # claimed for this configuration
  config_hash: str
  settings: Settings
  batch_size: int
  threads: int

  def worker(self, made: Plan, parts: Parts) -> Worker:
    """Loads the networks, opens the source, and says in the folder what the parts hold."""
    source = plan.open_source(made, plan.listing_of(self.folder))
    worker = Worker(
      self.settings, self.config_hash, made, source, parts, self.batch_size, self.threads
    )
    finalize.write_features(self.folder, worker.features, parts.scratch)
    return worker


def to_do(parts: Parts, blocks: Iterable[int], retry_failures: bool) -> list[int]:
  """Which of `blocks` still need work."""
  done = parts.done()
  return [
    block for block in blocks if block not in done or (retry_failures and parts.reopen(block))
  ]


def pictures_in(made: Plan, blocks: Iterable[int]) -> int:
  """How many pictures some blocks hold."""
  return sum(last - first for first, last in map(made.bounds, blocks))


def run(job: Job, made: Plan, shard: Shard, retry_failures: bool) -> None:
  """Works through a shard.

  Args:
    job: what to do.
    made: the plan of its folder.
    shard: whose lock is held.
    retry_failures: tries the failures of earlier runs again.

  Raises:
    KeyboardInterrupt: SIGINT or SIGTERM came; the chunk of steps was finished, and what was done
      is kept.
    StoreError: the folder cannot be written.
  """
  with output.scratch(job.folder, str(shard)) as scratch:
    parts = Parts(job.folder, made.num_blocks, scratch)
    blocks = to_do(parts, made.blocks(shard), retry_failures)
    if not blocks:
      return
    worker = job.worker(made, parts)
    total = pictures_in(made, made.blocks(shard))
    before = total - pictures_in(made, blocks)
    path = job.folder / output.STATUS / f'{shard}.json'
    with Status(path, scratch, shard, worker.tally, total, before) as status, stopping() as stop:

      def on_chunk() -> None:
        status.show()
        if stop():
          raise KeyboardInterrupt

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
