"""The results of one run, in one folder. A kill at any moment leaves it whole.

Files are written under a temporary name and renamed; a result is listed after its files exist; a
half-written last line is dropped on opening. `.ganjax/` holds the lock, the temporary files and
the list of what ganjax wrote: nothing else is ever replaced or removed.
"""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ganjax.data import journal
from ganjax.data.decode import encode_png
from ganjax.data.journal import StoreError

FORMAT = 'ganjax-output/1'
NEUTRAL = frozenset({'output', 'overwrite', 'batch_size', 'save_every'})  # change no result
MAX_CONFIG_BYTES = 2**20

_CONFIG, _RESULTS, _FAILURES = 'config.json', 'results.jsonl', 'failures.jsonl'
_PRIVATE = '.ganjax'
_LOCK, _WRITTEN = f'{_PRIVATE}/lock', f'{_PRIVATE}/written.jsonl'
_LISTS = (_CONFIG, _RESULTS, _FAILURES)
_FOLDERS = (
  *('photos', 'aligned', 'degraded', 'restored', 'completed', 'pasted', 'latents', 'curves'),
  *('progress', 'deviation', 'tuned', 'sweep', 'heatmap', 'combinations'),
)
# What a folder to start in must not hold.
_CLAIMED = (*_LISTS, *_FOLDERS, 'grid.png', 'report.html')
_NPZ_KINDS = 'biufcSU'  # numbers and text; objects need pickle, bfloat16 loses its type
_SAFE = re.compile(r'\w[\w.-]*')  # one part of a path: no '..', nothing hidden, no odd characters

Record = dict[str, Any]
ByName = dict[str, Record]
BySource = dict[str, dict[str, int]]  # source -> name -> how many results the source gives


class Store:
  """The output folder of the run at work; a context manager, made by `Store.open`.

  Attributes:
    folder: the output folder.
    config_hash: sha256, as hexadecimal digits, of the flags that change results.
  """

  def __init__(self, folder: pathlib.Path, config_hash: str, lock: int):
    self.folder = folder
    self.config_hash = config_hash
    self._lock = lock
    self._written = set(journal.read(folder / _WRITTEN))
    self._results = _by_name(folder / _RESULTS)
    self._sources = _by_source(self._results.values())
    self._failures: ByName = {}

  @classmethod
  def open(
    cls,
    folder: str | os.PathLike,
    config: Record,
    overwrite: bool = False,
    neutral: Collection[str] = NEUTRAL,
  ) -> 'Store':
    """Starts a run in `folder`, or continues the one that is there.

    Earlier failures are forgotten, since they are tried again.

    Args:
      folder: made if missing. Files in it that ganjax did not write stay as they are.
      config: flag -> value, as JSON can say it; written to config.json.
      overwrite: discard what an earlier run wrote there.
      neutral: flags that may differ from the earlier run's.

    Raises:
      StoreError: the flags differ from the earlier run's; another run is at work there; files
        that ganjax did not write are in the way; the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    config = journal.plain(config)
    _refuse_foreign(folder)
    with journal.explained(folder):
      (folder / _PRIVATE).mkdir(parents=True, exist_ok=True)
    lock = journal.lock(folder / _LOCK)
    try:
      if overwrite:
        _clear(folder)
      elif is_output(folder):
        _refuse_changed(folder, config, neutral)
      _tidy(folder)
      flags = {flag: value for flag, value in config.items() if flag not in neutral}
      digest = hashlib.sha256(json.dumps(flags, sort_keys=True).encode()).hexdigest()
      header = json.dumps({'format': FORMAT, 'hash': digest, 'config': config}, indent=2) + '\n'
      journal.replace(folder / _CONFIG, header.encode(), folder / _PRIVATE)
      return cls(folder, digest, lock)
    except BaseException:
      os.close(lock)
      raise

  def close(self) -> None:
    """Lets other runs open the folder."""
    if self._lock >= 0:
      os.close(self._lock)
      self._lock = -1

  def __enter__(self) -> 'Store':
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  @property
  def results(self) -> list[Record]:
    """All results so far, earlier runs' included."""
    return list(self._results.values())

  @property
  def failures(self) -> list[Record]:
    """This run's failures, less those that succeeded later."""
    return _remaining(self._failures, self._results, self._sources)

  def done(self, name: str) -> bool:
    """Whether the result called `name` is complete."""
    return name in self._results

  def finished(self, source: str | os.PathLike) -> bool:
    """Whether `source` has all its results: as many as their 'num_results' says."""
    return _complete(self._sources.get(os.fspath(source), {}))

  def write_image(self, kind: str, name: str, pixels: np.ndarray) -> str:
    """Writes uint8 [H, W, 3] or [H, W] to `kind`/`name`.png; returns that path."""
    return self.write_bytes(f'{kind}/{name}.png', encode_png(pixels))

  def write_array(self, kind: str, name: str, /, **arrays: Any) -> str:
    """Writes arrays to `kind`/`name`.npz, in their own types; returns that path."""
    contents = {key: np.asarray(array) for key, array in arrays.items()}
    if odd := [key for key, array in contents.items() if array.dtype.kind not in _NPZ_KINDS]:
      raise StoreError(f'{kind}/{name}.npz: {", ".join(odd)} has no npz type; give float32')
    file = io.BytesIO()
    np.savez(file, **contents)  # type: ignore[arg-type]
    return self.write_bytes(f'{kind}/{name}.npz', file.getvalue())

  def write_bytes(self, relative: str, data: bytes) -> str:
    """Writes one file in one atomic step; returns `relative`, its path below the folder.

    Raises:
      StoreError: an unsafe path, a file that ganjax did not write, a full disk, no permission.
    """
    path = self.folder / relative
    if not _is_safe(relative):
      raise StoreError(f'{self.folder}: {relative!r} is no safe file name; rename its source')
    if relative not in self._written:
      if os.path.lexists(path):
        raise StoreError(f'{path}: not written by ganjax; move it or choose another --output')
      journal.append(self.folder / _WRITTEN, relative)
      self._written.add(relative)
    journal.replace(path, data, self.folder / _PRIVATE)
    return relative

  def add_result(self, record: Record) -> None:
    """Lists one result, for good; call it after its files are written.

    Args:
      record: 'name', 'source' and what else JSON can say; numbers that are not finite become
        null. 'num_results' says how many results its source gives (1 if absent).
    """
    record = journal.plain(record)
    journal.append(self.folder / _RESULTS, record)
    self._results[record['name']] = record
    _enter(self._sources, record)

  def add_failure(self, source: str | os.PathLike, name: str, reason: str) -> None:
    """Lists one failure, to be tried again by the next run."""
    record = {'name': name, 'source': os.fspath(source), 'reason': reason}
    journal.append(self.folder / _FAILURES, record)
    self._failures[name] = record


