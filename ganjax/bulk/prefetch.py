"""From a source's photos to face crops, by threads that run ahead of the devices.

Threads suffice: dlib and Pillow let go of Python's lock while they work.
"""

import collections
import concurrent.futures
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ganjax.data.sources import Entry, Source
from ganjax.restoration import faces as restoration_faces
from ganjax.restoration.faces import UNUSABLE, Face, Photo, Search


def faces_of(source: Source, entry: Entry, search: Search) -> list[Face] | str:
  """The faces of one photo, or the reason why there are none.

  Args:
    source: that `entry` belongs to.
    entry: the photo.
    search: how faces are found and cut out.
  """
  try:
    return restoration_faces.faces_of(photo_of(source, entry), search, keep_photo=False)
  except UNUSABLE as error:
    return reason_of(error, entry)


def photo_of(source: Source, entry: Entry) -> Photo:
  """A photo of a source, which is read when it is needed."""
  return Photo(entry.name, entry.source, functools.partial(source.read, entry))


def reason_of(error: Exception, entry: Entry) -> str:
  """Why a photo cannot be used, without its own address."""
  return str(error).removeprefix(f'{entry.source}: ')


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
