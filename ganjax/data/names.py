"""The names that the results of photos go by: unique, steady, and safe as files' names.

A name depends on the photo's own path below the folder that was named, so that other files, come or
gone, change neither the name nor the random numbers drawn from it.
"""

import hashlib
import os
import re
import unicodedata

from ganjax.data import formats

MAX_NAME_BYTES = 120  # file systems allow 255, and results add to the name
_FOLDER = '__'  # stands for '/' in a name
_HASHED = re.compile(r'-[0-9a-f]{10}$')
_NUMBERED = re.compile(r'_[0-9]+$')


def name_of(relative: str) -> str:
  """The name of the photo at `relative`, a path with '/': `x.jpg` is `x`, `a/x.jpg` is `a__x`.

  Where that would not lead back to the path (odd characters, `a__x.jpg`), a short hash of the path
  follows.
  """
  stem, _ = os.path.splitext(relative)
  plain = unicodedata.normalize('NFC', stem.replace('/', _FOLDER))
  name = re.sub(r'^[.-]|[^\w.-]|(?<=\.)\.', '_', plain)
  name = name.encode()[:MAX_NAME_BYTES].decode(errors='ignore')
  if name.replace(_FOLDER, '/') == stem and not _HASHED.search(name):
    return name
  return with_hash(name, relative)


def with_hash(name: str, relative: str) -> str:
  """`name`, made unique by its photo's path."""
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
  """The name of one face of the photo `name` that shows several, counted from the left."""
  return f'{name}_{index}'


def is_picture(file: str) -> bool:
  """Whether a file's name ends as a photograph's; not all of these can be decoded."""
  return formats.extension(file) in formats.PHOTOGRAPHS


def natural(text: str) -> tuple:
  """Sorts digits as numbers; equal ones (1, 01) by their text."""
  parts = re.split(r'([0-9]+)', text)
  return [(int(part), '') if i % 2 else (0, part) for i, part in enumerate(parts)], text
