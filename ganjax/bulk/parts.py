"""The results of a bulk run: for every block an ArrayRecord part, and a line of JSON per picture.

A block is done once its part and its lines are there; the lines come last, and each of the two in
one atomic step. What is done of a block when a run is interrupted is kept aside in the same form.
"""

import contextlib
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ganjax.data import claim, journal
from ganjax.data.journal import StoreError
from ganjax.data.records import INFO
from ganjax.runtime import extras

DATASET, SPLIT = 'ganjax', 'train'  # TFDS's names are made of them
LINES = 'blocks'
_PARTIAL = f'{claim.PRIVATE}/partial'


class Outcome(NamedTuple):
  """What became of a picture, or of one of its faces."""

  order: tuple[int, int]  # the picture's index, and its face's number
  line: dict  # JSON; with 'reason' where it failed
  example: bytes | None  # a serialised tf.train.Example; None where it failed

  @property
  def failed(self) -> bool:
    return self.example is None


class Parts:
  """The parts of an output folder. Any number of processes may write, each its own blocks."""

  def __init__(self, folder: pathlib.Path, num_blocks: int, scratch: pathlib.Path):
    """Args: the output folder, the plan's number of blocks, a folder of this process alone."""
    self.folder, self.num_blocks, self.scratch = folder, num_blocks, scratch

  def part(self, block: int) -> str:
    """A part's file name: what TFDS calls the shard of a split."""
    return f'{DATASET}-{SPLIT}.array_record-{block:05d}-of-{self.num_blocks:05d}'

  def lines(self, block: int) -> str:
    """A block's lines, below the folder."""
    return f'{LINES}/{block:05d}-of-{self.num_blocks:05d}.jsonl'

  def files(self) -> Iterator[str]:
    """All that may be written, as `claim` wants to know it."""
    for block in range(self.num_blocks):
      yield self.part(block)
      yield self.lines(block)

  def done(self) -> set[int]:
    """The blocks that are done; lines whose part was lost on the way (a copy cut short) are not."""
    lines, parts = _names(self.folder / LINES), _names(self.folder)
    return {
      block
      for block in range(self.num_blocks)
      if pathlib.PurePath(self.lines(block)).name in lines and self.part(block) in parts
    }

  def write(self, block: int, outcomes: Sequence[Outcome]) -> None:
    """Writes a whole block.

    Raises:
      StoreError: the disk is full, or the folder cannot be written; nothing is damaged.
    """
    self._write(self.folder / self.part(block), self.folder / self.lines(block), block, outcomes)
    for path in (
      *self._partial(block),
      *(self._paused_path(outcome.order) for outcome in outcomes),
    ):
      path.unlink(missing_ok=True)

  def read_lines(self, block: int) -> list[dict]:
    """A block's lines, in order."""
    return journal.read_lines(self.folder / self.lines(block))

  def set_aside(self, block: int, outcomes: Iterable[Outcome]) -> None:
    """Keeps what is done of a block."""
    self._write(*self._partial(block), block, outcomes)

  def aside(self, block: int) -> list[Outcome]:
    """What was kept of a block."""
    return _read(*self._partial(block))

  def set_paused_aside(self, order: tuple[int, int], arrays: list[np.ndarray]) -> None:
    """Keeps how far an unfinished face is; `order` as in `Outcome`."""
    file = io.BytesIO()
    np.savez(file, *arrays)
    journal.replace(self._paused_path(order), file.getvalue(), self.scratch)

  def paused_aside(self, order: tuple[int, int]) -> list[np.ndarray] | None:
    """What was kept of a face."""
    try:
      with np.load(self._paused_path(order)) as arrays:
        return [arrays[name] for name in arrays.files]
    except (OSError, ValueError, zipfile.BadZipFile):  # not there, or damaged
      return None

  def _paused_path(self, order: tuple[int, int]) -> pathlib.Path:
    return self.folder / _PARTIAL / f'{order[0]}-{order[1]}.npz'

  def reopen(self, block: int) -> bool:
    """Makes a block undone whose failures are to be tried again; returns whether it has any."""
    part, lines = self.folder / self.part(block), self.folder / self.lines(block)
    outcomes = _read(part, lines)
    kept = [outcome for outcome in outcomes if not outcome.failed]
    if len(kept) == len(outcomes):
      return False
    self.set_aside(block, kept)
    with journal.storage_errors(lines):
      (self.folder / INFO).unlink(missing_ok=True)  # the data set is not complete any more
      lines.unlink()
    return True

  def check(self, block: int) -> int:
    """How many results a done block holds.

    Raises:
      StoreError: the part does not hold what the lines say.
    """
    expected = sum('reason' not in line for line in self.read_lines(block))
    path = self.folder / self.part(block)
    if (found := len(_records(path))) != expected:
      raise StoreError(
        f'{path}: holds {found} results, but its lines say {expected}; remove '
        f'{self.folder / self.lines(block)} and run again, which makes this block anew'
      )
    return expected

  def _partial(self, block: int) -> tuple[pathlib.Path, pathlib.Path]:
    stem = self.folder / _PARTIAL / f'{block:05d}'
    return stem.with_suffix('.array_record'), stem.with_suffix('.jsonl')

  def _write(
    self, part: pathlib.Path, lines: pathlib.Path, block: int, outcomes: Iterable[Outcome]
  ) -> None:
    outcomes = sorted(outcomes, key=lambda outcome: outcome.order)
    results = [outcome for outcome in outcomes if not outcome.failed]
    with journal.storage_errors(part):
      part.parent.mkdir(parents=True, exist_ok=True)
    _write_records(part, [outcome.example or b'' for outcome in results], self.scratch)
    rows = {outcome.order: row for row, outcome in enumerate(results)}
    text = []
    for outcome in outcomes:
      where = {} if outcome.failed else {'part': self.part(block), 'row': rows[outcome.order]}
      text.append(json.dumps(journal.to_jsonable({**outcome.line, **where})) + '\n')
    journal.replace(lines, ''.join(text).encode(), self.scratch)


