"""Whether a restored face has the eyes of the true one."""

import numpy as np

from ganjax.faces.template import LEFT_EYE, RIGHT_EYE


def worse_eye(landmarks: np.ndarray, truth: np.ndarray) -> float:
  """How far the eye that is further off lies from where the truth has it.

  An eye's mean distance between its six landmarks and the true ones; of both eyes the larger one,
  since one smeared, shut or displaced eye makes a face lopsided, however good the other is. The
  normalised mean error of the literature is the mean of both, over all landmarks.

  Means over 24 faces of 128 px: 0.01 after JPEG at quality 30, 0.02 after a blur by 2 px, 0.035
  with one eye smeared, 0.08 with one displaced by 5 px, 0.12 with one painted over. How open the
  eyes are, compared with each other, tells none of these: the predictor sees average eyes in a
  smear.

  Args:
    landmarks: [68, 2], of the restored face.
    truth: [68, 2], of the true one in the same place.

  Returns:
    In distances between the true eyes; 0 for equal landmarks.
  """
  between = np.linalg.norm(truth[LEFT_EYE].mean(axis=0) - truth[RIGHT_EYE].mean(axis=0))
  apart = np.linalg.norm(landmarks - truth, axis=1)
  return float(max(apart[LEFT_EYE].mean(), apart[RIGHT_EYE].mean()) / between)
