"""Filling what a photo does not show, and finding its scratches, before faces are looked for."""

import numpy as np

from ganjax.pixels import LUMA

_LEAST_CONTRAST = 45  # of a scratch, of 255
_LEAST_LENGTH = 0.1  # of a scratch, in longer sides of the photo


def fill(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
  """Fills holes smoothly from around them: pull and push (Gortler et al. 1996, section 3.3).

  Args:
    image: uint8 [H, W, 3].
    hidden: bool [H, W], True in holes; what `image` has there does not matter.

  Returns:
    uint8 [H, W, 3]; `image` itself outside of the holes, and where all of it is hidden.
  """
  if not hidden.any() or hidden.all():
    return image
  filled = _pull_push(image.astype(np.float32), (~hidden).astype(np.float32)[..., None])
  return np.where(hidden[..., None], np.rint(filled), image).astype(np.uint8)


def scratches(image: np.ndarray, width: int) -> np.ndarray:
  """Guesses where a photo is scratched: long and thin lines, much lighter or darker than around.

  Top hats (Serra 1982), of which long pieces are kept. Wires and edges of glasses are taken for
  scratches as well, so this is for looking only.

  Args:
    image: uint8 [H, W, 3].
    width: what is as wide as this, px, is no scratch.

  Returns:
    bool [H, W].
  """
  from scipy import ndimage

  luma = image.astype(np.float32) @ np.array(LUMA, np.float32)
  light = luma - ndimage.grey_opening(luma, size=width)
  dark = ndimage.grey_closing(luma, size=width) - luma
  found = np.zeros(luma.shape, bool)
  for contrast in (light, dark):
    pieces, _ = ndimage.label(contrast > _LEAST_CONTRAST, np.ones((3, 3)))
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
      if max(part.stop - part.start for part in place) >= _LEAST_LENGTH * max(luma.shape):
        found[place] |= pieces[place] == number
  rim = 2 * (width // 6) + 1  # the edges of a scratch are soft
  return ndimage.binary_dilation(found, np.ones((rim, rim)))


def _pull_push(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """Takes what has no weight (0–1, [h, w, 1]) from a copy half as large, in which it has some."""
  if weight.min() >= 1:
    return image
  from scipy import ndimage

  height, width = weight.shape[:2]
  even = ((0, height % 2), (0, width % 2), (0, 0))
  weights = _quarters(np.pad(weight, even))
  colours = _quarters(np.pad(image * weight, even)) / np.maximum(weights, 1e-6)
  coarse = _pull_push(colours, np.minimum(weights, 1))
  # As far apart as the finer pixels, with those of the coarse copy in the middle of four.
  rows, columns = (np.arange(length) / 2 - 0.25 for length in (height, width))
  grid = np.meshgrid(rows, columns, indexing='ij')
  finer = [
    ndimage.map_coordinates(coarse[..., channel], grid, order=1, mode='nearest')
    for channel in range(3)
  ]
  return weight * image + (1 - weight) * np.stack(finer, axis=-1)


def _quarters(pixels: np.ndarray) -> np.ndarray:
  """Sums of two by two, [h / 2, w / 2, channels]."""
  height, width, channels = pixels.shape
  return pixels.reshape(height // 2, 2, width // 2, 2, channels).sum(axis=(1, 3))
