"""The results of one run, in one folder. A kill at any moment leaves it whole.

Files are written under a temporary name and renamed; a result is listed after its files exist; a
half-written last line is dropped on opening. `claim` says what may be replaced or removed.
"""

import io
import json
import os
import pathlib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ganjax.data import claim, journal, lock
from ganjax.data.claim import FAILURES, RESULTS, WRITTEN, Record, is_output
from ganjax.data.decode import encode_png
from ganjax.data.journal import StoreError

NEUTRAL = frozenset({'output', 'overwrite', 'batch_size', 'save_every'})  # change no result

_NPZ_KINDS = 'biufcSU'  # numbers and text; objects need pickle, bfloat16 loses its type

ByName = dict[str, Record]
BySource = dict[str, dict[str, int]]  # source -> name -> how many results the source gives


class Store:
  """The output folder of the run at work; a context manager, made by `Store.open`.

  Attributes:
    folder: the output folder.
    config_hash: sha256, as hexadecimal digits, of the flags that change results.
  """

  def __init__(self, folder: pathlib.Path, config_hash: str, descriptor: int):
    self.folder = folder
    self.config_hash = config_hash
    self._lock = descriptor
    self._written = set(journal.read_lines(folder / WRITTEN))
    self._results = _by_name(folder / RESULTS)
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
      StoreError: there are results of other flags; another run is at work there; files
        that ganjax did not write are in the way; the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    config = journal.to_jsonable(config)
    claim.refuse_foreign(folder)
    with journal.storage_errors(folder):
      (folder / claim.PRIVATE).mkdir(parents=True, exist_ok=True)
    descriptor = lock.take(folder / claim.LOCK)
    try:
      if overwrite or not claim.has_work(folder):
        claim.clear(folder)
      elif is_output(folder):
        claim.refuse_changed(folder, config, neutral)
      _tidy(folder)
      digest = claim.write_config(folder, config, neutral)
      return cls(folder, digest, descriptor)
    except BaseException:
      os.close(descriptor)
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

  def has_result(self, name: str) -> bool:
    """Whether the result called `name` is complete."""
    return name in self._results

  def source_is_complete(self, source: str | os.PathLike) -> bool:
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

  def write_bytes(self, relative: str, data: bytes | Iterable[bytes]) -> str:
    """Writes one file in one atomic step; returns `relative`, its path below the folder.

    Args:
      relative: where to.
      data: the whole content, or its pieces one by one.

    Raises:
      StoreError: an unsafe path, a file that ganjax did not write, a full disk, no permission.
    """
    path = self.folder / relative
    if not claim.is_safe(relative):
      raise StoreError(f'{self.folder}: {relative!r} is no safe file name; rename its source')
    if relative not in self._written:
      if os.path.lexists(path):
        raise StoreError(f'{path}: not written by ganjax; move it or choose another --output')
      journal.append(self.folder / WRITTEN, relative)
      self._written.add(relative)
    journal.replace(path, data, self.folder / claim.PRIVATE)
    return relative

  def add_result(self, record: Record) -> None:
    """Lists one result, for good; call it after its files are written.

    Args:
      record: 'name', 'source' and what else JSON can say; numbers that are not finite become
        null. 'num_results' says how many results its source gives (1 if absent). It takes the place
        of an earlier one of its name.
    """
    record = journal.to_jsonable(record)
    listed = {**self._results, record['name']: record}
    if len(listed) > len(self._results):
      journal.append(self.folder / RESULTS, record)
    else:
      lines = ''.join(json.dumps(one) + '\n' for one in listed.values())
      journal.replace(self.folder / RESULTS, lines.encode(), self.folder / claim.PRIVATE)
    self._results = listed
    _enter(self._sources, record)

  def add_failure(self, source: str | os.PathLike, name: str, reason: str | Exception) -> None:
    """Lists one failure, to be tried again by the next run, without its source's name."""
    source = os.fspath(source)
    record = {'name': name, 'source': source, 'reason': str(reason).removeprefix(f'{source}: ')}
    journal.append(self.folder / FAILURES, record)
    self._failures[name] = record


def read_results(folder: str | os.PathLike) -> tuple[Record, list[Record], list[Record]]:
  """Reads what a run has written so far; it may still be at work.

  Returns:
    (config, results, failures): the flags; one record per name; the failures, less those that
    succeeded later.

  Raises:
    StoreError: `folder` is no output folder, or its lists are broken.
  """
  folder = pathlib.Path(folder)
  config = claim.read_config(folder)
  if config is None:
    raise StoreError(f'{folder}: no output folder of ganjax; name one with a {claim.CONFIG}')
  results, failures = _by_name(folder / RESULTS), _by_name(folder / FAILURES)
  remaining = _remaining(failures, results, _by_source(results.values()))
  return config, list(results.values()), remaining


def _by_name(path: pathlib.Path) -> ByName:
  """A list's records by name; of two under one name the later."""
  records = {}
  for record in journal.read_lines(path):
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
    if 'export' in failure  # of a photo that has its results
    or (name not in results and not _complete(sources.get(failure['source'], {})))
  ]


def _complete(names: dict[str, int]) -> bool:
  return len(names) >= max(names.values(), default=1)


def _tidy(folder: pathlib.Path) -> None:
  """Removes what a killed run left half done, and the failures that this run tries again."""
  for lines in (WRITTEN, RESULTS):
    journal.repair(folder / lines)
  with journal.storage_errors(folder):
    (folder / FAILURES).unlink(missing_ok=True)
    for leftover in (folder / claim.PRIVATE).glob('*.tmp'):
      leftover.unlink()
