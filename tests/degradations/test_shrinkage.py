"""Noise is taken away window by window."""

import numpy as np
import pytest

from ganjax.degradations import shrinkage


def drawn(height, width):
  """A disc before a slope, float [height, width, 3] in [-1, 1]."""
  y, x = np.mgrid[:height, :width] / height
  disc = np.hypot(x - 0.5, y - 0.5) < 0.3
  return np.stack([0.5 * disc + 0.2 * x - 0.4, 0.3 * disc - 0.2 * y, 0.1 - 0.4 * disc], axis=-1)


def noise(shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape)


def error(image, truth):
  return float(np.mean(np.square(image - truth)))


@pytest.mark.parametrize(('deviation', 'steepness'), [(0.05, 0.7), (0.2, 0.2)])
def test_noise_goes_and_edges_stay(deviation, steepness):
  truth = drawn(96, 96)
  noisy = truth + deviation * noise(truth.shape)
  found = shrinkage.denoised(noisy, deviation, truth.mean() + 0 * truth)
  assert error(found, truth) < 0.12 * error(noisy, truth)
  steps, true_steps = (np.abs(np.diff(image, axis=1)) for image in (found, truth))
  edge = true_steps > 0.2
  assert steps[edge].mean() > steepness * true_steps[edge].mean()


def test_without_noise_the_picture_stays():
  truth = drawn(40, 60)
  np.testing.assert_allclose(shrinkage.denoised(truth, 0.0), truth, atol=4e-3)


def test_a_large_picture_has_no_seams(monkeypatch):
  truth = drawn(100, 130)
  noisy = truth + 0.1 * noise(truth.shape)
  whole = shrinkage.denoised(noisy, 0.1, truth)
  monkeypatch.setattr(shrinkage, '_TILE', 12 * shrinkage.STEP)
  np.testing.assert_allclose(shrinkage.denoised(noisy, 0.1, truth), whole, atol=1e-5)


def test_what_noise_hides_is_half_of_the_restored_picture():
  """Less than half of it would be smoother than need be, all of it more wrong."""
  stripes = 0.02 * np.sin(np.arange(60) * np.pi / 3)[:, None, None] * np.ones((60, 60, 3))
  found = shrinkage.denoised(stripes + 0.3 * noise(stripes.shape), 0.3, stripes)
  slope = np.sum((found - found.mean()) * stripes) / np.sum(np.square(stripes))
  assert slope == pytest.approx(shrinkage.FILLED, abs=0.2)


def test_grey_pictures_stay_grey_and_have_noise_of_one_channel():
  truth = drawn(80, 80)[:, :, :1].repeat(3, axis=2)
  noisy = truth + 0.1 * noise((80, 80, 1))
  tinted = truth + np.array([0.1, 0, -0.1])
  found = shrinkage.denoised(noisy, 0.1, tinted)
  assert np.ptp(found, axis=2).max() == 0
  assert error(found, truth) < 0.15 * error(noisy, truth)


@pytest.mark.parametrize('shape', [(1, 1, 3), (5, 30, 3), (13, 12, 3)])
def test_small_pictures(shape):
  found = shrinkage.denoised(noise(shape), 0.5, np.zeros(shape))
  assert found.shape == shape
  assert np.all(np.isfinite(found))
