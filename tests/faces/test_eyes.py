"""One bad eye is enough."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ganjax import faces


@pytest.mark.parametrize('side', ['left', 'right'])
def test_the_worse_eye_counts(make_face, side):
  truth = make_face((0, 0), (50, 0), (25, 40))
  moved = {'left': (0, 0), 'right': (50, 0)}
  moved[side] = np.add(moved[side], (3, 4))
  assert faces.worse_eye(truth, truth) == 0
  assert faces.worse_eye(make_face(**moved, mouth=(25, 90)), truth) == pytest.approx(5 / 50)


def test_an_eye_that_is_smeared_out_is_worse_than_a_soft_picture(astronaut, astronaut_face):
  box = astronaut_face[36:42].min(axis=0), astronaut_face[36:42].max(axis=0)
  left, top, right, bottom = np.round(np.add(box, [[-8, -12], [8, 8]])).astype(int).ravel()
  smeared = astronaut.copy()
  smeared[top:bottom, left:right] = astronaut[bottom, left:right].mean(axis=0)
  soft = np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(1)))
  found = [faces.detect_largest(image) for image in (smeared, soft)]
  bad, good = (faces.worse_eye(landmarks, astronaut_face) for landmarks in found)
  assert good < 0.03 < bad
