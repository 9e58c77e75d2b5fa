"""Where photos come from, and listing them: each has a name that never changes.

There is one walk. It lists a file, a folder or a glob lazily, so that no list of millions is
held in memory: `bulk.plan` keeps the list on disk, `find` returns a list. (`records` has sources
that have an index already.) Paths are local, or in a bucket, which etils.epath reads (`gs://…`,
once `gcsfs` is installed).
"""

import contextlib
import dataclasses
import functools
import glob
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ganjax.data.claim import is_output
from ganjax.data.decode import MAX_FILE_BYTES, ImageError, decode_photo, printable
from ganjax.data.formats import READABLE, precedence
from ganjax.data.names import is_picture, name_of, natural, with_hash
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
    """One picture, uint8 [H, W, 3], or [H, W, 4] with an alpha channel.

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
      return decode_photo(entry.source)
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
    return decode_photo(encoded, entry.source)


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
  sub-folders; hidden ones and ganjax's own output folders are left out. Photographs that cannot be
  decoded are listed, too: reading them says why. A glob (`**` goes into sub-folders) gives what
  each match would, less the files that are no pictures. `names` says what they are called; of those
  in one folder that differ in their extension alone, all but the first get a hash of their path.

  Every folder is listed once, whatever links lead to it: under its own path where that lies below
  the root. Linked folders come last.

  A folder's own entries are sorted, so memory grows with the largest folder and the number of
  folders, not with that of the pictures.

  Raises:
    SourceError: nothing is there; while iterating: a folder cannot be listed.
  """
  root, photos = _walk(path_of(pattern), pattern)
  return Listed(str(root), photos)


def nothing_in(pattern: str) -> SourceError:
  """What to raise where a walk has come upon no photo."""
  known = ', '.join(sorted(READABLE))
  return SourceError(
    f'{printable(pattern)}: no pictures found; name a file, or files ending in {known}'
  )


def _walk(path: pathlib.Path, pattern: str) -> tuple[pathlib.Path, Iterator[tuple[str, str]]]:
  """The folder that names start from, and the photos below it: (name, relative path)."""
  if not pattern:
    raise SourceError('no input is named; give a file, a folder or a glob')
  if path.is_dir():
    if is_output(path):
      raise SourceError(
        f'{printable(pattern)}: is the output of a run, not a folder of pictures; name the folder '
        'in it that is meant, such as aligned, or another --input'
      )
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


class _Folder(NamedTuple):
  """What a folder holds, by name, in the order of the walk."""

  pictures: list[str]
  folders: list[str]
  links: list[str]  # to folders


def _below(top: pathlib.Path, prefix: str) -> Iterator[str]:
  """The paths, below the walk's root, of the pictures in `top`, which is at `prefix`, and below."""
  for below, folder in _folders(top, prefix):
    yield from (below + name for name in folder.pictures)


def _folders(top: pathlib.Path, prefix: str) -> Iterator[tuple[str, _Folder]]:
  """`top` and the folders below it, each with its own prefix, each once.

  Links are followed when all else is listed: a link changes no other picture's name.
  """
  seen: set[tuple[int, int]] = set()
  links: list[tuple[pathlib.Path, str]] = []
  yield from _descend(top, prefix, seen, links)
  for folder, below in links:  # grows meanwhile
    if not is_output(folder):
      yield from _descend(folder, below, seen, links)


def _descend(
  top: pathlib.Path,
  prefix: str,
  seen: set[tuple[int, int]],
  links: list[tuple[pathlib.Path, str]],
) -> Iterator[tuple[str, _Folder]]:
  """As `_folders`, without links; those go to `links`, and what was listed to `seen`."""
  if not is_remote(top):
    with _listing(top):
      status = os.stat(top)
    if (identity := (status.st_dev, status.st_ino)) in seen:
      return
    seen.add(identity)
  folder = _entries(top)
  yield prefix, folder  # before its sub-folders, so that its pictures follow one another
  links += [(top / name, f'{prefix}{name}/') for name in folder.links]
  for name in folder.folders:
    if not is_output(top / name):
      yield from _descend(top / name, f'{prefix}{name}/', seen, links)


@contextlib.contextmanager
def _listing(folder: pathlib.Path) -> Iterator[None]:
  """Names the folder that cannot be listed."""
  try:
    yield
  except OSError as error:
    reason = error.strerror or printable(str(error))
    raise SourceError(
      f'{printable(str(folder))}: cannot be listed ({reason}); check its permissions'
    ) from None


def _entries(folder: pathlib.Path) -> _Folder:
  """The pictures and sub-folders in a folder; hidden ones are left out."""
  found = _Folder([], [], [])
  with _listing(folder):
    if is_remote(folder):
      # A question per file would take hours: what is called a picture is no folder here.
      for path in folder.iterdir():
        if path.name[0] != '.' and (is_picture(path.name) or path.is_dir()):
          (found.pictures if is_picture(path.name) else found.folders).append(path.name)
    else:
      with os.scandir(folder) as entries:
        for entry in entries:
          if entry.name[0] != '.':
            _enter(found, entry)
  found.pictures.sort(key=_by_name)
  found.folders.sort(key=natural)
  found.links.sort(key=natural)
  return found


def _enter(found: _Folder, entry: os.DirEntry) -> None:
  if entry.is_dir(follow_symlinks=False):
    found.folders.append(entry.name)
  elif os.path.isdir(entry.path):
    found.links.append(entry.name)
  elif is_picture(entry.name):
    found.pictures.append(entry.name)


def _by_name(file: str) -> tuple:
  """The order of a folder's pictures, in which they are named."""
  return precedence(file), natural(file)


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
  chosen = list(found) if is_remote(root) else _without_detours(root, found)
  return iter(sorted(chosen, key=lambda path: (natural(os.path.dirname(path)), _by_name(path))))


def _without_detours(root: pathlib.Path, relatives: Iterable[str]) -> Iterable[str]:
  """Of the paths by which links lead to one picture, its own, or else the first."""
  real = functools.cache(os.path.realpath)
  chosen: dict[tuple[str, str], tuple] = {}
  for relative in relatives:
    folder, name = os.path.split(relative)
    target = real(root / folder)
    is_detour = target != os.path.normpath(os.path.join(real(root), folder))
    candidate = is_detour, natural(relative), relative
    chosen[target, name] = min(candidate, chosen.get((target, name), candidate))
  return [path for _, _, path in chosen.values()]


def _glob(root: pathlib.Path, rest: str) -> Iterator[pathlib.Path]:
  if not is_remote(root):
    yield from _local_glob(root, rest)
    return
  try:
    for match in root.glob(rest):
      if not any(part[0] == '.' for part in match.relative_to(root).parts):
        yield match
  except NotImplementedError:
    raise SourceError(
      f'{root / rest}: no ** in buckets; name the folder itself, which has its sub-folders with it'
    ) from None


def _local_glob(root: pathlib.Path, rest: str) -> Iterator[pathlib.Path]:
  """As `glob.iglob`, in which `**` would never come back from links that lead in a circle."""
  before, deep, after = f'/{rest}'.partition('/**')
  if not deep or after[:1] not in ('', '/'):
    yield from map(pathlib.Path, glob.iglob(os.path.join(glob.escape(str(root)), rest)))
    return
  for top in _local_glob(root, before[1:]) if before else [root]:
    if top.is_dir():
      for prefix, _ in _folders(top, ''):
        yield from _local_glob(top / prefix, after[1:]) if after[1:] else [top / prefix]


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
