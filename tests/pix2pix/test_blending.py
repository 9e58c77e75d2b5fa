"""Seams vanish, and known pixels stay."""

import numpy as np
import pytest

from ganjax.pix2pix.blending import BLENDS, blend


@pytest.fixture
def scene():
  """A slanted plane with two holes, one at the border; the filling is 0.2 too bright."""
  y, x = np.mgrid[:24, :30].astype(np.float32)
  truth = np.stack([y / 40, x / 40, (x + y) / 80], axis=2)
  known = np.ones((24, 30, 1), np.uint8)
  known[5:15, 8:20] = 0
  known[18:24, 0:6] = 0
  return truth, known, np.where(known > 0, truth, truth + np.float32(0.2))


@pytest.mark.parametrize('kind', BLENDS)
def test_known_pixels_stay(scene, kind):
  truth, known, filled = scene
  np.testing.assert_array_equal(np.where(known > 0, blend(filled, known, kind), truth), truth)


def test_poisson_takes_a_wrong_brightness_away(scene):
  truth, known, filled = scene
  # The plane's slope across the rim is taken for a seam, too: up to 1/40.
  assert np.abs(blend(filled, known, 'poisson') - truth).max() < 0.03


def test_a_feather_works_at_the_rim_alone(scene):
  truth, known, filled = scene
  error = np.abs(blend(filled, known, 'feather') - truth)
  assert error[5, 8:20].max() < 0.04
  wide = np.ones((40, 40, 1), np.uint8)
  wide[5:35, 5:35] = 0
  flat = np.where(wide > 0, np.float32(0), np.float32(0.2)) * np.ones((1, 1, 3), np.float32)
  assert blend(flat, wide, 'feather')[20, 20] == pytest.approx([0.2] * 3)
  assert blend(flat, wide, 'poisson')[20, 20] == pytest.approx([0.0] * 3, abs=1e-6)


def test_nothing_to_lean_on(scene):
  _, known, filled = scene
  for mask in (np.zeros_like(known), np.ones_like(known)):
    assert blend(filled, mask, 'poisson') is filled
