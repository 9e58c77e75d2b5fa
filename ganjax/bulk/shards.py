"""Who works on which share of a data set: locks that tell their owner and their age.

On one machine the kernel keeps the lock (`data.lock`). Between machines that share a folder, where
flock may not reach, a lock counts as held while its file was touched less than `EXPIRY` ago; the
owner touches it as it works.
"""

import contextlib
import math
import os
import pathlib
import re
import threading
import time

from ganjax.data import journal, lock
from ganjax.data.journal import StoreError
from ganjax.runtime.cluster import Shard

HEARTBEAT = 10.0  # seconds
EXPIRY = 60.0  # seconds without a heartbeat, after which an owner elsewhere counts as dead
_NAME = re.compile(r'(\d+)-of-(\d+)')


class ShardLock:
  """This process's claim on a shard; a context manager.

  Raises:
    StoreError: on entering: a living process works on some of the same blocks.
  """

  def __init__(self, folder: pathlib.Path, shard: Shard):
    self._folder, self._shard = folder, shard
    self._descriptor = -1
    self._over = threading.Event()
    self._heart = threading.Thread(target=self._beat, daemon=True)

  def __enter__(self) -> 'ShardLock':
    with journal.storage_errors(self._folder):
      self._folder.mkdir(parents=True, exist_ok=True)
      own = self._folder / str(self._shard)
      # Its own claim first: of two that start at once, at least one then sees the other.
      descriptor = os.open(own, os.O_RDWR | os.O_CREAT, 0o666)
      try:
        self._refuse_if_held(own, descriptor)
        lock.sign(descriptor)
        for other, shard in locks(self._folder):
          if shard != self._shard and overlap(shard, self._shard):
            with open(other, 'rb') as file:
              self._refuse_if_held(other, file.fileno(), keep=False)
      except BaseException:
        os.close(descriptor)
        raise
    self._descriptor = descriptor
    self._heart.start()
    return self

  def __exit__(self, *_: object) -> None:
    self._over.set()
    self._heart.join()
    with contextlib.suppress(OSError):
      # Not removed: whoever has just opened it would lock a file that is gone.
      os.ftruncate(self._descriptor, 0)
    os.close(self._descriptor)

  def _refuse_if_held(self, path: pathlib.Path, descriptor: int, keep: bool = True) -> None:
    if not lock.try_lock(descriptor):
      raise _held(path, descriptor)
    if not keep:
      lock.unlock(descriptor)
    if not lock.is_foreign(descriptor):
      return  # the kernel says that it is free
    first = os.fstat(descriptor).st_mtime
    # Clocks of two machines may differ: what counts is how long nothing happened, as seen here.
    deadline = time.monotonic() + min(EXPIRY, EXPIRY - (time.time() - first))
    while time.monotonic() < deadline:
      if os.fstat(descriptor).st_mtime != first:  # it lives
        raise _held(path, descriptor)
      time.sleep(0.5)

  def _beat(self) -> None:
    while not self._over.wait(HEARTBEAT):
      with contextlib.suppress(OSError):
        os.utime(self._descriptor)


def overlap(a: Shard, b: Shard) -> bool:
  """Whether two shards have blocks in common, if there are enough of them."""
  return (a.index - b.index) % math.gcd(a.count, b.count) == 0


def locks(folder: pathlib.Path) -> list[tuple[pathlib.Path, Shard]]:
  """The lock files in a folder."""
  found = []
  for path in sorted(folder.glob('*-of-*')):
    if match := _NAME.fullmatch(path.name):
      found.append((path, Shard(int(match[1]), int(match[2]))))
  return found


def is_held(path: pathlib.Path) -> bool:
  """Whether a living process holds a lock, as far as can be told at once."""
  with open(path, 'rb') as file:
    descriptor = file.fileno()
    if not lock.try_lock(descriptor):
      return True
    lock.unlock(descriptor)
    return lock.is_foreign(descriptor) and _silence(descriptor) < EXPIRY


def _held(path: pathlib.Path, descriptor: int) -> StoreError:
  return StoreError(
    f'{path}: held by {lock.holder(descriptor)} (last sign of life {_silence(descriptor):.0f} s '
    'ago); wait for that run, or give this one another --shard_index or --output'
  )


def _silence(descriptor: int) -> float:
  """Seconds since the last heartbeat."""
  return time.time() - os.fstat(descriptor).st_mtime
