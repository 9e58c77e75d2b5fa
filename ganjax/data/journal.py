"""Writes that a kill cannot damage: whole files, and lines of JSON."""

import contextlib
import json
import math
import os
import pathlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from ganjax.errors import GanjaxError


class StoreError(GanjaxError):
  """An output folder cannot be used; the message names the folder and the remedy."""


@contextlib.contextmanager
def storage_errors(path: pathlib.Path) -> Iterator[None]:
  """Turns the system's refusals (full disk, permissions) into one line."""
  try:
    yield
  except OSError as error:
    raise StoreError(
      f'{error.filename or path}: cannot be written ({error.strerror}); free space, check '
      'permissions or choose another --output; what is done is kept'
    ) from None


def replace(path: pathlib.Path, data: bytes | Iterable[bytes], scratch: pathlib.Path) -> None:
  """Writes the whole file or leaves what was there.

  Args:
    path: where to; its folder is made.
    data: the new content, whole or in pieces that come one by one.
    scratch: a folder on the same file system, for the temporary file, '*.tmp'.

  Raises:
    StoreError: the system refuses.
  """
  temporary = scratch / f'{os.getpid()}-{threading.get_ident()}.tmp'
  with storage_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      with open(temporary, 'wb') as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())
      os.replace(temporary, path)
    finally:
      temporary.unlink(missing_ok=True)


def append(path: pathlib.Path, record: Any) -> None:
  """Adds one line of JSON, durably, or leaves the file as it was.

  Raises:
    StoreError: the system refuses.
  """
  with storage_errors(path):
    length = path.stat().st_size if path.exists() else 0
    try:
      with open(path, 'ab') as file:
        file.write(json.dumps(record).encode() + b'\n')
        file.flush()
        os.fsync(file.fileno())
    except BaseException:
      with contextlib.suppress(OSError):
        os.truncate(path, length)  # half a line would spoil the next one
      raise


def read_lines(path: pathlib.Path) -> list[Any]:
  """All lines' values; a last line that a kill cut short is left out.

  Raises:
    StoreError: the file cannot be read, or a whole line is no JSON.
  """
  values = []
  for number, line in enumerate(_read_bytes(path).split(b'\n')[:-1], start=1):
    try:
      values.append(json.loads(line))
    except (ValueError, RecursionError):
      raise StoreError(f'{path}: line {number} is broken; delete that line') from None
  return values


def repair(path: pathlib.Path) -> None:
  """Drops a last line that a kill cut short."""
  data = _read_bytes(path)
  if data and not data.endswith(b'\n'):
    with storage_errors(path):
      os.truncate(path, data.rfind(b'\n') + 1)


def to_jsonable(value: Any) -> Any:
  """`value` as JSON can say it: array scalars as numbers, paths as text, NaN and inf as null."""
  if isinstance(value, dict):
    return {str(key): to_jsonable(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [to_jsonable(item) for item in value]
  if isinstance(value, os.PathLike):
    return os.fspath(value)
  if hasattr(value, 'item'):
    value = value.item()
  return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_bytes(path: pathlib.Path) -> bytes:
  try:
    return path.read_bytes()
  except FileNotFoundError:
    return b''
  except OSError as error:
    raise StoreError(f'{path}: cannot be read ({error.strerror}); check permissions') from None
