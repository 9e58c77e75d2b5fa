"""What a detector is shown of a photo: a region of it, scaled, turned and with a margin."""

from typing import NamedTuple

import numpy as np
from PIL import Image

_CONTEXT = 0.6  # of a box, on each side: the detectors want to see the whole head


class View(NamedTuple):
  """Pixels for a detector, and where they are in the photo."""

  pixels: np.ndarray  # uint8 [h, w, 3]
  region: tuple[int, int, int, int]  # left, top, right, bottom in the photo's pixels
  scale: np.ndarray  # [2], of the turned region's x and y
  margin: int  # px around the scaled region
  turn: int  # quarter turns to the left

  def to_photo(self, points: np.ndarray) -> np.ndarray:
    """Takes x and y in these pixels, [n, 2], to the photo's."""
    x, y = ((points - self.margin) / self.scale).T
    left, top, right, bottom = self.region
    width, height = right - left, bottom - top
    x, y = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][self.turn]
    return np.stack([x + left, y + top], axis=1)

  def to_view(self, points: np.ndarray) -> np.ndarray:
    """Takes x and y in the photo's pixels, [n, 2], to these."""
    left, top, right, bottom = self.region
    x, y = (points - np.array([left, top], np.float64)).T
    width, height = right - left, bottom - top
    x, y = [(x, y), (y, width - x), (width - x, height - y), (height - y, x)][self.turn]
    return np.stack([x, y], axis=1) * self.scale + self.margin


def whole(photo: np.ndarray, side: float, margin: float, turn: int = 0) -> View:
  """Shows all of a photo.

  Args:
    photo: uint8 [H, W, 3].
    side: what the longer side becomes, px.
    margin: around it, of its shorter side; the photo's edge is repeated there.
    turn: quarter turns to the left, 0–3.
  """
  height, width = photo.shape[:2]
  return _view(photo, (0, 0, width, height), side / max(height, width), margin, turn)


def around(photo: np.ndarray, box: np.ndarray, width: float, turn: int = 0) -> View:
  """Shows a box [4] (left, top, right, bottom) and 0.6 of it on each side.

  Args:
    photo: uint8 [H, W, 3].
    box: in the photo's pixels; it overlaps the photo.
    width: what the box's longer side becomes, px.
    turn: quarter turns to the left, 0–3.
  """
  size = np.maximum(box[2:] - box[:2], 1)
  left, top = np.maximum(np.floor(box[:2] - _CONTEXT * size), 0).astype(int).tolist()
  right, bottom = (
    np.minimum(np.ceil(box[2:] + _CONTEXT * size), photo.shape[1::-1]).astype(int).tolist()
  )
  return _view(photo, (left, top, right, bottom), width / float(size.max()), 0.1, turn)


def _view(
  photo: np.ndarray, region: tuple[int, int, int, int], scale: float, margin: float, turn: int
) -> View:
  left, top, right, bottom = region
  width, height = right - left, bottom - top
  size = (max(1, round(width * scale)), max(1, round(height * scale)))
  scaled = Image.fromarray(photo[top:bottom, left:right]).resize(
    size, Image.Resampling.LANCZOS, reducing_gap=2.0
  )
  border = round(margin * min(size))
  pixels = np.pad(np.asarray(scaled), ((border, border), (border, border), (0, 0)), mode='edge')
  pixels = np.ascontiguousarray(np.rot90(pixels, turn))
  scales = np.array([size[0] / width, size[1] / height])
  return View(pixels, region, scales[::-1] if turn % 2 else scales, border, turn)
