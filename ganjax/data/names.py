"""Where pictures come from: a file, a folder or a glob, and the names their results go by."""

import glob
import hashlib
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from ganjax.data import claim
from ganjax.data.decode import printable
from ganjax.errors import GanjaxError

EXTENSIONS = frozenset(
  {'png', 'jpg', 'jpeg', 'jpe', 'jfif', 'mpo', 'webp', 'bmp', 'tif', 'tiff', 'gif'}
  | {'ppm', 'pgm', 'pbm', 'pnm', 'pfm'}
)
MAX_NAME_BYTES = 120  # file systems allow 255, and results add to the name
_FOLDER = '__'  # stands for '/' in a name
_HASHED = re.compile(r'-[0-9a-f]{10}$')
_NUMBERED = re.compile(r'_[0-9]+$')


class SourceError(GanjaxError):
  """No pictures were found; the message names the pattern and the remedy."""


class Item(NamedTuple):
  name: str  # unique and safe as a file's name; results are stored under it
  path: pathlib.Path


def find(pattern: str | os.PathLike) -> list[Item]:
  """Lists the pictures that `pattern` means, in natural order (2 before 10).

  A file is taken as it is. A folder gives its pictures, by extension, and those of its
  sub-folders; hidden ones, links to folders and ganjax's own output folders are left out. A glob
  (`**` goes into sub-folders) gives what each match would, less the files that are no pictures.

  A name depends on the picture's own path below the folder, so that other files, come or gone,
  change neither the name nor the random numbers drawn from it: `x.jpg` is `x`, `a/x.jpg` is
  `a__x`. Where that would not lead back to the path (odd characters, `a__x.jpg`), and for all but
  the first of pictures that differ in their extension alone, a short hash of the path follows.

  Raises:
    SourceError: nothing is there, or no pictures, or a folder cannot be read.
  """
  pattern = os.path.expanduser(os.fspath(pattern))
  shown = printable(pattern)
  path = pathlib.Path(pattern)
  if not pattern:
    raise SourceError('no input is named; give a file, a folder or a glob')
  if path.is_dir():
    root, paths = path, list(_pictures(path))
  elif os.path.lexists(path):
    root, paths = path.parent, [path]
  elif glob.has_magic(pattern):
    root, paths = _matches(pattern)
  else:
    raise SourceError(f'{shown}: no such file or folder; check the path')
  if not paths:
    known = ', '.join(sorted(EXTENSIONS))
    raise SourceError(f'{shown}: no pictures found; name a file, or files ending in {known}')
  relatives = sorted((path.relative_to(root).as_posix() for path in paths), key=natural)
  items: dict[str, Item] = {}
  for relative in relatives:
    name = name_of(relative)
    if name in items:
      name = with_hash(name, relative)
    items[name] = Item(name, root / relative)
  return list(items.values())


def name_of(relative: str) -> str:
  """The name of the picture at `relative`, a path with '/'; see `find`."""
  stem, _ = os.path.splitext(relative)
  plain = unicodedata.normalize('NFC', stem.replace('/', _FOLDER))
  name = re.sub(r'^[.-]|[^\w.-]|(?<=\.)\.', '_', plain)
  name = name.encode()[:MAX_NAME_BYTES].decode(errors='ignore')
  if name.replace(_FOLDER, '/') == stem and not _HASHED.search(name):
    return name
  return with_hash(name, relative)


def with_hash(name: str, relative: str) -> str:
  """`name`, made unique by its picture's path."""
  return f'{name}-{hashlib.sha256(os.fsencode(relative)).hexdigest()[:10]}'


class DistinctNames:
  """Gives each of many results a name of its own, one after another.

  The photo `me` with two faces and the photo `me_1` both give a `me_1`: the later one gets a short
  hash of its source. Only names that end in a number are remembered, since no others can clash.
  """

  def __init__(self) -> None:
    self._taken: set[str] = set()

  def __call__(self, name: str, source: str) -> str:
    """The name that the result called `name`, of the photo at `source`, goes by."""
    if not _NUMBERED.search(name):
      return name
    own = with_hash(name, source) if name in self._taken else name
    self._taken.add(own)
    return own


def face_name(name: str, index: int) -> str:
  """The name of one face of the picture `name` that shows several, counted from the left."""
  return f'{name}_{index}'


def _pictures(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  for parent, folders, files in os.walk(folder, onerror=_refuse):
    here = pathlib.Path(parent)
    folders[:] = [f for f in folders if f[0] != '.' and not claim.is_output(here / f)]
    yield from (here / file for file in files if file[0] != '.' and is_picture(file))


def _matches(pattern: str) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """The folder above a glob's first wildcard, and the pictures below it, each once."""
  parts = pathlib.Path(pattern).parts
  fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
  paths: dict[pathlib.Path, None] = {}
  for match in map(pathlib.Path, glob.iglob(pattern, recursive=True)):
    if match.is_dir():
      if not claim.is_output(match):
        paths.update(dict.fromkeys(_pictures(match)))
    elif is_picture(match.name):
      paths[match] = None
  return pathlib.Path(*parts[:fixed]), list(paths)


def is_picture(file: str) -> bool:
  """Whether a file's name ends as a picture's."""
  return os.path.splitext(file)[1][1:].lower() in EXTENSIONS


def _refuse(error: OSError) -> None:
  folder = printable(error.filename)
  raise SourceError(f'{folder}: cannot be listed ({error.strerror}); check its permissions')


def natural(text: str) -> tuple:
  """Sorts digits as numbers; equal ones (1, 01) by their text."""
  parts = re.split(r'([0-9]+)', text)
  return [(int(part), '') if i % 2 else (0, part) for i, part in enumerate(parts)], text
