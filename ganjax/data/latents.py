"""Latents that earlier runs have saved: npz files, run folders, and data sets of bulk runs."""

import glob
import os
import pathlib
import zipfile
from typing import NamedTuple

import numpy as np

from ganjax.data.claim import read_config
from ganjax.data.names import DistinctNames, name_of, natural
from ganjax.data.sources import SourceError
from ganjax.runtime import extras

_DATASET = 'dataset_info.json'
_NOISE = 'noise.'


class Latent(NamedTuple):
  """One saved latent with the noise maps that belong to it."""

  name: str
  source: str
  latent: np.ndarray  # float32 [1, w_dim] (W) or [num_ws, w_dim] (W+)
  noise: dict[str, np.ndarray]  # 'b8.conv0' -> [8, 8]; empty where none were saved
  weights_sha256: str


def find_latents(pattern: str) -> list[Latent] | None:
  """Reads the latents that `pattern` means, or returns None where it means something else.

  Args:
    pattern: an npz file, a glob of them, a folder that holds some, the output folder of a run, or
      that of a finished bulk run.

  Raises:
    SourceError: a file is broken, holds no latent, or does not say which generator it belongs to.
  """
  path = pathlib.Path(os.path.expanduser(pattern))
  if (path / _DATASET).is_file():
    return _of_dataset(path)
  if path.is_dir():
    own = path / 'latents' if (path / 'latents').is_dir() else path
    paths = list(own.glob('*.npz'))
  elif path.is_file():
    paths = [path] if path.suffix == '.npz' else []
  else:
    matches = map(pathlib.Path, glob.glob(str(path), recursive=True))
    paths = [match for match in matches if match.suffix == '.npz']
  return [_read(p) for p in sorted(paths, key=lambda p: natural(p.name))] or None


def check_latents(latents: list[Latent], rows: tuple[int, int], weights_sha256: str) -> None:
  """Raises SourceError where a latent is not one of this generator's W or W+.

  Args:
    latents: what `find_latents` gave.
    rows: (num_ws, w_dim) of the generator.
    weights_sha256: of the generator.
  """
  for latent in latents:
    if latent.weights_sha256 != weights_sha256:
      raise SourceError(
        f'{latent.source}: belongs to another generator (sha256 {latent.weights_sha256[:12]}…, '
        f'these weights have {weights_sha256[:12]}…); name its --weights'
      )
    if latent.latent.shape not in ((1, rows[1]), rows):
      raise SourceError(
        f'{latent.source}: a latent of shape {list(latent.latent.shape)} cannot be edited; W has '
        f'[1, {rows[1]}] and W+ {list(rows)}: invert with --preset=projector'
      )


def _read(path: pathlib.Path) -> Latent:
  try:
    with open(path, 'rb') as raw, np.load(raw, allow_pickle=False) as file:
      arrays = {key: file[key] for key in file.files if key == 'latent' or key.startswith(_NOISE)}
      sha256 = str(file['weights_sha256']) if 'weights_sha256' in file.files else ''
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
    raise SourceError(f'{path}: no npz file that can be read ({error})') from None
  if 'latent' not in arrays:
    raise SourceError(f'{path}: holds no latent; give what --task=invert or bulk has saved')
  name = name_of(path.name)
  return _latent(name, path, arrays, sha256 or _weights_of(path.parent.parent))


def _latent(name: str, source: object, arrays: dict, sha256: str) -> Latent:
  if not sha256:
    raise SourceError(
      f'{source}: does not say which generator it belongs to; keep it in the folder of its run'
    )
  noise = {k.removeprefix(_NOISE): v for k, v in arrays.items() if k.startswith(_NOISE)}
  latent = np.asarray(arrays['latent'], np.float32)
  if not np.all(np.isfinite(latent)):
    raise SourceError(f'{source}: its latent is not finite; invert the picture again')
  return Latent(name, str(source), latent, noise, sha256)


def _weights_of(folder: pathlib.Path) -> str:
  """Which weights a run used; '' where `folder` is no run's."""
  return str((read_config(folder) or {}).get('weights_sha256', ''))


def _of_dataset(folder: pathlib.Path) -> list[Latent]:
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds  # takes a second, which other inputs need not wait

  sha256 = _weights_of(folder)
  try:
    source = tfds.builder_from_directory(str(folder)).as_data_source()
    examples = [example for split in source.values() for example in split]
  except Exception as error:  # TFDS raises errors of many types
    raise SourceError(f'{folder}: TFDS cannot read it ({str(error).splitlines()[0]})') from None
  if not examples or 'latent' not in examples[0]:
    raise SourceError(f'{folder}: a data set without latents; give the output of --task=bulk')
  distinct = DistinctNames()
  found = []
  for example in examples:
    name = distinct(example['name'].decode(), example.get('source', b'').decode())
    noise = {f'{_NOISE}{key}': value for key, value in example.get('noise', {}).items()}
    found.append(_latent(name, f'{folder}#{name}', {'latent': example['latent'], **noise}, sha256))
  return found
