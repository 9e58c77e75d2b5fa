"""How far a shard is: a progress bar for people, and a small JSON file for other programs."""

import json
import os
import pathlib
import socket
import sys
import time

from tqdm import tqdm

from ganjax.bulk.worker import Tally
from ganjax.data import journal
from ganjax.runtime.cluster import Shard

EVERY = 1.0  # seconds between two writings of the file


class Status:
  """Watches a tally; a context manager."""

  def __init__(
    self,
    path: pathlib.Path,
    scratch: pathlib.Path,
    shard: Shard,
    tally: Tally,
    total: int,
    before: int,
  ):
    """Shows how far `tally` is.

    Args:
      path: of the JSON file.
      scratch: a folder for temporary files.
      shard: of this process.
      tally: what is done in this run.
      total: the shard's pictures.
      before: how many of them earlier runs did.
    """
    self._path, self._scratch, self._shard = path, scratch, shard
    self._tally, self._total, self._before = tally, total, before
    self._started = time.monotonic()
    self._first: tuple[float, int] | None = None  # when the first pictures were done, and how many
    self._written = 0.0
    self._bar = tqdm(
      total=total, initial=before, unit='picture', desc='bulk', file=sys.stdout, smoothing=0.1
    )
    self._bar.set_postfix_str('compiling')

  def __enter__(self) -> 'Status':
    self._write('running')
    return self

  def __exit__(self, kind: type | None, *_: object) -> None:
    self._bar.close()
    stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
    over = 'interrupted' if stopped else 'failed'
    self._write('complete' if kind is None else over)

  def show(self) -> None:
    """Called after every chunk of steps."""
    tally = self._tally
    if self._first is None and tally.pictures:
      self._first = time.monotonic(), tally.pictures
    self._bar.update(self._before + tally.pictures - self._bar.n)
    notes = []
    if tally.settled:
      notes.append(f'{tally.settled / tally.faces:.0%} settled early')
    if tally.failed:
      notes.append(f'{tally.failed} failed')
    self._bar.set_postfix_str(', '.join(notes))
    if time.monotonic() - self._written >= EVERY:
      self._write('running')

  def _write(self, state: str) -> None:
    tally = self._tally
    rate = self._rate()
    left = self._total - self._before - tally.pictures
    record = {
      'state': state,
      'pictures': self._total,
      'done': self._before + tally.pictures,
      'failed_in_this_run': tally.failed,
      'settled_share': tally.settled / tally.faces if tally.faces else None,
      'pictures_per_second': rate,
      'eta_seconds': left / rate if rate else None,
      'shard_index': self._shard.index,
      'shard_count': self._shard.count,
      'host': socket.gethostname(),
      'pid': os.getpid(),
      'updated': time.time(),
    }
    text = json.dumps(journal.to_jsonable(record), indent=2) + '\n'
    journal.replace(self._path, text.encode(), self._scratch)
    self._written = time.monotonic()

  def _rate(self) -> float | None:
    """Pictures per second, without the time that compiling took."""
    if self._first is None:
      return None
    since, count = self._first
    elapsed = time.monotonic() - since
    if self._tally.pictures == count or not elapsed:
      return self._tally.pictures / (time.monotonic() - self._started)
    return (self._tally.pictures - count) / elapsed
