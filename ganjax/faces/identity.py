"""Who it is: dlib's face descriptors, for measuring how well a restoration keeps the person."""

import functools

import numpy as np

from ganjax.faces.detectors import model_path
from ganjax.faces.landmarks import check_rgb

SAME_PERSON = 0.6  # below this distance dlib takes two pictures for the same person
FRECHET_UNIT = 1e-3  # of Fréchet distances between sets of descriptors, for legible figures
_MODEL = 'dlib_face_recognition_resnet_model_v1.dat'
_CHIP, _PADDING = 150, 0.25  # what the model was trained with


def descriptor(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
  """What a face's identity looks like to dlib's recognition network (King 2017).

  Args:
    image: uint8 RGB [H, W, 3].
    landmarks: [68, 2], x and y of this face in the image's pixels, from `detect`. A restored face
      may be given those of its truth, which lie in the same place.

  Returns:
    float64 [128]; Euclidean distances below `SAME_PERSON` mean the same person.

  Raises:
    FaceError: not a uint8 RGB picture, or the model is not installed.
  """
  import dlib

  check_rgb(image)
  network = _network()
  left, top = np.floor(landmarks.min(axis=0)).astype(int).tolist()
  right, bottom = np.ceil(landmarks.max(axis=0)).astype(int).tolist()
  points = dlib.points([dlib.point(round(x), round(y)) for x, y in landmarks - 0.5])
  shape = dlib.full_object_detection(dlib.rectangle(left, top, right, bottom), points)
  chip = dlib.get_face_chip(np.ascontiguousarray(image), shape, _CHIP, _PADDING)
  return np.array(network.compute_face_descriptor(chip))


@functools.cache
def _network():
  import dlib

  return dlib.face_recognition_model_v1(str(model_path(_MODEL)))
