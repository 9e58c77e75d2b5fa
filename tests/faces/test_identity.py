"""Descriptors tell who it is, and survive a little damage."""

import numpy as np
from PIL import Image, ImageFilter

from ganjax import faces


def test_the_same_person_is_near_and_stays_so_under_a_little_blur(astronaut):
  (landmarks,) = faces.detect(astronaut)
  sharp = faces.descriptor(astronaut, landmarks)
  soft = np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(1)))
  assert sharp.shape == (128,)
  assert np.linalg.norm(sharp - faces.descriptor(soft, landmarks)) < faces.SAME_PERSON / 2


def test_no_face_at_all_is_far_away(astronaut):
  (landmarks,) = faces.detect(astronaut)
  grey = np.full_like(astronaut, 128)
  distance = np.linalg.norm(
    faces.descriptor(astronaut, landmarks) - faces.descriptor(grey, landmarks)
  )
  assert distance > faces.SAME_PERSON
