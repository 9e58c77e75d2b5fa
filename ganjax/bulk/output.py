"""The output folder of a bulk run, which any number of processes may share."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import time
import uuid
from collections.abc import Collection, Iterator

from ganjax.bulk import pasted, plan, shards, worker
from ganjax.bulk.parts import LINES, Parts
from ganjax.bulk.plan import BlockPlan
from ganjax.data import claim, journal, lock
from ganjax.data.journal import StoreError
from ganjax.data.names import DistinctNames
from ganjax.data.records import FEATURES, INFO
from ganjax.runtime.cluster import Shard

# Flags that change no result, and may differ between the processes and the runs on a folder.
NEUTRAL = frozenset(
  {'output', 'overwrite', 'batch_size', 'remat', 'threads', 'engine', 'ray_actors', 'distributed'}
  | {'coordinator_address', 'num_processes', 'process_id', 'shard_index', 'shard_count'}
  | {'finalize', 'export', 'dry_run', 'retry_failures', 'save_every'}
)
STATUS = 'status'
_LOCKS = f'{claim.PRIVATE}/locks'
_SCRATCH = f'{claim.PRIVATE}/scratch'
_PASSING = 'of-'
_FORGOTTEN = 86400.0  # seconds
_PATIENCE = 120.0  # seconds for the others to list the source


def open_folder(
  folder: pathlib.Path,
  config: dict,
  block_size: int,
  previews: int,
  shard: Shard,
  overwrite: bool,
) -> tuple[str, BlockPlan]:
  """Claims a folder for a configuration, and makes or reads its plan.

  Where several processes start at once, the first one does the work and the others wait for it.

  Args:
    folder: made if missing.
    config: flag -> value, as JSON can say it; has 'input'.
    block_size: pictures per block.
    previews: how many first pictures have previews.
    shard: of this process, whose lock is held.
    overwrite: discards the results of another configuration; those of this one stay.

  Returns:
    The configuration's hash, and the plan.

  Raises:
    StoreError: another configuration's folder, without `overwrite` or while its run is at work;
      files that ganjax did not write are in the way; the folder cannot be written.
    SourceError: the source cannot be opened.
  """
  config = journal.to_jsonable(config)
  claim.refuse_foreign(folder, (LINES, STATUS, FEATURES, INFO))
  with _alone(folder):
    if claim.is_output(folder) and claim.changes(folder, config, NEUTRAL):
      if not overwrite:
        claim.refuse_changed(folder, config, NEUTRAL)
      _refuse_while_at_work(folder, shard)
      _clear(folder)
    sweep(folder, _FORGOTTEN)
    with scratch(folder, f'opening-{shard}') as own:
      digest = claim.write_config(folder, config, NEUTRAL)
      made = plan.pin(folder, config['input'], block_size, own)
      _list_files(folder, made, previews, own)
  return digest, made


def shard_lock(folder: pathlib.Path, shard: Shard) -> shards.ShardLock:
  """This process's claim on a shard of a folder."""
  return shards.ShardLock(folder / _LOCKS, shard)


