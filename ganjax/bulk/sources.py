"""Where a data set's pictures come from: each has an index and a name that never change.

Folders and globs are walked lazily, so that no list of millions is held in memory; `plan` keeps
the list on disk. TFDS data sets and ArrayRecord files have an index already. Paths are local or
whatever etils.epath reads (`gs://…`, once `gcsfs` is installed).
"""

import dataclasses
import glob
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from etils import epath

from ganjax import data
from ganjax.bulk.parts import FEATURES, INFO
from ganjax.data.claim import is_output
from ganjax.data.decode import MAX_FILE_BYTES, printable
from ganjax.data.source import is_picture, name_of, natural, with_hash

_TFDS = re.compile(r'tfds:(?P<name>.+?):(?P<split>[^:\[]+(\[.*\])?)')
_IMAGE_KEYS = ('image', 'image/encoded')  # of tf.train.Example in ArrayRecord files
_REPREPARE = (
  'prepare it again with `tfds build NAME --file_format=array_record`, or convert it with '
  '`tfds convert_format --dataset_dir=DIR --out_dir=NEW --out_file_format=array_record` (both '
  'need TensorFlow, once, on any machine)'
)


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


class Records:
  """A TFDS split, or ArrayRecord files: whatever gives encoded pictures by index."""

  def __init__(self, spec: str, stem: str, records: Any, key: str | None):
    self.spec, self._stem, self._records, self._key = spec, stem, records, key
    self._lock = threading.Lock()

  def __len__(self) -> int:
    return len(self._records)

  def entries(self, first: int, last: int) -> list[Entry]:
    return [
      Entry(i, f'{self._stem}-{i:08d}', f'{self.spec}#{i}')
      for i in range(first, min(last, len(self)))
    ]

  def read(self, entry: Entry) -> np.ndarray:
    try:
      with self._lock:
        record = self._records[entry.index]
      encoded = _picture_of(record) if self._key is None else record[self._key]
    except Exception as error:  # whatever TFDS and ArrayRecord raise at a damaged record
      reason = printable(str(error)) or type(error).__name__
      raise data.ImageError(f'{entry.source}: cannot be read ({reason}); copy it again') from None
    return data.decode(bytes(encoded), entry.source)


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
    if not _is_remote(entry.source):
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


def open_records(spec: str) -> Records | None:
  """The source that `spec` names, if its pictures lie in records; None for files and folders.

  Args:
    spec: 'tfds:NAME:SPLIT', where NAME may be the folder of a prepared data set; such a folder
      itself, where it has one split only; or ArrayRecord files, as a path or a glob.

  Raises:
    SourceError: it cannot be opened, or has no pictures.
  """
  if spec.startswith('tfds:'):
    if (parts := _TFDS.fullmatch(spec)) is None:
      raise data.SourceError(f'{spec}: name a split, too, as in tfds:NAME:train')
    return _tfds(spec, parts['name'], parts['split'])
  path = _path(spec)
  if '.array_record' in path.name:
    return _array_record(spec, path)
  if (path / INFO).exists() and (path / FEATURES).exists():
    return _tfds(spec, spec, None)
  return None


def _path(spec: str) -> epath.Path:
  """A path that stays right in another working folder.

  Raises:
    SourceError: it lies in a bucket that cannot be reached.
  """
  if not _is_remote(spec):
    return epath.Path(os.path.abspath(os.path.expanduser(spec)))
  path = epath.Path(spec)
  try:
    path.exists()
  except Exception as error:  # the libraries of the clouds raise errors of their own
    raise data.SourceError(
      f'{spec}: cannot be reached ({_first_line(error)}); gs:// paths need `pip install gcsfs` '
      'and a login (`gcloud auth application-default login`)'
    ) from None
  return path


