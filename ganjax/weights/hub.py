"""Weights files that lie on the Hugging Face Hub: hf://owner/name/file, fetched once and kept."""

import functools
import logging
import os
import pathlib

from ganjax.errors import GanjaxError
from ganjax.runtime import extras

SCHEME = 'hf://'


class WeightsError(GanjaxError):
  """A weights file cannot be used; the message names the file and the remedy."""


def is_remote(path: str | os.PathLike) -> bool:
  """Whether a path is one of the hub's."""
  return isinstance(path, str) and path.startswith(SCHEME)


def located(path: str | os.PathLike) -> pathlib.Path:
  """Where a file lies on this machine; one of the hub's is fetched first, if it is not here.

  Args:
    path: a path, or 'hf://owner/name/file', or 'hf://owner/name@revision/file'.

  Raises:
    MissingPackageError: the hub's library is not installed.
    WeightsError: the file cannot be fetched.
  """
  return _fetched(str(path)) if is_remote(path) else pathlib.Path(path)


@functools.cache  # a run reads a file several times, and the hub is asked at each
def _fetched(path: str) -> pathlib.Path:
  owner, name, file = (*path.removeprefix(SCHEME).split('/', 2), '', '')[:3]
  name, _, revision = name.partition('@')
  if not (owner and name and file):
    raise WeightsError(
      f'{path}: write hf://owner/name/file, such as hf://me/faces/best.safetensors'
    )
  with extras.needs('hub'):
    from huggingface_hub import errors, hf_hub_download
  logging.getLogger('huggingface_hub').setLevel(logging.ERROR)  # it warns of each of its retries
  try:
    return pathlib.Path(hf_hub_download(f'{owner}/{name}', file, revision=revision or None))
  # What fails on the way has the types of Python, of the hub and of the library that it uses.
  except (OSError, ValueError, errors.HfHubHTTPError, errors.EntryNotFoundError) as error:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    raise WeightsError(
      f'{path}: cannot be fetched ({reason}); check the name and the network, or download the '
      'file and give its path'
    ) from None
