"""Plain measures of a face follow what is planted."""

import numpy as np
import pytest

from ganjax import faces


def landmarks():
  points = np.zeros((68, 2))
  points[36:42] = (30, 40)
  points[42:48] = (70, 40)
  points[30] = (50, 60)
  points[48], points[54] = (35, 80), (65, 80)
  points[62], points[66] = (50, 78), (50, 82)
  points[8] = (50, 100)
  return points


def test_lengths_are_in_distances_between_the_eyes():
  grey = np.full((100, 100, 3), 51, np.uint8)
  found = faces.appearance(grey, landmarks())
  assert tuple(found) == faces.MEASURES
  wanted = (0.2, 0.0, 0.75, 0.1, 0.0, 1.5)
  assert tuple(found.values()) == pytest.approx(wanted)
  assert faces.appearance(grey, 2 * landmarks())['smile'] == pytest.approx(0.75)


def test_turns_and_colours():
  turned = landmarks()
  turned[30] += (4, 0)
  red = np.full((100, 100, 3), (255, 0, 0), np.uint8)
  found = faces.appearance(red, turned)
  assert found['turn'] == pytest.approx(0.1)
  assert found['colourfulness'] == 1.0
  with pytest.raises(faces.FaceError):
    faces.appearance(red[:, :, 0], turned)
