"""Where faces lie, and how far two sets of them are apart."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from ganjax.faces import FRECHET_UNIT
from ganjax.training.stylegan2 import frechet

PHOTOGRAPH = pathlib.Path(__file__).resolve().parents[3] / 'scripts' / 'demo' / 'astronaut.png'


@pytest.fixture(scope='module')
def faces():
  """The astronaut's face, cut a little differently each time, uint8 [128, 128, 3]."""
  photograph = Image.open(PHOTOGRAPH).convert('RGB')
  boxes = [(170 + d, 50 + d, 290 + d, 170 + d) for d in (0, 2, 4)]
  return [np.asarray(photograph.resize((128, 128), box=box)) for box in boxes]


@pytest.mark.slow
def test_faces_are_found_described_and_compared(faces):
  landmarks = frechet.mean_landmarks([*faces, np.zeros((128, 128, 3), np.uint8)])
  assert landmarks.shape == (68, 2)
  assert np.all(np.abs(landmarks[36:] - 0.5) < 0.5)  # eyes and mouth
  described = frechet.descriptors(faces, landmarks)
  assert described.shape == (3, 128)
  between = frechet.Distance(np.asarray, described, FRECHET_UNIT)
  assert between(described) == pytest.approx(0, abs=1e-6)
  assert between(-described) > 1000
  distance = frechet.of_faces(faces, landmarks)
  assert distance(faces) == pytest.approx(0, abs=1e-6)
  assert distance([255 - face for face in faces]) > 50  # thousandths


def test_no_face_is_none():
  assert frechet.mean_landmarks([np.zeros((64, 64, 3), np.uint8)]) is None


def test_the_template_puts_the_face_where_it_was():
  """A crop by the template of the picture that it came from is the whole picture."""
  landmarks = np.full((68, 2), 0.5)
  landmarks[36:42], landmarks[42:48] = (0.3, 0.3), (0.7, 0.3)
  landmarks[[48, 54]] = (0.4, 0.7), (0.6, 0.7)
  quad = frechet.template(landmarks).quad(100 * landmarks)
  np.testing.assert_allclose(quad, [[0, 0], [0, 100], [100, 100], [100, 0]], atol=0.2)
