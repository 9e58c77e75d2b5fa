"""Where a face lies in its crop: one formula, whose constants belong to the generator's weights.

One convention of coordinates holds in this folder: x to the right, y down, in the photo's pixels;
the pixel in column j and row i covers [j, j + 1] × [i, i + 1], so the whole picture is the
rectangle from (0, 0) to (width, height).
"""

from typing import NamedTuple

import numpy as np

from ganjax.errors import GanjaxError

LEFT_EYE = slice(36, 42)  # as seen in the picture, in the 68-point markup of iBUG 300-W
RIGHT_EYE = slice(42, 48)
MOUTH_CORNERS = [48, 54]


class FaceError(GanjaxError):
  """A face cannot be found or cropped; the message names the remedy."""


class Template(NamedTuple):
  """How much a crop shows around eyes and mouth (Karras et al. 2019, appendix C).

  Attributes:
    eye_scale: half the crop's side, in distances between the eyes.
    mouth_scale: half the crop's side, in distances from the eyes to the mouth; the larger of the
      two halves is taken.
    centre_shift: where the crop's centre lies on the way from the eyes (0) to the mouth (1).
  """

  eye_scale: float
  mouth_scale: float
  centre_shift: float

  def quad(self, landmarks: np.ndarray) -> np.ndarray:
    """The square to cut out for one face.

    Args:
      landmarks: [68, 2], x and y in the photo's pixels.

    Returns:
      [4, 2] float64: the top-left, bottom-left, bottom-right and top-right corners, "top" being
      the face's own. They may lie outside of the photo.

    Raises:
      FaceError: not 68 finite points, or eyes and mouth coincide.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
      raise FaceError(f'expected 68 finite landmarks [68, 2], got shape {landmarks.shape}')
    left, right = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    eyes = (left + right) / 2
    eye_to_eye = right - left
    eye_to_mouth = landmarks[MOUTH_CORNERS].mean(axis=0) - eyes
    across = eye_to_eye - _quarter_turn(eye_to_mouth)
    length = np.linalg.norm(across)
    if length < 1e-6:
      raise FaceError('the landmarks of eyes and mouth coincide: this is no face')
    half = max(
      np.linalg.norm(eye_to_eye) * self.eye_scale, np.linalg.norm(eye_to_mouth) * self.mouth_scale
    )
    x = across * (half / length)
    y = _quarter_turn(x)
    centre = eyes + eye_to_mouth * self.centre_shift
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


# FFHQ's own, and a tight one, from forehead to chin.
FFHQ = Template(eye_scale=2.0, mouth_scale=1.8, centre_shift=0.1)
TIGHT = Template(eye_scale=1.236, mouth_scale=1.230, centre_shift=0.505)


def _quarter_turn(v: np.ndarray) -> np.ndarray:
  """Turns x into y (clockwise on the screen)."""
  return np.array([-v[1], v[0]])
