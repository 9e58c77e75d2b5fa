"""Where a data set's pictures come from: each has an index and a name that never change.

Folders and globs are walked lazily, so that no list of millions is held in memory; `plan` keeps
the list on disk. (`records` has the sources that have an index already.) Paths are local, or
whatever etils.epath reads (`gs://…`, once `gcsfs` is installed).
"""

import dataclasses
import glob
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from etils import epath

from ganjax import data
from ganjax.data.claim import is_output
from ganjax.data.decode import MAX_FILE_BYTES, printable
from ganjax.data.names import is_picture, name_of, natural, with_hash


@dataclasses.dataclass(frozen=True)
class Entry:
  """One picture of a source."""

  index: int
  name: str  # unique in the source, and safe as a file's name
  source: str  # where it is, for people


class Source(Protocol):
  """Pictures that can be read in any order, by several threads."""

  def entries(self, first: int, last: int) -> list[Entry]:
    """The pictures with indices from `first` up to, but without, `last`."""

  def read(self, entry: Entry) -> np.ndarray:
    """One picture, uint8 [H, W, 3].

    Raises:
      ImageError: it is gone, or cannot be decoded.
    """


class Files:
  """Pictures in files, as a listing names them."""

  def __init__(self, root: str, listing: Any):
    self._root, self._listing = epath.Path(root), listing

  def entries(self, first: int, last: int) -> list[Entry]:
    return [
      Entry(first + i, name, str(self._root / relative))
      for i, (name, relative) in enumerate(self._listing(first, last))
    ]

  def read(self, entry: Entry) -> np.ndarray:
    if not is_remote(entry.source):
      return data.decode(entry.source)
    path = epath.Path(entry.source)
    try:
      size = path.stat().length
      encoded = path.read_bytes() if size is None or size <= MAX_FILE_BYTES else None
    except Exception as error:  # the libraries of the clouds raise errors of their own
      reason = printable(str(error)) or type(error).__name__
      raise data.ImageError(
        f'{entry.source}: cannot be read ({reason}); check path and permissions'
      ) from None
    if encoded is None:
      limit = MAX_FILE_BYTES // 2**20
      raise data.ImageError(f'{entry.source}: more than {limit} MiB; save it smaller')
    return data.decode(encoded, entry.source)


class Listed(NamedTuple):
  """Where a walk's pictures lie: their names and paths below `root`, in a fixed order."""

  root: str
  pictures: Iterator[tuple[str, str]]


def walk(pattern: str) -> Listed:
  """Lists the pictures of a file, folder or glob, as `data.find` does, but lazily.

  A folder's own entries are sorted, so memory grows with the largest folder, not with the tree.

  Raises:
    SourceError: nothing is there; while iterating: a folder cannot be listed.
  """
  path = path_of(pattern)
  if path.is_dir():
    return Listed(str(path), _named(_walk(path, '')))
  if path.exists() or os.path.lexists(path):
    return Listed(str(path.parent), iter([(name_of(path.name), path.name)]))
  if not glob.has_magic(pattern):
    raise data.SourceError(f'{printable(pattern)}: no such file or folder; check the path')
  root, rest = _split_glob(path)
  return Listed(str(root), _named(_matches(root, rest)))


def _named(relatives: Iterator[str]) -> Iterator[tuple[str, str]]:
  """Names the paths of a walk; only pictures of one folder can bear the same name."""
  folder, taken = '', set[str]()
  for relative in relatives:
    if (parent := os.path.dirname(relative)) != folder:
      folder, taken = parent, set()
    name = name_of(relative)
    name = with_hash(name, relative) if name in taken else name
    taken.add(name)
    yield name, relative


def _walk(folder: epath.Path, prefix: str) -> Iterator[str]:
  """The paths, below the walk's root, of the pictures below `folder`."""
  folders = []
  for name, is_folder in sorted(_entries(folder), key=lambda entry: natural(entry[0])):
    if is_folder:
      folders.append(name)
    else:
      yield prefix + name
  for name in folders:  # after the files, so that one folder's pictures follow one another
    if not is_output(folder / name):
      yield from _walk(folder / name, f'{prefix}{name}/')


def _entries(folder: epath.Path) -> Iterator[tuple[str, bool]]:
  """The pictures and sub-folders in a folder; hidden ones and links to folders are left out."""
  try:
    if is_remote(folder):
      # A question per file would take hours: what is called a picture is no folder here.
      for path in folder.iterdir():
        if path.name[0] != '.' and (is_picture(path.name) or path.is_dir()):
          yield path.name, not is_picture(path.name)
      return
    with os.scandir(folder) as found:
      for entry in found:
        if entry.name[0] == '.':
          continue
        if entry.is_dir(follow_symlinks=False):
          yield entry.name, True
        elif is_picture(entry.name) and not os.path.isdir(entry.path):
          yield entry.name, False
  except OSError as error:
    reason = error.strerror or printable(str(error))
    raise data.SourceError(
      f'{printable(str(folder))}: cannot be listed ({reason}); check its permissions'
    ) from None


def _split_glob(path: epath.Path) -> tuple[epath.Path, str]:
  """The folder above a glob's first wildcard, and the rest."""
  parts = path.parts
  fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
  return type(path)(*parts[:fixed]), '/'.join(parts[fixed:])


def _matches(root: epath.Path, rest: str) -> Iterator[str]:
  """Every picture that a glob matches, or that lies in a folder that it matches, once."""
  found = dict[str, None]()
  for match in _glob(root, rest):
    relative = match.relative_to(root).as_posix()
    if any(part[0] == '.' for part in relative.split('/')):
      continue
    if is_picture(match.name) and (is_remote(match) or not match.is_dir()):
      found[relative] = None
    elif match.is_dir() and not is_output(match):
      found.update(dict.fromkeys(_walk(match, f'{relative}/')))
  return iter(
    sorted(found, key=lambda relative: (natural(os.path.dirname(relative)), natural(relative)))
  )


def _glob(root: epath.Path, rest: str) -> Iterator[epath.Path]:
  if not is_remote(root):
    yield from map(type(root), glob.iglob(str(root / rest), recursive=True))
    return
  try:
    yield from root.glob(rest)
  except NotImplementedError:
    raise data.SourceError(
      f'{root / rest}: no ** in buckets; name the folder itself, which has its sub-folders with it'
    ) from None


def path_of(spec: str) -> epath.Path:
  """A path that stays right in another working folder.

  Raises:
    SourceError: it lies in a bucket that cannot be reached.
  """
  if not is_remote(spec):
    return epath.Path(os.path.abspath(os.path.expanduser(spec)))
  path = epath.Path(spec)
  try:
    path.exists()
  except Exception as error:  # the libraries of the clouds raise errors of their own
    raise data.SourceError(
      f'{spec}: cannot be reached ({first_line(error)}); gs:// paths need `pip install gcsfs` '
      'and a login (`gcloud auth application-default login`)'
    ) from None
  return path


def first_line(error: Exception) -> str:
  """What an error says, as far as it fits on one line."""
  return printable((str(error) or type(error).__name__).strip().splitlines()[0])


def is_remote(path: Any) -> bool:
  """Whether a path lies in a bucket."""
  return '://' in str(path)
