"""How well a generator does: Fréchet distances from photographs (Heusel et al. 2017).

Faces are described by dlib; any pictures by Inception, whose weights have to be given. Detectors
miss generated faces that photographs would not have, which would flatter the generator.
As all faces lie in the same place, the mean place of those that were found in photographs serves
all pictures.
"""

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import numpy as np

from ganjax import faces
from ganjax.faces.identity import descriptor
from ganjax.faces.template import LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from ganjax.metrics import frechet
from ganjax.models.inception import Inception
from ganjax.pixels import to_float


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


def template(landmarks: np.ndarray) -> faces.Template:
  """The crop that puts faces where `landmarks`, in shares of the side, are."""
  left, right = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
  eyes, mouth = (left + right) / 2, landmarks[MOUTH_CORNERS].mean(axis=0)
  down = mouth[1] - eyes[1]
  return faces.Template(
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


def features(pictures: Iterable[np.ndarray], inception: Inception) -> np.ndarray:
  """Inception's features: uint8 [H, W, 3] each, of one size -> [number, 2048]."""
  return np.stack([np.asarray(_features(inception, to_float(picture))) for picture in pictures])


@jax.jit
def _features(inception: Inception, picture: jax.Array) -> jax.Array:
  return inception(picture)


class Distance(NamedTuple):
  """The Fréchet distance from photographs, in terms of what `describe` makes of pictures."""

  describe: Callable[[Iterable[np.ndarray]], np.ndarray]  # -> [number, dimensions]
  photographs: np.ndarray  # what it makes of them
  unit: float

  def __call__(self, pictures: Iterable[np.ndarray]) -> float:
    """That of generated pictures, uint8 [N, N, 3] each."""
    return frechet(self.describe(pictures), self.photographs) / self.unit


def of_faces(photographs: Iterable[np.ndarray], landmarks: np.ndarray) -> Distance:
  """By dlib's descriptors, in thousandths.

  Args:
    photographs: uint8 [N, N, 3] each.
    landmarks: where the faces lie, in shares of the side, from `mean_landmarks`.
  """
  describe = functools.partial(descriptors, landmarks=landmarks)
  return Distance(describe, describe(photographs), faces.FRECHET_UNIT)


def of_inception(photographs: Iterable[np.ndarray], inception: Inception) -> Distance:
  """By Inception's features, in the unit of the literature."""
  describe = functools.partial(features, inception=inception)
  return Distance(describe, describe(photographs), 1.0)
