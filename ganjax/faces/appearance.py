"""Plain measures of an aligned face, for seeing what else an edit changes."""

import numpy as np

from ganjax.faces.landmarks import check_rgb
from ganjax.pixels import LUMA

MEASURES = ('brightness', 'colourfulness', 'smile', 'mouth_open', 'turn', 'face_length')


def appearance(image: np.ndarray, landmarks: np.ndarray) -> dict[str, float]:
  """Measures what can be seen without a classifier.

  Args:
    image: uint8 RGB [H, W, 3].
    landmarks: [68, 2], from `detect`.

  Returns:
    brightness: mean luma, 0 to 1; colourfulness: mean spread between the channels, 0 to 1;
    and lengths in distances between the eyes: smile (width of the mouth), mouth_open (between the
    lips), turn (nose tip to the right of the eyes' middle), face_length (eyes to chin).

  Raises:
    FaceError: not a uint8 RGB picture.
  """
  check_rgb(image)
  pixels = image.astype(np.float64) / 255
  left, right = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
  eyes, apart = (left + right) / 2, max(float(np.linalg.norm(right - left)), 1e-6)

  def length(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b)) / apart

  return {
    'brightness': float(np.mean(pixels @ LUMA)),
    'colourfulness': float(np.mean(np.ptp(pixels, axis=2))),
    'smile': length(landmarks[48], landmarks[54]),
    'mouth_open': length(landmarks[62], landmarks[66]),
    'turn': float((landmarks[30] - eyes) @ (right - left)) / apart**2,
    'face_length': length(eyes, landmarks[8]),
  }
