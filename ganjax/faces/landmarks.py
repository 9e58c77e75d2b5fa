"""Finding faces and their 68 landmarks with dlib."""

import functools
import importlib.util
import pathlib
import threading
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganjax.faces.template import FaceError


class _Look(NamedTuple):
  """How the photo is shown to the detector, whose faces are at least 80 px wide."""

  shortest: int  # the long side is brought between these two, px
  longest: int
  margin: float  # of the short side, around the photo: for faces that fill it
  threshold: float  # the score of a face: 1.2 on average, one in twenty below 0.3


# Badges and the like score up to 0.2, so a weak score is believed only for something large, which
# is all that the second look can see. It is for soft faces and those that overflow the picture.
_LOOKS = (
  _Look(480, 1600, margin=0.2, threshold=0.3),
  _Look(320, 320, margin=0.0, threshold=0.0),
)
_PREDICTOR = 'shape_predictor_68_face_landmarks.dat'
_own = threading.local()


def detect(image: np.ndarray) -> list[np.ndarray]:
  """Finds the faces in one photo.

  dlib's frontal detector (histograms of oriented gradients) and its regression trees (Kazemi and
  Sullivan 2014), on a copy of the photo whose long side is brought into 480–1600 px. Faces
  must be wider than a twentieth of that side, and upright within some 40°.

  Args:
    image: uint8 RGB [H, W, 3].

  Returns:
    One array [68, 2] per face, float64, x and y in the photo's pixels (see `template`), ordered
    from left to right; empty where there is no face.

  Raises:
    FaceError: not a uint8 RGB picture, or dlib or its landmark model is not installed.
  """
  check_rgb(image)
  for look in _LOOKS:
    if faces := _detect(image, look):
      return sorted(faces, key=lambda face: tuple(face.mean(axis=0)))
  return []


def detect_largest(image: np.ndarray) -> np.ndarray | None:
  """The widest of the faces that `detect` finds, [68, 2]; None where there is no face."""
  return max(detect(image), key=lambda face: float(np.ptp(face[:, 0])), default=None)


def _detect(image: np.ndarray, look: _Look) -> list[np.ndarray]:
  detector, predictor = _models()
  seen, scale, margin = _prepare(image, look)
  boxes, _, _ = detector.run(seen, 0, look.threshold)
  faces = []
  for box in boxes:
    points = np.array([(p.x, p.y) for p in predictor(seen, box).parts()], np.float64)
    faces.append((points + 0.5 - margin) / scale)
  return faces


def check_rgb(image: np.ndarray) -> np.ndarray:
  """Returns `image` if it is uint8 [H, W, 3] and not empty; raises FaceError otherwise."""
  if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
    raise FaceError(
      f'expected an RGB picture, uint8 [H, W, 3], got {image.dtype} {list(image.shape)}; '
      'convert it first'
    )
  return image


def _prepare(image: np.ndarray, look: _Look) -> tuple[np.ndarray, np.ndarray, int]:
  """Scales and pads; seen position = photo position · scale (x, y) + margin."""
  height, width = image.shape[:2]
  scale = np.clip(max(height, width), look.shortest, look.longest) / max(height, width)
  size = (max(1, round(width * scale)), max(1, round(height * scale)))
  scaled = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
  margin = round(look.margin * min(size))
  seen = np.pad(np.asarray(scaled), ((margin, margin), (margin, margin), (0, 0)), mode='edge')
  return seen, np.array([size[0] / width, size[1] / height]), margin


def _models():
  """dlib's detector and predictor.

  The detector keeps what it works on: two threads that shared one would crash the process.
  """
  if not hasattr(_own, 'detector'):
    _own.detector = _dlib().get_frontal_face_detector()
  return _own.detector, _predictor()


@functools.cache
def _predictor():
  """Reads 100 MB."""
  return _dlib().shape_predictor(str(model_path(_PREDICTOR)))


def _dlib():
  try:
    import dlib
  except ImportError:
    raise FaceError('dlib is not installed; run `pip install dlib-bin`') from None
  return dlib


def model_path(name: str) -> pathlib.Path:
  """Where one of face_recognition_models' files lies; FaceError where it is not installed."""
  # Not imported: the package's __init__ needs pkg_resources, which setuptools no longer brings.
  spec = importlib.util.find_spec('face_recognition_models')
  for folder in (spec and spec.submodule_search_locations) or []:
    path = pathlib.Path(folder) / 'models' / name
    if path.is_file():
      return path
  raise FaceError(f'{name} not found; run `pip install face_recognition_models`')
