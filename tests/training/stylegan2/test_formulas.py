"""Losses and penalties against differences and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_stylegan2 import slope

from ganjax.training.stylegan2 import formulas

WEIGHT = np.random.default_rng(0).normal(size=(12, 5)) * 0.5
IMAGES = np.random.default_rng(1).normal(size=(2, 2, 2, 3))


def scores(weight, images, module):
  return module.sum(module.tanh(images.reshape(len(images), -1) @ weight) ** 2, axis=1)


def test_adversarial_losses():
  logits = jnp.float32([-2.0, 0.0, 3.0])
  sigmoid = 1 / (1 + np.exp([2.0, 0.0, -3.0]))
  assert float(formulas.real_loss(logits)) == pytest.approx(-np.log(sigmoid).mean(), rel=1e-5)
  assert float(formulas.fake_loss(logits)) == pytest.approx(-np.log(1 - sigmoid).mean(), rel=1e-5)


def test_r1_and_its_gradient_are_those_of_finite_differences():
  def by_differences(weight):
    gradient = slope(lambda images: scores(weight, images, np).sum(), IMAGES, 1e-4)
    return np.sum(gradient**2)

  with jax.enable_x64(True):
    weight, images = jnp.asarray(WEIGHT), jnp.asarray(IMAGES)
    value, gradient = jax.value_and_grad(
      lambda weight: jnp.sum(formulas.gradient_penalty(lambda x: scores(weight, x, jnp), images))
    )(weight)
    assert float(value) == pytest.approx(by_differences(WEIGHT), rel=1e-6)
    np.testing.assert_allclose(gradient, slope(by_differences, WEIGHT, 1e-4), rtol=1e-4, atol=1e-5)


def test_path_length_and_its_gradient_are_those_of_finite_differences():
  rng = np.random.default_rng(2)
  weight, ws = rng.normal(size=(6, 12)) * 0.4, rng.normal(size=(2, 3))
  direction = rng.normal(size=(2, 2, 3))

  def synthesised(weight, ws, module):
    return module.sin(ws.reshape(-1) @ weight).reshape(2, 2, 3)

  def by_differences(weight):
    gradient = slope(lambda ws: np.sum(synthesised(weight, ws, np) * direction) / 2, ws, 1e-4)
    return np.sqrt(np.mean(np.sum(gradient**2, axis=1)))

  with jax.enable_x64(True):
    value, gradient = jax.value_and_grad(
      lambda weight: formulas.path_length(
        lambda ws: synthesised(weight, ws, jnp), jnp.asarray(ws), jnp.asarray(direction)
      )
    )(jnp.asarray(weight))
    assert float(value) == pytest.approx(by_differences(weight), rel=1e-6)
    np.testing.assert_allclose(gradient, slope(by_differences, weight, 1e-4), rtol=1e-4, atol=1e-6)


def test_the_average_remembers_half_of_what_was_a_half_life_ago():
  keep = formulas.ema_decay(jnp.float32(1e6), 16, 10_000.0, 0.05)
  assert float(keep) ** (10_000 / 16) == pytest.approx(0.5, rel=1e-3)
  early = formulas.ema_decay(jnp.float32(1600), 16, 10_000.0, 0.05)
  assert float(early) ** (80 / 16) == pytest.approx(0.5, rel=1e-3)  # 5 % of what was shown


def test_r1_weight():
  assert formulas.r1_weight(1024, 32) == pytest.approx(6.5536)
