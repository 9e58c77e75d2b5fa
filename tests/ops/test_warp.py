"""Warps: exact where pixels meet pixels, right elsewhere, and linear with a true adjoint."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.ops.warp import cubic, warp

SIDE = 16
IDENTITY = np.eye(2, dtype=np.float32)
IMAGE = np.random.default_rng(0).random((SIDE, SIDE, 2)).astype(np.float32)

warped = jax.jit(warp)


def turn(angle):
  cos, sin = np.cos(angle), np.sin(angle)
  return np.array([[cos, -sin], [sin, cos]], np.float32)


@pytest.mark.parametrize(
  ('matrix', 'expected'),
  [
    (IDENTITY, IMAGE),
    (np.float32([[-1, 0], [0, 1]]), IMAGE[:, ::-1]),
    (np.float32([[0, 1], [1, 0]]), IMAGE.swapaxes(0, 1)),
    (np.float32([[0, -1], [1, 0]]), np.rot90(IMAGE)),
    (np.float32([[-1, 0], [0, -1]]), np.rot90(IMAGE, 2)),
  ],
)
def test_pixels_on_pixels_are_exact(matrix, expected):
  np.testing.assert_array_equal(warped(IMAGE, matrix, np.zeros(2, np.float32)), expected)


def test_whole_shifts_are_exact_and_mirror_the_border():
  shifted = warped(IMAGE, IDENTITY, np.float32([3, -2]))
  expected = np.pad(IMAGE, ((2, 0), (0, 3), (0, 0)), mode='symmetric')[:SIDE, 3:]
  np.testing.assert_array_equal(shifted, expected)


def smooth(x, y):
  return np.stack([np.cos(0.3 * x + 0.2 * y), np.sin(0.25 * y - 0.1 * x)], axis=-1)


@pytest.mark.parametrize('angle', [0.2, 0.7, 0.9, 2.5, -1.4])
@pytest.mark.parametrize('scale', [0.8, 1.0])
def test_a_smooth_picture_is_sampled_where_it_should_be(angle, scale):
  side = 32
  places = np.arange(side) - (side - 1) / 2
  x, y = np.meshgrid(places, places)
  matrix, shift = scale * turn(angle) @ np.diag([1.1, 0.9]), np.array([1.3, -0.6])
  out = np.asarray(
    warped(smooth(x, y).astype(np.float32), matrix.astype(np.float32), shift.astype(np.float32))
  )
  there = np.einsum('ij,jhw->ihw', matrix, np.stack([x, y])) + shift[:, None, None]
  inside = np.all(np.abs(there) < side / 2 - 3, axis=0)
  assert inside.sum() > 300
  np.testing.assert_allclose(out[inside], smooth(*there)[inside], atol=0.02)


def test_shrinking_averages_instead_of_picking():
  stripes = np.float32(np.arange(32) % 2)[None, :, None] * np.ones((32, 1, 1), np.float32)
  half = warped(stripes, 2 * IDENTITY, np.zeros(2, np.float32))
  np.testing.assert_allclose(half[10:22, 10:22], 0.5, atol=1e-5)


def test_the_gradient_is_the_adjoint():
  matrix, shift = jnp.asarray(1.2 * turn(0.6)), jnp.float32([0.4, 2.2])
  y, pull = jax.vjp(lambda image: warped(image, matrix, shift), jnp.asarray(IMAGE))
  other = np.random.default_rng(1).random(y.shape).astype(np.float32)
  (back,) = pull(jnp.asarray(other))
  assert np.sum(np.asarray(y) * other) == pytest.approx(np.sum(IMAGE * np.asarray(back)), rel=1e-5)


def test_the_kernel_sums_to_one_and_is_exact_for_quadratics():
  taps = np.arange(-1, 3)
  for place in (0.0, 0.3, 0.9):
    weights = np.asarray(cubic(jnp.float32(place - taps)))
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert weights @ (taps**2) == pytest.approx(place**2, abs=1e-5)
