"""dlib's models: a quick face detector, a robust one, and what predicts landmarks in a box."""

import functools
import importlib.util
import pathlib
import threading

import numpy as np

from ganjax.faces.template import FaceError

# dlib's own, as it saves it: `get_frontal_face_detector` takes half a second to unpack it.
_DETECTOR = pathlib.Path(__file__).parent / 'frontal_face_detector.svm'
_PREDICTOR = 'shape_predictor_68_face_landmarks.dat'
_NETWORK = 'mmod_human_face_detector.dat'
# The detectors keep what they work on: two threads that used one at once would crash the process.
_own = threading.local()
_one_at_a_time = threading.Lock()


def hog():
  """dlib's frontal detector: histograms of oriented gradients, for faces of 80 px and more."""
  if not hasattr(_own, 'hog'):
    _own.hog = _dlib().fhog_object_detector(str(_DETECTOR))
  return _own.hog


def mmod(pixels: np.ndarray) -> list:
  """What dlib's convolutional detector (King 2015) finds: rectangles of faces of 80 px and more.

  It sees scratched, tilted and lying faces, too, and takes fifty times as long, and much memory:
  all threads share one, in turn.
  """
  with _one_at_a_time:
    return [seen.rect for seen in _mmod()(pixels, 0)]


@functools.cache
def _mmod():
  return _dlib().cnn_face_detection_model_v1(str(model_path(_NETWORK)))


@functools.cache
def predictor():
  """Regression trees for 68 landmarks (Kazemi and Sullivan 2014); reads 100 MB."""
  return _dlib().shape_predictor(str(model_path(_PREDICTOR)))


def rectangle(left: float, top: float, right: float, bottom: float):
  """A box as the predictor takes it, in whole pixels."""
  return _dlib().rectangle(round(left), round(top), round(right) - 1, round(bottom) - 1)


def model_path(name: str) -> pathlib.Path:
  """Where one of face_recognition_models' files lies; FaceError where it is not installed."""
  # Not imported: the package's __init__ needs pkg_resources, which setuptools no longer brings.
  spec = importlib.util.find_spec('face_recognition_models')
  for folder in (spec and spec.submodule_search_locations) or []:
    path = pathlib.Path(folder) / 'models' / name
    if path.is_file():
      return path
  raise FaceError(f'{name} not found; run `pip install face_recognition_models`')


def _dlib():
  try:
    import dlib
  except ImportError:
    raise FaceError('dlib is not installed; run `pip install dlib-bin`') from None
  return dlib
