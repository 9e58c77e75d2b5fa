"""Between files' bytes and the networks' floats."""

import numpy as np


def to_float(pixels: np.ndarray) -> np.ndarray:
  """uint8 [..., 3] in [0, 255] -> float32 in [-1, 1]."""
  return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_bytes(image: np.ndarray) -> np.ndarray:
  """float [..., 3], nominally in [-1, 1] -> uint8 in [0, 255], rounded and clipped."""
  return np.clip(np.round((np.asarray(image, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)
