"""Holes, drawn as outlines around them."""

import numpy as np
from PIL import Image

_SIDE = 384  # px, at least: a line must not hide what it goes around
_DARK, _BRIGHT = (20, 20, 20), (255, 214, 10)


def outlined(image: np.ndarray, visible: np.ndarray) -> np.ndarray:
  """A picture with its holes outlined, enlarged pixel by pixel where it is small.

  Args:
    image: uint8 [h, w, 3].
    visible: bool [h, w], False in holes.

  Returns:
    uint8 [H, W, 3], h and w times a whole number.
  """
  from scipy import ndimage  # commands without holes do without it

  factor = max(1, -(-_SIDE // min(image.shape[:2])))
  size = (image.shape[1] * factor, image.shape[0] * factor)
  large = np.array(Image.fromarray(image).resize(size, Image.Resampling.NEAREST))
  holes = np.repeat(np.repeat(~visible, factor, axis=0), factor, axis=1)
  near = ndimage.binary_dilation(holes)
  large[ndimage.binary_dilation(near) & ~near] = _DARK  # seen on bright pictures
  large[near & ~holes] = _BRIGHT
  return large
