"""The plan of a data set: a fixed list of pictures, cut into blocks by index.

It is made once, when the output folder is first used, and kept there, so that files that come or
go later shift no index. A process is a *shard*: number p of n takes the blocks p, p + n, …; how
many there are may change from run to run.
"""

import json
import os
import pathlib
from typing import NamedTuple

from ganjax import data
from ganjax.data import claim, journal, records, sources
from ganjax.runtime.cluster import Shard

_PLAN = f'{claim.PRIVATE}/plan.json'
_LISTING = f'{claim.PRIVATE}/listing.jsonl'


class BlockPlan(NamedTuple):
  """How many pictures there are, and how they are cut."""

  input: str
  num_pictures: int
  block_size: int
  root: str | None  # of files; None for records
  offsets: list[int]  # in the listing, of the blocks of files

  @property
  def num_blocks(self) -> int:
    return -(-self.num_pictures // self.block_size)

  def blocks(self, shard: Shard) -> range:
    """The blocks of one shard."""
    return range(shard.index, self.num_blocks, shard.count)

  def bounds(self, block: int) -> tuple[int, int]:
    """The first index of a block, and that of the one behind it."""
    first = block * self.block_size
    return first, min(first + self.block_size, self.num_pictures)


def pin(folder: pathlib.Path, spec: str, block_size: int, scratch: pathlib.Path) -> BlockPlan:
  """Reads the plan of an output folder; makes it, and keeps it there, if there is none.

  Args:
    folder: claimed for this configuration.
    spec: the pictures, as in --input.
    block_size: pictures per block.
    scratch: a folder for temporary files, of this process alone.

  Raises:
    SourceError: the source cannot be opened, or holds no pictures.
    StoreError: the folder cannot be written, or its plan is broken.
  """
  if (plan := read(folder)) is not None:
    return plan
  plan = make(spec, block_size, scratch / 'listing')
  if plan.root is not None:
    with journal.storage_errors(folder):
      os.replace(scratch / 'listing', folder / _LISTING)
  journal.replace(folder / _PLAN, json.dumps(plan._asdict()).encode(), scratch)
  return plan


def read(folder: pathlib.Path) -> BlockPlan | None:
  """The plan of an output folder, or None."""
  try:
    return BlockPlan(**json.loads((folder / _PLAN).read_bytes()))
  except FileNotFoundError:
    return None
  except (OSError, ValueError, TypeError) as error:
    raise data.StoreError(
      f'{folder / _PLAN}: broken ({error}); choose another --output, or --overwrite'
    ) from None


def make(spec: str, block_size: int, listing: pathlib.Path) -> BlockPlan:
  """Counts the pictures; lists them in the file `listing`, unless they are records."""
  if (found := records.open_records(spec)) is not None:
    return BlockPlan(spec, len(found), block_size, None, [])
  root, photos = sources.walk(spec)
  offsets, count = [], 0
  with journal.storage_errors(listing), open(listing, 'wb') as file:
    for photo in photos:
      if count % block_size == 0:
        offsets.append(file.tell())
      file.write(json.dumps(photo).encode() + b'\n')
      count += 1
    file.flush()
    os.fsync(file.fileno())
  if not count:
    raise sources.nothing_in(spec)
  return BlockPlan(spec, count, block_size, root, offsets)


def open_source(plan: BlockPlan, listing: pathlib.Path) -> sources.Source:
  """The pictures of a plan.

  Raises:
    SourceError: they cannot be opened, or are not as many as they were.
  """
  if plan.root is not None:
    return sources.Files(plan.root, _Listing(listing, plan))
  found = records.open_records(plan.input)
  if found is None or len(found) != plan.num_pictures:
    now = 0 if found is None else len(found)
    raise data.SourceError(
      f'{plan.input}: holds {now} pictures, but {plan.num_pictures} when the run began; '
      'choose another --output'
    )
  return found


def listing_of(folder: pathlib.Path) -> pathlib.Path:
  """Where an output folder keeps the list of its files."""
  return folder / _LISTING


class _Listing:
  """Reads the lines of whole blocks."""

  def __init__(self, path: pathlib.Path, plan: BlockPlan):
    self._path, self._plan = path, plan

  def __call__(self, first: int, last: int) -> list[list[str]]:
    block, skip = divmod(first, self._plan.block_size)
    with open(self._path, 'rb') as file:
      file.seek(self._plan.offsets[block])
      lines = [file.readline() for _ in range(skip + last - first)]
    return [json.loads(line) for line in lines[skip:]]
