"""How well a generator of aligned faces does: the Fréchet distance of face descriptors.

Detectors miss generated faces that photographs would not have, which would flatter the generator.
As all faces lie in the same place, the mean place of those that were found in photographs serves
all pictures.
"""

from collections.abc import Iterable

import numpy as np

from ganjax import faces
from ganjax.faces.identity import descriptor
from ganjax.metrics import frechet
from ganjax.weights import CropTemplate

_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)  # of the 68 landmarks
_MOUTH_CORNERS = [48, 54]


def mean_landmarks(photographs: Iterable[np.ndarray]) -> np.ndarray | None:
  """Where the faces lie, in shares of the side: [68, 2]; None where no face is found.

  Args:
    photographs: uint8 [N, N, 3], with one face each; others are left out.
  """
  found = [
    landmarks[0] / photograph.shape[0]
    for photograph in photographs
    if len(landmarks := faces.detect(photograph)) == 1
  ]
  return np.median(found, axis=0) if found else None


def template(landmarks: np.ndarray) -> CropTemplate:
  """The crop that puts faces where `landmarks`, in shares of the side, are."""
  left, right = landmarks[_LEFT_EYE].mean(axis=0), landmarks[_RIGHT_EYE].mean(axis=0)
  eyes, mouth = (left + right) / 2, landmarks[_MOUTH_CORNERS].mean(axis=0)
  down = mouth[1] - eyes[1]
  return CropTemplate(
    eye_scale=round(float(0.5 / (right[0] - left[0])), 3),
    mouth_scale=round(float(0.5 / down), 3),
    centre_shift=round(float((0.5 - eyes[1]) / down), 3),
  )


def descriptors(pictures: Iterable[np.ndarray], landmarks: np.ndarray) -> np.ndarray:
  """dlib's descriptors of aligned faces: uint8 [N, N, 3] each -> [number, 128].

  Args:
    pictures: aligned faces.
    landmarks: where they lie, in shares of the side, from `mean_landmarks`.
  """
  return np.stack([descriptor(picture, landmarks * picture.shape[0]) for picture in pictures])


def distance(generated: np.ndarray, photographs: np.ndarray) -> float:
  """The Fréchet distance of two sets of descriptors, × 1000 for legible figures."""
  return 1000 * frechet(generated, photographs)
