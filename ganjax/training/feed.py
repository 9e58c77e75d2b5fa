"""Training examples in a shuffled order, read ahead by threads, from any step on.

The order is a function of the seed and the example's position in the run alone: nothing about it
needs to be saved, and it does not change with the number of threads, devices or processes.
"""

import collections
import functools
import itertools
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from ganjax.data import ImageError, SourceError

Read = Callable[[int, np.random.Generator], Any]

ORDER, EXAMPLE = 0, 1  # what a random stream is for
MAX_NEIGHBOURS = 100  # how many unreadable pictures in a row mean that something else is wrong


class Feed:
  """Batches of examples; every epoch is shuffled anew.

  An example that cannot be read is replaced by the next one of the data set that can.
  """

  def __init__(
    self,
    read: Read,
    size: int,
    batch_size: int,
    seed: int,
    *,
    threads: int = 4,
    ahead: int = 2,
    share: tuple[int, int] | None = None,
    on_failure: Callable[[int, ImageError], None] = lambda index, error: None,
  ):
    """Args:
      read: (index, random stream) -> one example, a pytree of arrays; called by several threads.
        Raises ImageError where it cannot be read.
      size: how many examples there are.
      batch_size: of all processes together.
      seed: decides the order and every example's random stream.
      threads: how many examples are read at the same time.
      ahead: how many batches are read ahead.
      share: (which, of how many) consecutive parts of each batch to read; by default this
        process's among all.
      on_failure: told of each example that cannot be read, once; by one thread at a time.

    Raises:
      SourceError: there are no examples.
      ValueError: the batch cannot be shared equally.
    """
    if size < 1:
      raise SourceError('there are no pictures to learn from; check --input')
    which, count = share or (jax.process_index(), jax.process_count())
    if batch_size % count:
      raise ValueError(f'{batch_size} pictures a batch cannot be shared by {count} processes')
    self._read, self._size, self._batch_size, self._seed = read, size, batch_size, seed
    self._threads, self._ahead = threads, ahead
    part = batch_size // count
    # A thread reads several: passing one picture on takes as long as copying it does.
    each = -(-part // threads)
    own = range(which * part, (which + 1) * part)
    self._parts = [own[i : i + each] for i in range(0, part, each)]
    self._on_failure = on_failure
    self._failed: set[int] = set()
    self._lock = threading.Lock()
    self._order = functools.lru_cache(maxsize=2)(self._permutation)

  def batches(self, first: int = 0) -> Generator[Any, None, None]:
    """This process's part of every batch from step `first` on, without end.

    Returns:
      Pytrees as `read` gives them, every leaf with a leading axis; numpy.

    Raises:
      SourceError: nearly nothing can be read.
    """
    pool = ThreadPoolExecutor(self._threads, 'feed')
    waiting: collections.deque[list[Future]] = collections.deque()
    try:
      for step in itertools.count(first):
        first_one = step * self._batch_size
        waiting.append(
          [
            pool.submit(self._examples, range(first_one + part.start, first_one + part.stop))
            for part in self._parts
          ]
        )
        if len(waiting) > self._ahead:
          parts = [future.result() for future in waiting.popleft()]
          yield _stack(list(itertools.chain(*parts)))
    finally:
      pool.shutdown(wait=True, cancel_futures=True)

  def _examples(self, positions: range) -> list[Any]:
    return [self.example(position) for position in positions]

  def example(self, position: int) -> Any:
    """The example at one position of the run (step · batch_size + place in the batch)."""
    epoch, place = divmod(position, self._size)
    start = int(self._order(epoch)[place])
    for offset in range(min(self._size, MAX_NEIGHBOURS)):
      index = (start + offset) % self._size
      try:
        return self._read(index, np.random.default_rng((self._seed, EXAMPLE, position)))
      except ImageError as error:
        self._report(index, error)
        last = error
    raise SourceError(f'{min(self._size, MAX_NEIGHBOURS)} pictures in a row are broken; {last}')

  def _permutation(self, epoch: int) -> np.ndarray:
    return np.random.default_rng((self._seed, ORDER, epoch)).permutation(self._size)

  def _report(self, index: int, error: ImageError) -> None:
    with self._lock:
      if index in self._failed:
        return
      self._failed.add(index)
      self._on_failure(index, error)


def _stack(examples: list) -> Any:
  return jax.tree.map(lambda *leaves: np.stack(leaves), *examples)