def _names(folder: pathlib.Path) -> set[str]:
  with contextlib.suppress(FileNotFoundError):
    return {entry.name for entry in os.scandir(folder)}
  return set()


def _read(part: pathlib.Path, lines: pathlib.Path) -> list[Outcome]:
  """What `_write` wrote; nothing where there are no lines."""
  found = journal.read_lines(lines)
  if not found:
    return []
  records = _records(part)
  if len(records) != sum('reason' not in line for line in found):
    return []  # a kill between the two: neither is worth keeping
  examples = iter(records)
  return [
    Outcome(
      (line['index'], line.get('face', 0)), line, None if 'reason' in line else next(examples)
    )
    for line in found
  ]


def _write_records(path: pathlib.Path, records: list[bytes], scratch: pathlib.Path) -> None:
  temporary = scratch / 'part.tmp'
  with journal.storage_errors(path):
    try:
      writer = _array_record().ArrayRecordWriter(str(temporary), 'group_size:1')
      for record in records:
        writer.write(record)
      writer.close()
      with open(temporary, 'rb') as file:
        os.fsync(file.fileno())
      os.replace(temporary, path)
    except RuntimeError as error:  # what the library makes of the system's refusals
      raise OSError(0, str(error).partition(';')[0], str(path)) from None
    finally:
      temporary.unlink(missing_ok=True)


def _records(path: pathlib.Path) -> list[bytes]:
  if not path.is_file():
    return []
  reader = _array_record().ArrayRecordReader(str(path))
  try:
    count = reader.num_records()
    records = reader.read(list(range(count))) if count else []
    reader.close()
  except RuntimeError:  # damaged: whoever counts will notice
    return []
  return records


def _array_record() -> Any:
  with extras.needs('bulk'):
    from array_record.python import array_record_module  # other tasks do without it
  return array_record_module
