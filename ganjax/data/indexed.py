"""The pictures that a network learns from, by index: a folder, a glob, TFDS or ArrayRecord."""

import numpy as np

from ganjax.data import records, sources


class Pictures:
  """All pictures of a source, which several threads may read."""

  def __init__(self, spec: str):
    """Lists them.

    Args:
      spec: a picture, folder or glob, local or in a bucket; 'tfds:NAME:SPLIT'; ArrayRecord files.

    Raises:
      SourceError: there are none, or they cannot be listed.
    """
    self._source: sources.Source
    found = records.open_records(spec)
    if found is not None:
      self._source, self._count = found, len(found)
    else:
      root, listed = sources.walk(spec)
      pairs = list(listed)
      self._source = sources.Files(root, lambda first, last: pairs[first:last])
      self._count = len(pairs)
    if not self._count:
      raise sources.nothing_in(spec)

  def __len__(self) -> int:
    return self._count

  def entry(self, index: int) -> sources.Entry:
    """The name of one picture, and where it is."""
    return self._source.entries(index, index + 1)[0]

  def read(self, index: int) -> np.ndarray:
    """One picture, uint8 [H, W, 3]; what is transparent is white.

    Raises:
      ImageError: it is gone, or cannot be decoded.
    """
    return self._source.read(self.entry(index))[..., :3]
