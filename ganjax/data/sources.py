"""Where photos come from, and listing them: each has a name that never changes.

There is one walk. It lists a file, a folder or a glob lazily, so that no list of millions is
held in memory: `bulk.plan` keeps the list on disk, `find` returns a list. (`records` has sources
that have an index already.) Paths are local, or in a bucket, which etils.epath reads (`gs://…`,
once `gcsfs` is installed).
"""

import dataclasses
import glob
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ganjax.data.claim import is_output
from ganjax.data.decode import MAX_FILE_BYTES, ImageError, decode, printable
from ganjax.data.names import EXTENSIONS, is_picture, name_of, natural, with_hash
from ganjax.errors import GanjaxError
from ganjax.runtime import extras


class SourceError(GanjaxError):
  """No photos were found; the message names the pattern and the remedy."""


class Item(NamedTuple):
  """One photo that `find` found."""

  name: str  # unique and safe as a file's name; results are stored under it
  path: pathlib.Path


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
  """Photos in files, as a listing names them."""

  def __init__(self, root: str, listing: Callable[[int, int], Sequence[Sequence[str]]]):
    """Args:
    root: of the walk.
    listing: the walk's (name, relative path) from one index up to, but without, another.
    """
    self._root, self._listing = root, listing

  def entries(self, first: int, last: int) -> list[Entry]:
    return [
      Entry(first + i, name, os.path.join(self._root, relative))
      for i, (name, relative) in enumerate(self._listing(first, last))
    ]

  def read(self, entry: Entry) -> np.ndarray:
    if not is_remote(entry.source):
      return decode(entry.source)
    path = _remote(entry.source)
    try:
      size = path.stat().length
      encoded = path.read_bytes() if size is None or size <= MAX_FILE_BYTES else None
    except Exception as error:  # the libraries of the clouds raise errors of their own
      reason = printable(str(error)) or type(error).__name__
      raise ImageError(
        f'{entry.source}: cannot be read ({reason}); check path and permissions'
      ) from None
    if encoded is None:
      limit = MAX_FILE_BYTES // 2**20
      raise ImageError(f'{entry.source}: more than {limit} MiB; save it smaller')
    return decode(encoded, entry.source)


class Listed(NamedTuple):
  """Where a walk's photos lie: their names and paths below `root`, in a fixed order."""

  root: str
  photos: Iterator[tuple[str, str]]


def find(pattern: str | os.PathLike) -> list[Item]:
  """Lists the photos of a local file, folder or glob, as `walk` does, in natural order.

  Returns:
    Paths that are relative where `pattern` is; sorted by path, 2 before 10.

  Raises:
    SourceError: nothing is there, or no photos, or a folder cannot be read.
  """
  pattern = os.path.expanduser(os.fspath(pattern))
  if is_remote(pattern):
    raise SourceError(f'{pattern}: lies in a bucket, which this task cannot read; copy it here')
  root, photos = _walk(pathlib.Path(pattern), pattern)
  found = sorted(photos, key=lambda photo: natural(photo[1]))
  if not found:
    raise nothing_in(pattern)
  return [Item(name, root / relative) for name, relative in found]


def walk(pattern: str) -> Listed:
  """Lists the photos of a file, folder or glob, local or in a bucket, lazily.

  A file is taken as it is. A folder gives its pictures, by extension, and those of its
  sub-folders; hidden ones, links to folders and ganjax's own output folders are left out. A glob
  (`**` goes into sub-folders) gives what each match would, less the files that are no pictures.
  `names` says what they are called; of those in one folder that differ in their extension alone,
  all but the first get a hash of their path.

  A folder's own entries are sorted, so memory grows with the largest folder, not with the tree.

  Raises:
    SourceError: nothing is there; while iterating: a folder cannot be listed.
  """
  root, photos = _walk(path_of(pattern), pattern)
  return Listed(str(root), photos)


def nothing_in(pattern: str) -> SourceError:
  """What to raise where a walk has come upon no photo."""
  known = ', '.join(sorted(EXTENSIONS))
  return SourceError(
    f'{printable(pattern)}: no pictures found; name a file, or files ending in {known}'
  )


