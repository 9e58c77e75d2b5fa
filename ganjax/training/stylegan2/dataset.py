"""What a generator learns from: square photographs of one size, and their classes."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ganjax.data import SourceError
from ganjax.training import Pictures

Read = Callable[[int, np.random.Generator], tuple[np.ndarray, Any]]

REMEMBERED = 2 << 30  # bytes of decoded pictures: an accelerator learns faster than files decode


def reader(pictures: Pictures, side: int, classes: tuple[str, ...] = ()) -> Read:
  """What reads (photograph, label): uint8 [side, side, 3] and float32 [c_dim], or None.

  Photographs are decoded once, as far as memory is set aside for them.

  Args:
    pictures: where they are.
    side: px.
    classes: as `folders` gives them; none for a generator without classes.
  """
  remembered: dict[int, np.ndarray] = {}
  most = REMEMBERED // (3 * side * side)

  def photograph(index: int) -> np.ndarray:
    if index not in remembered:
      picture = square(pictures.read(index), side)
      if len(remembered) >= most:
        return picture
      remembered[index] = picture
    return remembered[index]

  def read(index: int, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
    del rng  # mirroring and augmentation are the training step's
    picture = photograph(index)
    if not classes:
      return picture, None
    label = np.zeros(len(classes), np.float32)
    label[classes.index(_folder(pictures.entry(index).source))] = 1
    return picture, label

  return read


def folders(pictures: Pictures) -> tuple[str, ...]:
  """The classes of pictures that lie in a folder per class, in order.

  Raises:
    SourceError: there is but one folder.
  """
  names = {_folder(pictures.entry(index).source) for index in range(len(pictures))}
  if len(names) < 2:
    raise SourceError(
      f'all pictures lie in one folder ({names.pop()}); --class_conditional needs one per class'
    )
  return tuple(sorted(names))


def square(picture: np.ndarray, side: int) -> np.ndarray:
  """The picture's middle at side × side: uint8 [H, W, 3] -> [side, side, 3]."""
  height, width = picture.shape[:2]
  if height == width == side:
    return picture
  cut = min(height, width)
  left, top = (width - cut) / 2, (height - cut) / 2
  image = Image.fromarray(picture)
  size, box = (side, side), (left, top, left + cut, top + cut)
  return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box))


def _folder(source: str) -> str:
  return os.path.basename(os.path.dirname(source))
