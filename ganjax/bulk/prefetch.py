"""From a source's pictures to face crops, by threads that run ahead of the devices.

Threads suffice: dlib and Pillow let go of Python's lock while they work.
"""

import collections
import concurrent.futures
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from ganjax import data, faces
from ganjax.data.sources import Entry, Source


class Face(NamedTuple):
  """One face of one picture."""

  entry: Entry
  number: int  # of the face in its picture, from the left
  num_faces: int
  crop: faces.Crop

  @property
  def name(self) -> str:
    """The picture's name; `NAME..0`, `NAME..1`, … where it shows several faces.

    No picture's own name has two dots in a row, so no face is called like another picture.
    """
    return self.entry.name if self.num_faces == 1 else f'{self.entry.name}..{self.number}'

  @property
  def order(self) -> tuple[int, int]:
    return self.entry.index, self.number


def faces_of(
  source: Source, entry: Entry, template: faces.Template, size: int, align: faces.Mode
) -> list[Face] | str:
  """The faces of one picture, or the reason why there are none.

  Args:
    source: that `entry` belongs to.
    entry: the picture.
    template: of the generator.
    size: the crops' side, px.
    align: as `faces.align` takes it.
  """
  try:
    crops = faces.align(source.read(entry), template, size, align)
  except (data.ImageError, faces.FaceError) as error:
    return str(error).removeprefix(f'{entry.source}: ')
  return [Face(entry, i, len(crops), crop) for i, crop in enumerate(crops)]


A = TypeVar('A')
B = TypeVar('B')


def ahead(
  function: Callable[[A], B], items: Iterable[A], threads: int, depth: int
) -> Iterator[tuple[A, B]]:
  """Applies a function in threads, at most `depth` items ahead; results come in order."""
  items = iter(items)
  with concurrent.futures.ThreadPoolExecutor(threads) as pool:
    running: collections.deque[tuple[A, concurrent.futures.Future[B]]] = collections.deque()
    try:
      while True:
        for item in itertools.islice(items, depth - len(running)):
          running.append((item, pool.submit(function, item)))
        if not running:
          return
        item, future = running.popleft()
        yield item, future.result()
    finally:
      pool.shutdown(cancel_futures=True)
