"""One file format for all weights: safetensors with a JSON header.

The header says what the tensors are (architecture, face template) and where they came from
(source file, sha256, licence), so that a file is enough to rebuild the network and to crop faces
for it.
"""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from ganjax.weights import hub
from ganjax.weights.hub import WeightsError

FORMAT = 'ganjax/1'
_HEADER_KEY = 'ganjax'
_REMEDY = "make one of another program's file, as by `python -m ports.stylegan2`"


def save(path: str | os.PathLike, tensors: dict[str, np.ndarray], header: dict) -> None:
  """Writes tensors and header to `path` in one atomic step.

  Args:
    path: where to write; a file there is replaced.
    tensors: name -> array. Stored in the arrays' own types.
    header: anything that JSON can say; 'format' is set here.
  """
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    temporary.write_bytes(to_bytes(tensors, header))
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def to_bytes(tensors: dict[str, np.ndarray], header: dict) -> bytes:
  """What `save` writes."""
  tensors = {name: np.asarray(value, order='C') for name, value in sorted(tensors.items())}
  return safetensors.numpy.save(tensors, {_HEADER_KEY: json.dumps({**header, 'format': FORMAT})})


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
  """Reads what `save` wrote.

  Returns:
    (tensors, header): the arrays by name, and the header.

  Raises:
    WeightsError: the file is missing, broken, or not one of ganjax's, or cannot be fetched.
  """
  return _read(path, lambda file: {n: file.get_tensor(n) for n in file.keys()})  # noqa: SIM118


def read_family(
  path: str | os.PathLike, family: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """`read`, but only for files of the given family ('stylegan2', 'vgg16', …)."""
  tensors, header = read(path)
  check_family(path, header, family)
  return tensors, header


def check_family(path: str | os.PathLike, header: dict, family: str) -> None:
  """Raises WeightsError for files of another family than the given one."""
  if header.get('family') != family:
    raise WeightsError(f'{path}: holds {header.get("family")} weights where {family} is needed')


@contextlib.contextmanager
def reading_header(path: str | os.PathLike) -> Iterator[None]:
  """Turns what an entry of a header that is missing or impossible provokes into a WeightsError."""
  try:
    yield
  except (KeyError, TypeError, ValueError) as error:
    raise WeightsError(f'{path}: broken header: {error}') from None


def read_header(path: str | os.PathLike) -> dict:
  """The header alone; raises as `read`."""
  return _read(path, lambda file: {})[1]


def _read(path: str | os.PathLike, tensors_of: Callable[[Any], dict]) -> tuple[dict, dict]:
  file_path = hub.located(path)
  if not file_path.is_file():
    raise WeightsError(f'{path}: no such weights file')
  try:
    with safetensors.safe_open(file_path, framework='numpy') as file:
      header = json.loads((file.metadata() or {}).get(_HEADER_KEY, 'null'))
      tensors = tensors_of(file)
  except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
    raise WeightsError(f'{path}: not a ganjax weights file ({error}); {_REMEDY}') from None
  if not isinstance(header, dict) or header.get('format') != FORMAT:
    raise WeightsError(f'{path}: a safetensors file without a {FORMAT} header; {_REMEDY}')
  return tensors, header


def sha256(path: str | os.PathLike) -> str:
  """The file's sha256, as hexadecimal digits."""
  with open(hub.located(path), 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
