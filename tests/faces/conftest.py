"""One real photo, and faces whose geometry is known."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from ganjax import faces
from ganjax.faces import detectors

ASTRONAUT = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
PHOTOGRAPHS = pathlib.Path(__file__).resolve().parents[1] / 'photographs'


@pytest.fixture(scope='session')
def astronaut() -> np.ndarray:
  """The bundled photo, [512, 512, 3]; read-only."""
  image = np.array(Image.open(ASTRONAUT).convert('RGB'))
  image.setflags(write=False)
  return image


@pytest.fixture(scope='session')
def astronaut_face(astronaut) -> np.ndarray:
  """Her landmarks, [68, 2]."""
  (face,) = faces.detect(astronaut)
  return face


@pytest.fixture(scope='session')
def make_face():
  """Landmarks whose eyes' and mouth's centres are given."""

  def make(left, right, mouth):
    landmarks = np.full((68, 2), 1e3)  # the other points must not matter
    ring = np.array([(-4, 0), (-2, -2), (2, -2), (4, 0), (2, 2), (-2, 2)])
    landmarks[36:42] = left + ring
    landmarks[42:48] = right + ring
    landmarks[48], landmarks[54] = np.subtract(mouth, (9, 1)), np.add(mouth, (9, 1))
    return landmarks

  return make


@pytest.fixture(scope='session')
def photograph():
  """Reads one of `tests/photographs`; a mask is bool [H, W], True in holes, which are black."""

  def read(name: str) -> np.ndarray:
    with Image.open(PHOTOGRAPHS / name) as file:
      return np.array(file) < 128 if file.mode == 'L' else np.array(file.convert('RGB'))

  return read


@pytest.fixture
def no_network(monkeypatch):
  """The test fails if the slow detector is asked."""
  monkeypatch.setattr(detectors, 'mmod', lambda pixels: pytest.fail('the slow detector was asked'))
