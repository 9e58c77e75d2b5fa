"""Filling what is hidden, and finding scratches."""

import numpy as np
import pytest

from ganjax.faces import filling


@pytest.mark.parametrize(('height', 'width'), [(64, 64), (61, 47), (1, 9)])
def test_a_colour_is_continued(height, width):
  image = np.full((height, width, 3), (200, 90, 30), np.uint8)
  hidden = np.random.default_rng(0).random((height, width)) < 0.6
  broken = np.where(hidden[..., None], 255, image).astype(np.uint8)
  np.testing.assert_array_equal(filling.fill(broken, hidden), image)


def test_a_scratch_is_filled_smoothly_and_all_else_is_kept():
  y, x = np.mgrid[:80, :100]
  image = np.stack([2 * x, 2 * y, x + y], axis=-1).astype(np.uint8)
  hidden = np.zeros((80, 100), bool)
  hidden[:, 50:56] = True
  filled = filling.fill(np.where(hidden[..., None], 0, image).astype(np.uint8), hidden)
  np.testing.assert_array_equal(filled[~hidden], image[~hidden])
  assert np.abs(filled.astype(int) - image).max() < 12


def test_without_holes_or_all_hole_nothing_changes():
  image = np.full((8, 8, 3), 50, np.uint8)
  assert filling.fill(image, np.zeros((8, 8), bool)) is image
  assert filling.fill(image, np.ones((8, 8), bool)) is image


@pytest.mark.parametrize('colour', [10, 240])
def test_scratches_are_long_thin_and_unlike_their_surroundings(colour):
  image = np.full((200, 300, 3), 120, np.uint8)
  image[20:180, 60:64] = colour  # a scratch
  image[50:100, 100:150] = colour  # too wide
  image[150:154, 200:220] = colour  # too short
  image[:, 250:254] = 130  # too faint
  found = filling.scratches(image, width=9)
  expected = np.zeros((200, 300), bool)
  expected[19:181, 59:65] = True
  np.testing.assert_array_equal(found, expected)
