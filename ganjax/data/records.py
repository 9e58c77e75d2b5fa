"""Pictures in records, which have an index already: TFDS data sets and ArrayRecord files."""

import glob
import os
import pathlib
import re
import threading
from typing import Any

import numpy as np

from ganjax.data.decode import ImageError, decode_photo, printable
from ganjax.data.names import name_of
from ganjax.data.sources import Entry, SourceError, first_line, path_of
from ganjax.runtime import extras

FEATURES, INFO = 'features.json', 'dataset_info.json'  # TFDS's metadata of a data set
_TFDS = re.compile(r'tfds:(?P<name>.+?):(?P<split>[^:\[]+(\[.*\])?)')
_IMAGE_KEYS = ('image', 'image/encoded')  # of tf.train.Example in ArrayRecord files
_REPREPARE = (
  'prepare it again with `tfds build NAME --file_format=array_record`, or convert it with '
  '`tfds convert_format --dataset_dir=DIR --out_dir=NEW --out_file_format=array_record` (both '
  'need TensorFlow, once, on any machine)'
)


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
      raise ImageError(f'{entry.source}: cannot be read ({reason}); copy it again') from None
    return decode_photo(bytes(encoded), entry.source)


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
      raise SourceError(f'{spec}: name a split, too, as in tfds:NAME:train')
    return _tfds(spec, parts['name'], parts['split'])
  path = path_of(spec)
  if '.array_record' in path.name:
    return _array_record(spec, path)
  if (path / INFO).exists() and (path / FEATURES).exists():
    return _tfds(spec, spec, None)
  return None


def _tfds(spec: str, name: str, split: str | None) -> Records:
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds  # takes a second, which other sources need not wait

  folder = path_of(name)
  try:
    if (folder / INFO).exists():
      builder = tfds.builder_from_directory(folder)
    else:
      builder = tfds.builder(name)
    splits = list(builder.info.splits)
  except Exception as error:  # TFDS raises errors of many types
    raise SourceError(f'{spec}: TFDS cannot open it: {first_line(error)}') from None
  if not splits:
    raise SourceError(f'{spec}: not prepared on this machine; {_REPREPARE}')
  if builder.info.file_format not in tfds.core.FileFormat.with_random_access():
    kind = builder.info.file_format.value
    raise SourceError(f'{spec}: stored as {kind}, which cannot be read by index; {_REPREPARE}')
  if split is None and len(splits) > 1:
    raise SourceError(f'{spec}: has splits {", ".join(splits)}; name one: tfds:{spec}:SPLIT')
  split = split or splits[0]
  key = _image_key(spec, builder.info.features, tfds.features.Image)
  try:
    records = builder.as_data_source(split=split, decoders={key: tfds.decode.SkipDecoding()})
    len(records)
  except Exception as error:
    raise SourceError(
      f'{spec}: TFDS cannot read it: {first_line(error)}; its splits are {", ".join(splits)}'
    ) from None
  return Records(spec, name_of(re.sub(r'\W+', '_', split).strip('_')), records, key)


def _image_key(spec: str, features: Any, kind: type) -> str:
  keys = [key for key, feature in features.items() if isinstance(feature, kind)]
  if 'image' in keys:
    return 'image'
  if len(keys) != 1:
    found = f'several ({", ".join(keys)})' if keys else 'none'
    raise SourceError(f"{spec}: needs one image feature, or one called 'image'; it has {found}")
  return keys[0]


def _array_record(spec: str, path: pathlib.Path) -> Records:
  with extras.needs('bulk'):
    import tensorflow_datasets.proto  # noqa: F401  # of `_picture_of`
    from array_record.python.array_record_data_source import ArrayRecordDataSource

  paths = sorted(glob.glob(str(path))) if glob.has_magic(str(path)) else [str(path)]
  missing = [p for p in paths if not os.path.isfile(p)]
  if missing or not paths:
    raise SourceError(f'{(missing or [spec])[0]}: no such file (ArrayRecord must be local)')
  try:
    records = ArrayRecordDataSource(paths)
  except RuntimeError as error:
    raise SourceError(f'{spec}: no ArrayRecord file ({first_line(error)})') from None
  if not len(records):
    raise SourceError(f'{spec}: holds no records; is it an ArrayRecord file, copied whole?')
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
