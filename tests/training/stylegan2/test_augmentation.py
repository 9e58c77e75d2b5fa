"""Augmentation: nothing at probability 0; else the paper's shares and ranges; differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.training.stylegan2 import augmentation

SIDE = 16
IMAGE = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (SIDE, SIDE, 3)), jnp.float32)
KEYS = jax.random.split(jax.random.key(0), 2000)

augmented = jax.jit(augmentation.augment)


@pytest.fixture(scope='module')
def geometry():
  draw = jax.jit(jax.vmap(augmentation.draw_geometry, in_axes=(0, None, None)), static_argnums=2)
  return lambda p: tuple(map(np.asarray, draw(KEYS, jnp.float32(p), 128)))


@pytest.fixture(scope='module')
def colour():
  draw = jax.jit(jax.vmap(augmentation.draw_colour, in_axes=(0, None)))
  return lambda p: tuple(map(np.asarray, draw(KEYS, jnp.float32(p))))


def test_probability_0_changes_no_bit():
  for key in KEYS[:3]:
    np.testing.assert_array_equal(augmented(key, IMAGE, jnp.float32(0)), IMAGE)


def test_probability_1_changes_every_picture():
  one, other = (np.asarray(augmented(key, IMAGE, jnp.float32(1))) for key in KEYS[:2])
  assert np.abs(one - other).mean() > 0.1
  assert np.isfinite(one).all()


def test_each_change_happens_as_often_as_it_should(geometry):
  matrix, shift = geometry(0.3)
  areas = np.abs(np.linalg.det(matrix))
  assert np.mean(np.abs(areas - 1) > 1e-5) == pytest.approx(0.3, abs=0.04)  # scale alone
  assert np.mean(np.linalg.det(matrix) < 0) == pytest.approx(0.15, abs=0.03)  # half of the flips
  untouched = np.mean(np.all(np.abs(matrix - np.eye(2)) < 1e-6, axis=(1, 2)))
  # Not mirrored (a half of 0.3), no odd turns (a quarter), not scaled, stretched or turned.
  assert untouched == pytest.approx(0.85 * 0.775 * 0.7 * 0.7 * 0.7, abs=0.04)
  still = np.mean(np.all(np.abs(shift) < 1e-4, axis=1))
  assert still == pytest.approx(0.7 * 0.7, abs=0.04)  # neither whole nor fractional


def test_sizes_are_the_papers(geometry):
  matrix, shift = geometry(1.0)
  scales = 0.5 * np.log2(np.abs(np.linalg.det(matrix)))
  assert scales.std() == pytest.approx(0.2, rel=0.08)
  assert scales.mean() == pytest.approx(0, abs=0.02)
  expected = np.hypot(0.125 * 128, 0.125 * 128 / np.sqrt(3))  # normal and uniform
  assert shift.std() == pytest.approx(expected, rel=0.1)


def test_quarter_turns_are_exact():
  quarter = augmentation._quarter_turn(jnp.float32(3)) @ augmentation._quarter_turn(jnp.float32(1))
  np.testing.assert_array_equal(quarter, np.eye(2))


def test_colours(colour):
  mix, offset = colour(1.0)
  grey = mix.sum(axis=2)  # what becomes of (1, 1, 1): grey again
  np.testing.assert_allclose(grey, np.broadcast_to(grey[:, :1], grey.shape), atol=1e-4)
  assert np.mean(grey[:, 0] < 0) == pytest.approx(0.5, abs=0.05)
  assert np.log2(np.abs(grey[:, 0])).std() == pytest.approx(0.5, rel=0.08)
  assert np.abs(offset / grey)[:, 0].std() > 0
  assert (offset / grey)[:, 0].std() == pytest.approx(0.2, rel=0.08)
  mix, offset = colour(0.0)
  np.testing.assert_array_equal(mix, np.broadcast_to(np.eye(3, dtype=np.float32), mix.shape))
  np.testing.assert_array_equal(offset, np.zeros_like(offset))


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences():
  key, p = KEYS[3], jnp.float32(0.8)
  direction = jnp.asarray(np.random.default_rng(1).normal(size=IMAGE.shape), jnp.float32)

  def value(t):
    return jnp.sum(jnp.sin(augmentation.augment(key, IMAGE + t * direction, p)))

  slope = jax.jit(jax.grad(value))(jnp.float32(0))
  ahead, behind = (float(jax.jit(value)(jnp.float32(t))) for t in (0.01, -0.01))
  assert float(slope) == pytest.approx((ahead - behind) / 0.02, rel=0.02)


@pytest.mark.parametrize(
  ('before', 'sign', 'after'), [(0.5, 0.7, 0.504), (0.5, 0.5, 0.496), (0.002, 0.0, 0.0), (1, 1, 1)]
)
def test_the_controller(before, sign, after):
  moved = augmentation.adjusted(jnp.float32(before), jnp.float32(sign), 2000)
  assert float(moved) == pytest.approx(after, abs=1e-6)