def _tfds(spec: str, name: str, split: str | None) -> Records:
  import tensorflow_datasets as tfds  # takes a second, which other sources need not wait

  folder = _path(name)
  try:
    if (folder / INFO).exists():
      builder = tfds.builder_from_directory(folder)
    else:
      builder = tfds.builder(name)
    splits = list(builder.info.splits)
  except Exception as error:  # TFDS raises errors of many types
    raise data.SourceError(f'{spec}: TFDS cannot open it: {_first_line(error)}') from None
  if not splits:
    raise data.SourceError(f'{spec}: not prepared on this machine; {_REPREPARE}')
  if builder.info.file_format not in tfds.core.FileFormat.with_random_access():
    kind = builder.info.file_format.value
    raise data.SourceError(f'{spec}: stored as {kind}, which cannot be read by index; {_REPREPARE}')
  if split is None and len(splits) > 1:
    raise data.SourceError(f'{spec}: has splits {", ".join(splits)}; name one: tfds:{spec}:SPLIT')
  split = split or splits[0]
  key = _image_key(spec, builder.info.features, tfds.features.Image)
  try:
    records = builder.as_data_source(split=split, decoders={key: tfds.decode.SkipDecoding()})
    len(records)
  except Exception as error:
    raise data.SourceError(
      f'{spec}: TFDS cannot read it: {_first_line(error)}; its splits are {", ".join(splits)}'
    ) from None
  return Records(spec, name_of(re.sub(r'\W+', '_', split).strip('_')), records, key)


def _image_key(spec: str, features: Any, kind: type) -> str:
  keys = [key for key, feature in features.items() if isinstance(feature, kind)]
  if 'image' in keys:
    return 'image'
  if len(keys) != 1:
    found = f'several ({", ".join(keys)})' if keys else 'none'
    raise data.SourceError(
      f"{spec}: needs one image feature, or one called 'image'; it has {found}"
    )
  return keys[0]


def _array_record(spec: str, path: epath.Path) -> Records:
  from array_record.python.array_record_data_source import ArrayRecordDataSource

  paths = sorted(glob.glob(str(path))) if glob.has_magic(str(path)) else [str(path)]
  missing = [p for p in paths if not os.path.isfile(p)]
  if missing or not paths:
    raise data.SourceError(f'{(missing or [spec])[0]}: no such file (ArrayRecord must be local)')
  try:
    records = ArrayRecordDataSource(paths)
  except RuntimeError as error:
    raise data.SourceError(f'{spec}: no ArrayRecord file ({_first_line(error)})') from None
  if not len(records):
    raise data.SourceError(f'{spec}: holds no records; is it an ArrayRecord file, copied whole?')
  stem = name_of(re.sub(r'\W+', '_', pathlib.Path(paths[0]).name.partition('.array_record')[0]))
  return Records(spec, stem, records, None)


def _picture_of(record: bytes) -> bytes:
  """A record is an encoded picture, or a tf.train.Example that holds one."""
  from google.protobuf.message import DecodeError
  from tensorflow_datasets.proto import tf_example_pb2

  try:
    features = tf_example_pb2.Example.FromString(record).features.feature
  except DecodeError:
    return record
  for key in _IMAGE_KEYS:
    if key in features:
      return features[key].bytes_list.value[0]
  return record


def _first_line(error: Exception) -> str:
  return printable((str(error) or type(error).__name__).strip().splitlines()[0])


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
  path = _path(pattern)
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
    if _is_remote(folder):
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
    if is_picture(match.name) and (_is_remote(match) or not match.is_dir()):
      found[relative] = None
    elif match.is_dir() and not is_output(match):
      found.update(dict.fromkeys(_walk(match, f'{relative}/')))
  return iter(
    sorted(found, key=lambda relative: (natural(os.path.dirname(relative)), natural(relative)))
  )


def _glob(root: epath.Path, rest: str) -> Iterator[epath.Path]:
  if not _is_remote(root):
    yield from map(type(root), glob.iglob(str(root / rest), recursive=True))
    return
  try:
    yield from root.glob(rest)
  except NotImplementedError:
    raise data.SourceError(
      f'{root / rest}: no ** in buckets; name the folder itself, which has its sub-folders with it'
    ) from None


def _is_remote(path: Any) -> bool:
  return '://' in str(path)
