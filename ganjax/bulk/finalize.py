"""From parts to a data set: the metadata that TFDS reads, and copies for those who want files."""

import io
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ganjax import data
from ganjax.bulk import plan
from ganjax.bulk.parts import DATASET, SPLIT, Parts
from ganjax.data import claim, journal
from ganjax.data.names import DistinctNames
from ganjax.data.records import FEATURES, INFO
from ganjax.runtime import extras

PICTURES = ('completed', 'image')  # the better one first


class IncompleteError(data.StoreError):
  """Blocks are missing; the message says how many."""


def write_features(folder: pathlib.Path, features: Any, scratch: pathlib.Path) -> None:
  """Writes features.json, which says how a part's records are read."""
  features.save_config(scratch)
  with journal.storage_errors(folder):
    os.replace(scratch / FEATURES, folder / FEATURES)


def finalize(folder: pathlib.Path, scratch: pathlib.Path) -> int:
  """Writes dataset_info.json; `tfds.builder_from_directory(folder)` then reads the data set.

  Args:
    folder: the output folder of a bulk run, every block of which is done.
    scratch: a folder for temporary files.

  Returns:
    The number of results.

  Raises:
    IncompleteError: blocks are missing.
    StoreError: no bulk run's folder; a part is damaged; the folder cannot be written.
  """
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds

  made = plan.read(folder)
  if made is None:
    raise data.StoreError(f'{folder}: no output folder of --task=bulk; name one with --output')
  parts = Parts(folder, made.num_blocks, scratch)
  missing = made.num_blocks - len(parts.done())
  if missing:
    raise IncompleteError(
      f'{folder}: {missing} of {made.num_blocks} blocks are not done; run the other shards, or '
      'the same command again'
    )
  lengths = [parts.check(block) for block in range(made.num_blocks)]
  features = tfds.features.FeatureConnector.from_config(str(folder))
  identity = tfds.core.dataset_info.DatasetIdentity(
    name=DATASET, version=tfds.core.Version('1.0.0'), data_dir=str(folder), module_name=''
  )
  info = tfds.core.DatasetInfo(
    builder=identity,
    features=features,
    description='Faces inverted by ganjax: the latents, and what they were made from.',
  )
  info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD)
  template = tfds.core.ShardedFileTemplate(
    data_dir=folder, dataset_name=DATASET, split=SPLIT, filetype_suffix='array_record'
  )
  size = sum((folder / parts.part(block)).stat().st_size for block in range(made.num_blocks))
  split = tfds.core.SplitInfo(
    name=SPLIT, shard_lengths=lengths, num_bytes=size, filename_template=template
  )
  info.set_splits(tfds.core.splits.SplitDict([split]))
  info.write_to_directory(scratch)
  with journal.storage_errors(folder):
    for name in (FEATURES, INFO):
      os.replace(scratch / name, folder / name)
  return sum(lengths)


def read(folder: pathlib.Path) -> Any:
  """The data set's records as TFDS's random-access source; images are [H, W, 3] uint8."""
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds

  return tfds.builder_from_directory(str(folder)).as_data_source(split=SPLIT)


def export(folder: pathlib.Path, kind: str, scratch: pathlib.Path) -> int:
  """Copies every result to a file of its own, in `folder`/npz or `folder`/png.

  The files are called as results.jsonl calls the results: each name is there once.

  Args:
    folder: a finished data set.
    kind: 'npz' (everything but pictures) or 'png' (the completed picture where there is one, or the
      restored one).
    scratch: a folder for temporary files.

  Returns:
    The number of files.

  Raises:
    StoreError: there are no images to export; the folder cannot be written.
  """
  write = {'npz': _npz, 'png': _png}[kind]
  source = read(folder)
  if kind == 'png':
    require_images(folder, source)
  paths = [f'{kind}/{name}.{kind}' for name in _names(folder, scratch)]
  claim_files(folder, paths, scratch)
  with journal.storage_errors(folder):
    (folder / kind).mkdir(exist_ok=True)
  for path, example in zip(paths, source, strict=True):
    journal.replace(folder / path, write(example), scratch)
  return len(source)


def _names(folder: pathlib.Path, scratch: pathlib.Path) -> Iterator[str]:
  """The results' names in the data set's order, each once."""
  made = plan.read(folder)
  assert made is not None  # the data set is finished
  parts = Parts(folder, made.num_blocks, scratch)
  distinct = DistinctNames()
  for block in range(made.num_blocks):
    for line in parts.read_lines(block):
      if 'reason' not in line:
        yield distinct(line['name'], line['source'])


def require_images(folder: pathlib.Path, source: Any) -> None:
  """Raises StoreError where a data set, as `read` gives it, keeps no images."""
  if 'image' not in source.dataset_info.features:
    raise data.StoreError(f'{folder}: made with --nosave_image, so there is no picture to export')


def claim_files(folder: pathlib.Path, names: list[str], scratch: pathlib.Path) -> None:
  """Notes what is about to be written; refuses where others' files are in the way."""
  written = dict.fromkeys(journal.read_lines(folder / claim.WRITTEN))
  for name in names:
    if name not in written and os.path.lexists(folder / name):
      raise data.StoreError(f'{folder / name}: not written by ganjax; move it')
  lines = ''.join(json.dumps(name) + '\n' for name in {**written, **dict.fromkeys(names)})
  journal.replace(folder / claim.WRITTEN, lines.encode(), scratch)


def _npz(example: dict[str, Any]) -> bytes:
  """Everything but pictures; nested values as 'metrics.psnr', 'noise.b4.conv1'."""
  arrays: dict[str, Any] = {}
  for key, value in example.items():
    if isinstance(value, dict):
      arrays.update({f'{key}.{name}': item for name, item in value.items()})
    elif key not in PICTURES:
      arrays[key] = value.decode() if isinstance(value, bytes) else value
  file = io.BytesIO()
  np.savez(file, **arrays)
  return file.getvalue()


def _png(example: dict[str, Any]) -> bytes:
  return data.encode_png(next(example[name] for name in PICTURES if name in example))