@contextlib.contextmanager
def scratch(folder: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
  """A folder for one process's temporary files, emptied of what a killed one left there."""
  own = folder / _SCRATCH / name
  shutil.rmtree(own, ignore_errors=True)
  with journal.storage_errors(own):
    own.mkdir(parents=True)
  try:
    yield own
  finally:
    shutil.rmtree(own, ignore_errors=True)


def passing_scratch(folder: pathlib.Path) -> contextlib.AbstractContextManager[pathlib.Path]:
  """`scratch` under a name that nobody else has, and that tells whose it is."""
  return scratch(folder, f'{_PASSING}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}')


def sweep(folder: pathlib.Path, age: float) -> None:
  """Removes passing scratches of killed processes, untouched for `age` seconds."""
  for path in (folder / _SCRATCH).glob(f'{_PASSING}*'):
    with contextlib.suppress(OSError):  # its owner lives and has just removed it
      if time.time() - path.stat().st_mtime >= age:
        shutil.rmtree(path)


def collect(folder: pathlib.Path, also_failed: Collection[dict] = ()) -> tuple[int, int]:
  """Joins the lines of all blocks that are done into results.jsonl and failures.jsonl.

  Each result has a name of its own there (see `DistinctNames`); the data set itself may hold a name
  twice, and tells the two apart by 'index' and 'source'. Only here, and where results are exported,
  are all names looked at: no worker remembers them. Photos of which `pasted.export` made a copy for
  the report are named there, too.

  It may be called at any time, and does nothing to folders of other tasks.

  Args:
    folder: the output folder.
    also_failed: further lines of failures.jsonl: of exports, which no block has.

  Returns:
    The numbers of results and failures.
  """
  made = plan.read(folder)
  if made is None:
    return 0, 0
  with passing_scratch(folder) as own:
    parts = Parts(folder, made.num_blocks, own)
    results, failures = own / claim.RESULTS, own / claim.FAILURES
    counts, distinct, shown = [0, 0], DistinctNames(), pasted.shown(folder)
    with journal.storage_errors(folder), open(results, 'wb') as good, open(failures, 'wb') as bad:
      for block in sorted(parts.done()):
        for line in (folder / parts.lines(block)).read_bytes().splitlines(keepends=True):
          record = json.loads(line)
          failed = 'reason' in record
          counts[failed] += 1
          (bad if failed else good).write(line if failed else _told(line, record, distinct, shown))
      for record in also_failed:
        counts[1] += 1
        bad.write(json.dumps(record).encode() + b'\n')
    with journal.storage_errors(folder):
      os.replace(results, folder / claim.RESULTS)
      os.replace(failures, folder / claim.FAILURES)
  return counts[0], counts[1]


def _told(line: bytes, record: dict, distinct: DistinctNames, shown: set[str]) -> bytes:
  """A result's line with a name that no other result has, and its photo where that is shown."""
  told = {**record, 'name': distinct(record['name'], record['source'])}
  if (photo := record.get('photo', record['name'])) in shown:
    told['files'] = {**record.get('files', {}), **pasted.paths(photo)}
  return line if told == record else json.dumps(told).encode() + b'\n'


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[None]:
  """Waits until no other process is opening the folder."""
  with journal.storage_errors(folder):
    (folder / claim.PRIVATE).mkdir(parents=True, exist_ok=True)
  deadline = time.monotonic() + _PATIENCE
  while True:
    try:
      descriptor = lock.take(folder / claim.LOCK)
      break
    except StoreError:
      if time.monotonic() > deadline:
        raise
      time.sleep(0.1)
  try:
    yield
  finally:
    os.close(descriptor)


def _refuse_while_at_work(folder: pathlib.Path, shard: Shard) -> None:
  for path, other in shards.locks(folder / _LOCKS):
    if other != shard and shards.is_held(path):
      raise StoreError(f'{path}: another run is at work here; wait for it, or stop it')


def _clear(folder: pathlib.Path) -> None:
  claim.clear(folder)
  with journal.storage_errors(folder):
    for name in ('plan.json', 'listing.jsonl', 'partial', 'scratch'):
      path = folder / claim.PRIVATE / name
      shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _list_files(folder: pathlib.Path, made: BlockPlan, previews: int, own: pathlib.Path) -> None:
  """Notes what will be written, so that --overwrite can remove it."""
  written = folder / claim.WRITTEN
  if written.exists():
    return
  shown = range(min(previews, made.num_pictures))
  names = [
    *Parts(folder, made.num_blocks, own).files(),
    *(worker.preview(kind, index) for kind in worker.PREVIEWS for index in shown),
    FEATURES,
    INFO,
  ]
  lines = ''.join(json.dumps(name) + '\n' for name in names)
  journal.replace(written, lines.encode(), own)
