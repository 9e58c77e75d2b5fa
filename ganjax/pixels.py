"""Pixels as files have them, and as networks see them; NumPy's arrays or, within jit, JAX's."""

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


def stretched(image: np.ndarray, height: int, width: int) -> np.ndarray:
  """float32 [h, w, C], of any range, -> [height, width, C], bicubic."""
  if image.shape[:2] == (height, width):
    return image
  channels = [Image.fromarray(np.ascontiguousarray(c)) for c in np.moveaxis(image, 2, 0)]
  size = (width, height)
  return np.stack(
    [np.asarray(channel.resize(size, Image.Resampling.BICUBIC)) for channel in channels], axis=2
  )