def _walk(path: pathlib.Path, pattern: str) -> tuple[pathlib.Path, Iterator[tuple[str, str]]]:
  """The folder that names start from, and the photos below it: (name, relative path)."""
  if not pattern:
    raise SourceError('no input is named; give a file, a folder or a glob')
  if path.is_dir():
    return path, _named(_below(path, ''))
  if path.exists() or os.path.lexists(path):
    return path.parent, iter([(name_of(path.name), path.name)])
  if not glob.has_magic(str(path)):
    raise SourceError(f'{printable(pattern)}: no such file or folder; check the path')
  root, rest = _split_glob(path)
  # A pattern that ends in '/' means folders alone; paths forget it.
  return root, _named(_matches(root, rest + '/' * pattern.endswith('/')))


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


def _below(folder: pathlib.Path, prefix: str) -> Iterator[str]:
  """The paths, below the walk's root, of the pictures below `folder`."""
  folders = []
  for name, is_folder in sorted(_entries(folder), key=lambda entry: natural(entry[0])):
    if is_folder:
      folders.append(name)
    else:
      yield prefix + name
  for name in folders:  # after the files, so that one folder's pictures follow one another
    if not is_output(folder / name):
      yield from _below(folder / name, f'{prefix}{name}/')


def _entries(folder: pathlib.Path) -> Iterator[tuple[str, bool]]:
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
    raise SourceError(
      f'{printable(str(folder))}: cannot be listed ({reason}); check its permissions'
    ) from None


def _split_glob(path: pathlib.Path) -> tuple[pathlib.Path, str]:
  """The folder above a glob's first wildcard, and the rest."""
  parts = path.parts
  fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
  return type(path)(*parts[:fixed]), '/'.join(parts[fixed:])


def _matches(root: pathlib.Path, rest: str) -> Iterator[str]:
  """Every picture that a glob matches, or that lies in a folder that it matches, once."""
  found = dict[str, None]()
  for match in _glob(root, rest):
    relative = match.relative_to(root).as_posix()
    if is_picture(match.name) and (is_remote(match) or not match.is_dir()):
      found[relative] = None
    elif match.is_dir() and not is_output(match):
      found.update(dict.fromkeys(_below(match, '' if relative == '.' else f'{relative}/')))
  return iter(
    sorted(found, key=lambda relative: (natural(os.path.dirname(relative)), natural(relative)))
  )


def _glob(root: pathlib.Path, rest: str) -> Iterator[pathlib.Path]:
  if not is_remote(root):
    yield from map(pathlib.Path, glob.iglob(os.path.join(root, rest), recursive=True))
    return
  try:
    for match in root.glob(rest):
      if not any(part[0] == '.' for part in match.relative_to(root).parts):
        yield match
  except NotImplementedError:
    raise SourceError(
      f'{root / rest}: no ** in buckets; name the folder itself, which has its sub-folders with it'
    ) from None


def path_of(spec: str) -> pathlib.Path:
  """A path that stays right in another working folder.

  Raises:
    SourceError: it lies in a bucket that cannot be reached.
  """
  if not is_remote(spec):
    return pathlib.Path(os.path.abspath(os.path.expanduser(spec)))
  path = _remote(spec)
  try:
    path.exists()
  except Exception as error:  # the libraries of the clouds raise errors of their own
    raise SourceError(
      f'{spec}: cannot be reached ({first_line(error)}); gs:// paths need `pip install gcsfs` '
      'and a login (`gcloud auth application-default login`)'
    ) from None
  return path


def _remote(path: str) -> Any:
  """A path in a bucket, which has pathlib's methods."""
  with extras.needs('bulk'):
    from etils import epath  # local paths need none of it

  return epath.Path(path)


def first_line(error: Exception) -> str:
  """What an error says, as far as it fits on one line."""
  return printable((str(error) or type(error).__name__).strip().splitlines()[0])


def is_remote(path: Any) -> bool:
  """Whether a path lies in a bucket."""
  return '://' in str(path)