def is_output(folder: str | os.PathLike) -> bool:
  """Whether ganjax keeps a run's results in `folder`."""
  return _config(pathlib.Path(folder)) is not None


def read_results(folder: str | os.PathLike) -> tuple[Record, list[Record], list[Record]]:
  """Reads what a run has written so far; it may still be at work.

  Returns:
    (config, results, failures): the flags; one record per name; the failures, less those that
    succeeded later.

  Raises:
    StoreError: `folder` is no output folder, or its lists are broken.
  """
  folder = pathlib.Path(folder)
  config = _config(folder)
  if config is None:
    raise StoreError(f'{folder}: no output folder of ganjax; name one with a {_CONFIG}')
  results, failures = _by_name(folder / _RESULTS), _by_name(folder / _FAILURES)
  remaining = _remaining(failures, results, _by_source(results.values()))
  return config, list(results.values()), remaining


def _config(folder: pathlib.Path) -> Record | None:
  """The flags of the run in `folder`; None where there is none."""
  path = folder / _CONFIG
  try:
    if path.stat().st_size > MAX_CONFIG_BYTES:
      return None
    header = json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError):
    return None
  return header['config'] if isinstance(header, dict) and header.get('format') == FORMAT else None


def _by_name(path: pathlib.Path) -> ByName:
  """A list's records by name; of two under one name the later."""
  records = {}
  for record in journal.read(path):
    if not isinstance(record, dict) or not {'name', 'source'} <= record.keys():
      raise StoreError(f'{path}: a line has no name or source; delete that line')
    records[record['name']] = record
  return records


def _by_source(records: Iterable[Record]) -> BySource:
  sources: BySource = {}
  for record in records:
    _enter(sources, record)
  return sources


def _enter(sources: BySource, record: Record) -> None:
  sources.setdefault(record['source'], {})[record['name']] = record.get('num_results', 1)


def _remaining(failures: ByName, results: ByName, sources: BySource) -> list[Record]:
  return [
    failure
    for name, failure in failures.items()
    if name not in results and not _complete(sources.get(failure['source'], {}))
  ]


def _complete(names: dict[str, int]) -> bool:
  return len(names) >= max(names.values(), default=1)


def _refuse_foreign(folder: pathlib.Path) -> None:
  if is_output(folder):
    return
  for name in _CLAIMED:
    if os.path.lexists(folder / name):
      raise StoreError(f'{folder / name}: not written by ganjax; choose another --output')


def _refuse_changed(folder: pathlib.Path, config: Record, neutral: Collection[str]) -> None:
  earlier = _config(folder) or {}
  flags = sorted((earlier.keys() | config.keys()) - set(neutral))
  changes = [
    f'--{flag} (was {earlier.get(flag)!r}, now {config.get(flag)!r})'
    for flag in flags
    if earlier.get(flag) != config.get(flag)
  ]
  if changes:
    raise StoreError(
      f'{folder}: made with other flags: {", ".join(changes)}; '
      'choose another --output, or --overwrite to discard what is there'
    )


def _clear(folder: pathlib.Path) -> None:
  """Removes what ganjax wrote, lists first: no list ever names a file that is gone."""
  with journal.explained(folder):
    for name in (_RESULTS, _FAILURES):
      (folder / name).unlink(missing_ok=True)
    written = [name for name in journal.read(folder / _WRITTEN) if _is_safe(name)]
    for name in written:
      (folder / name).unlink(missing_ok=True)
    parents = {parent for name in written for parent in pathlib.PurePath(name).parents}
    for parent in sorted(parents - {pathlib.PurePath('.')}, reverse=True):
      with contextlib.suppress(OSError):  # not empty: it holds other people's files
        (folder / parent).rmdir()
    (folder / _WRITTEN).unlink(missing_ok=True)


def _tidy(folder: pathlib.Path) -> None:
  """Removes what a killed run left half done, and the failures that this run tries again."""
  for lines in (_WRITTEN, _RESULTS):
    journal.repair(folder / lines)
  with journal.explained(folder):
    (folder / _FAILURES).unlink(missing_ok=True)
    for leftover in (folder / _PRIVATE).glob('*.tmp'):
      leftover.unlink()


def _is_safe(relative: str) -> bool:
  return relative not in _LISTS and all(map(_SAFE.fullmatch, relative.split('/')))
