import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.degradations import Blur, DegradationError
from ganjax.degradations.blur import blur_matrix

KEY = jax.random.key(0)


def reference(image, kernel_size, variance):
  """numpy's own mirror and a plain sum over the window, in float64."""
  radius = kernel_size // 2
  offsets = np.arange(-radius, radius + 1)
  taps = np.exp(-(offsets**2) / (2 * variance))
  taps /= taps.sum()
  padded = np.pad(image.astype(np.float64), ((radius, radius), (radius, radius), (0, 0)), 'reflect')
  windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel_size, kernel_size), (0, 1))
  return np.einsum('yxcij,i,j->yxc', windows, taps, taps)


def noise(height, width):
  return np.random.default_rng(0).uniform(-1, 1, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize(
  ('height', 'width', 'kernel_size', 'variance'),
  [(16, 24, 1, 7), (16, 24, 3, 0.4), (24, 16, 9, 3), (27, 31, 25, 7), (21, 21, 21, 1e4)],
)
def test_equals_direct_convolution(height, width, kernel_size, variance):
  image = noise(height, width)
  blurred = Blur.create(kernel_size, variance).true(image, KEY)
  np.testing.assert_allclose(blurred, reference(image, kernel_size, variance), atol=1e-6)


def test_rows_of_the_matrix_sum_to_one_and_reach_no_further_than_the_kernel():
  matrix = np.asarray(blur_matrix(40, np.int32(7), np.float32(50)))
  np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
  y, x = np.nonzero(matrix)
  assert np.abs(y - x).max() == 3


def test_gradient_in_the_variance_by_finite_differences():
  image = jnp.asarray(noise(24, 24))
  weights = jnp.asarray(noise(24, 24)[::-1].copy())

  @jax.jit
  def value(variance):
    return jnp.sum(weights * Blur(np.int32(15), variance).model(image, KEY))

  for variance in (0.5, 2.0, 9.0):
    step = 0.02 * variance
    slope = (value(jnp.float32(variance + step)) - value(jnp.float32(variance - step))) / (2 * step)
    assert jax.grad(value)(jnp.float32(variance)) == pytest.approx(float(slope), rel=2e-2, abs=1e-3)


def test_sharpest_and_widest_allowed_variance_stay_finite():
  image = jnp.asarray(noise(16, 16))
  for variance in (1e-3, 1e6):
    blur = Blur.create(15, variance)
    gradient = jax.grad(lambda blur: jnp.sum(blur.model(image, KEY)), allow_int=True)(blur)
    assert np.isfinite(gradient.variance)
  np.testing.assert_allclose(Blur.create(15, 1e-3).model(image, KEY), image, atol=1e-6)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'kernel_size': 24}, 'kernel_size=24 is even.*use 25'),
    ({'kernel_size': 0}, 'kernel_size=0 is out of range'),
    ({'kernel_size': -3}, 'kernel_size=-3 is out of range'),
    ({'variance': 0.0}, 'variance=0.0 is out of range'),
    ({'variance': float('nan')}, 'variance=nan is out of range'),
  ],
)
def test_wrong_numbers_are_refused(arguments, message):
  with pytest.raises(DegradationError, match=message):
    Blur.create(**arguments)


def test_kernel_larger_than_the_picture_is_refused():
  Blur.create(63).check(64, 64)
  with pytest.raises(DegradationError, match='larger than the 96×64 picture: use at most 63'):
    Blur.create(65).check(64, 96)
