"""Boxes around faces: left, top, right, bottom in the photo's pixels."""

import math

import numpy as np

from ganjax.faces.template import FaceError

_EXAMPLE = '--face=left:top:right:bottom, in pixels of the upright photo, such as 120:80:260:240'


def parse_box(text: str) -> tuple[float, float, float, float]:
  """Reads where a person says that the face is.

  Args:
    text: `left:top:right:bottom`, in pixels of the upright photo.

  Raises:
    FaceError: not four numbers, or left is not less than right, or top not less than bottom.
  """
  try:
    left, top, right, bottom = (float(part) for part in text.split(':'))
  except ValueError:
    raise FaceError(f'--face={text}: not four numbers; write {_EXAMPLE}') from None
  if not all(map(math.isfinite, (left, top, right, bottom))) or right <= left or bottom <= top:
    raise FaceError(f'--face={text}: an empty box; write {_EXAMPLE}')
  return left, top, right, bottom


def check_box(box: tuple[float, ...], photo: np.ndarray) -> np.ndarray:
  """The part of `box` that lies in `photo` [H, W, 3], as an array [4].

  Raises:
    FaceError: not four finite numbers, an empty box, or one that begins outside of the photo.
  """
  height, width = photo.shape[:2]
  named = f'--face={":".join(f"{value:g}" for value in box)}'
  corners = np.asarray(box, np.float64)
  if corners.shape != (4,) or not np.isfinite(corners).all() or (corners[2:] <= corners[:2]).any():
    raise FaceError(f'{named}: an empty box in a photo of {width}×{height} px; write {_EXAMPLE}')
  inside = np.clip(corners, 0, (width, height, width, height))
  if (inside[2:] - inside[:2] < 1).any():
    raise FaceError(f'{named} lies outside of the photo, which has {width}×{height} px')
  return inside


def around_points(points: np.ndarray) -> np.ndarray:
  """The box [4] around points [n, 2]."""
  return np.concatenate([points.min(axis=0), points.max(axis=0)])


def same_face(one: np.ndarray, other: np.ndarray) -> bool:
  """Whether two boxes [4] are of one face: either's centre lies well within the other."""
  apart = np.abs(one[:2] + one[2:] - other[:2] - other[2:]) / 2
  reach = np.maximum(one[2:] - one[:2], other[2:] - other[:2]) / 2
  return bool((apart < reach).all())
