"""Pixels as files have them, and as networks see them; NumPy's arrays or, within jit, JAX's."""

import warnings
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

if TYPE_CHECKING:
  import jax

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue: ITU-R BT.601

Array = TypeVar('Array', np.ndarray, 'jax.Array')


def to_float(pixels: Array) -> Array:
  """uint8 [..., 3] in [0, 255] -> float32 in [-1, 1]."""
  return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_bytes(image: Array) -> Array:
  """float [..., 3], nominally in [-1, 1] -> uint8 in [0, 255], rounded and clipped."""
  pixels = (image.astype(np.float32) + np.float32(1)) * np.float32(127.5)
  return pixels.round().clip(0, 255).astype(np.uint8)


def check_floats(values: np.ndarray, what: str, instead: str = '', slack: float = 0.0) -> None:
  """Checks that an array holds what `to_float` gives.

  Args:
    values: any array.
    what: its name, for people.
    instead: what else would do, such as ', or uint8'.
    slack: by which values may leave [-1, 1].

  Raises:
    ValueError: these are no floats, or they leave [-1, 1] by more.

  Warns:
    UserWarning: all lie in [0, 1], which is another usual range; a photo so bright is rare.
  """
  wanted = f'give floats in [-1, 1], such as x / 127.5 - 1{instead}'
  if not np.issubdtype(values.dtype, np.floating):
    raise ValueError(f'{what}: is {values.dtype}; {wanted}')
  if not values.size:
    return
  low, high = values.min(), values.max()
  if not (low >= -1 - slack and high <= 1 + slack):  # also where a value is not a number
    raise ValueError(f'{what}: lies in [{low:.3g}, {high:.3g}]; {wanted}')
  if 0 <= low < high:
    warnings.warn(
      f'{what}: lies in [{low:.3g}, {high:.3g}]; if its black is 0, give 2 * x - 1', stacklevel=3
    )


def stretched(image: np.ndarray, height: int, width: int) -> np.ndarray:
  """float32 [h, w, C], of any range, -> [height, width, C], bicubic."""
  if image.shape[:2] == (height, width):
    return image
  channels = [Image.fromarray(np.ascontiguousarray(c)) for c in np.moveaxis(image, 2, 0)]
  size = (width, height)
  return np.stack(
    [np.asarray(channel.resize(size, Image.Resampling.BICUBIC)) for channel in channels], axis=2
  )
