"""The loss's parts against plain NumPy, and that holes are really holes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax import degradations
from ganjax.inversion import latent_distances, losses, problem, schedules, spaces
from ganjax.inversion.perceptual import DiscriminatorDistance

RANDOM = np.random.RandomState(0)


def plain_autocorrelation(noise):
  total = 0.0
  while True:
    total += np.mean(noise * np.roll(noise, 1, 0)) ** 2 + np.mean(noise * np.roll(noise, 1, 1)) ** 2
    if noise.shape[0] <= 8:
      return total
    noise = (noise[::2, ::2] + noise[1::2, ::2] + noise[::2, 1::2] + noise[1::2, 1::2]) / 4


@pytest.mark.parametrize('sides', [(4,), (8,), (32,), (4, 8, 8, 16, 16, 32, 32), (32, 8, 4)])
def test_autocorrelation(sides):
  maps = [RANDOM.randn(side, side).astype(np.float32) for side in sides]
  for noise in maps:
    noise[1:] += noise[:-1]
  ours = losses.autocorrelation({str(i): jnp.asarray(n) for i, n in enumerate(maps)})
  expected = sum(plain_autocorrelation(noise.astype(np.float64)) for noise in maps)
  np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_no_maps_have_no_autocorrelation():
  assert losses.autocorrelation({}) == 0


def test_normalized_noise():
  (noise,) = losses.normalize_noise({'a': jnp.asarray(RANDOM.rand(8, 8), jnp.float32)}).values()
  np.testing.assert_allclose([np.mean(noise), np.var(noise)], [0, 1], atol=1e-5)


def test_learning_rate_schedule():
  t = jnp.asarray([0.0, 0.025, 0.05, 0.5, 0.75, 0.875, 1.0])
  expected = [0, 0.5, 1, 1, 1, 0.5, 0]
  factor = schedules.learning_rate_factor(t, 1 - t, 0.05, 0.25)
  np.testing.assert_allclose(factor, expected, atol=1e-6)
  np.testing.assert_array_equal(schedules.learning_rate_factor(t, 1 - t, 0.0, 0.0), np.ones(7))


def test_w_noise_schedule():
  t = jnp.asarray([0.0, 0.375, 0.75, 0.9])
  np.testing.assert_allclose(schedules.w_noise_factor(t, 0.75), [1, 0.25, 0, 0], atol=1e-6)


def test_statistics(networks):
  w_avg, w_std, *_ = problem.statistics(networks.generator, num_samples=4000)
  again = problem.statistics(networks.generator, num_samples=4000)
  np.testing.assert_array_equal(w_avg, again.w_avg)
  z = jax.random.normal(jax.random.key(9), (4000, 8))
  w = np.asarray(jax.vmap(networks.generator.mapping.w)(z))
  spread = np.sqrt(np.mean(np.sum((w - w.mean(0)) ** 2, axis=1)))
  np.testing.assert_allclose(w_std, spread, rtol=0.05)
  assert np.linalg.norm(w_avg - w.mean(0)) < 0.1 * spread


def test_latent_distance():
  """A channel of W++ that leaves its row costs what a row that leaves w_avg costs."""
  w_avg = jnp.asarray(RANDOM.randn(4), jnp.float32)
  away = jnp.asarray(RANDOM.randn(3, 4), jnp.float32)
  rows = w_avg[None] + away
  expected = np.mean(np.square(away))
  by = latent_distances.Euclidean(w_avg)
  assert spaces.WPlus().distance(rows, by) == pytest.approx(expected)
  together = jnp.broadcast_to(rows[:, None], (3, 6, 4))
  assert spaces.WPlusPlus().distance(together, by) == pytest.approx(expected)
  # One channel goes one way and another the opposite one: their row's mean stays where it is.
  apart = together.at[0, 0].add(away[0]).at[0, 1].add(-away[0])
  cost = 2 * np.sum(np.square(away[0])) / away.size
  assert spaces.WPlusPlus().distance(apart, by) == pytest.approx(expected + cost)


def test_samples_are_whitened(networks):
  """As far off the mean in every direction in which they differ, and 1 on average."""
  distance = problem.statistics(networks.generator).distances()['mahalanobis']
  z = jax.random.normal(jax.random.key(9), (4000, 8))
  w = jax.vmap(networks.generator.mapping.w)(z)
  np.testing.assert_allclose(
    jax.nn.leaky_relu(latent_distances.before_activation(w), 0.2) * 2**0.5, w, atol=1e-5
  )
  u = (latent_distances.before_activation(w) - distance.mean[None]) @ distance.whitening
  assert distance.of_rows(w) == pytest.approx(float(jnp.mean(jnp.square(u))), rel=1e-5)
  covariance = np.cov(np.asarray(u), rowvar=False)
  np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=0.1)
  assert np.all(np.diag(covariance) < 1.1)
  assert np.mean(np.diag(covariance) > 0.9) >= 0.75  # the others hardly vary at all
  away = jnp.square(w - distance.mean[None]).mean()
  assert distance.variance < 2 * away


def test_a_channel_of_samples_spread_counts_as_much_as_a_row(networks):
  """In the whitened distance, too, the spread of W++'s channels is in units of W's variance."""
  by = problem.statistics(networks.generator).distances()['mahalanobis']
  row = networks.generator.mapping.w_avg[...]
  together = jnp.broadcast_to(row, (2, 6, len(row)))
  step = jnp.sqrt(by.variance) * jnp.ones_like(row)
  apart = together.at[:, 0].add(step).at[:, 1].add(-step)
  cost = spaces.WPlusPlus().distance(apart, by) - spaces.WPlusPlus().distance(together, by)
  assert cost == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize('comparison', ['single', 'multiscale'])
@pytest.mark.parametrize('side', [8, 16, 32])
def test_what_is_in_a_hole_never_matters(networks, side, comparison):
  """Not even where the perceptual network sees another size, and not in the gradient."""
  mask = degradations.parse('mask(box=3:6:2:7)')
  visible = mask.visible(side, side)
  perceptual = DiscriminatorDistance(networks.discriminator)
  clean = jnp.asarray(RANDOM.uniform(-1, 1, (side, side, 3)), jnp.float32)
  wild = jnp.where(visible > 0, clean, 100.0)
  target = losses.target(perceptual, comparison, clean, visible, jax.random.key(0))

  def loss(image):
    return sum(losses.distances(perceptual, comparison, image, image, target))

  assert loss(wild) == loss(clean) == 0
  gradient = jax.grad(loss)(wild + 0.01 * jnp.sin(100 * clean))
  assert not np.any(np.asarray(gradient)[3:6, 2:7])
  assert np.any(np.asarray(gradient))


@pytest.mark.parametrize(
  ('spec', 'count'),
  [
    ('identity()', 3 * 64**2),
    ('grayscale()', 64**2),
    ('downsample(factor=4, filter=area)', 3 * 16**2),
    ('mask(box=0:32:0:64)', 3 * 32 * 64),
    ('blur(kernel_size=25, variance=8)', 3 * 64**2 / (2 * np.pi * 8)),
  ],
)
def test_observations_are_what_a_degradation_leaves(spec, count):
  image = jnp.asarray(RANDOM.uniform(-1, 1, (64, 64, 3)), jnp.float32)
  degradation = degradations.parse(spec)
  visible = degradation.visible(*degradation.output_shape(64, 64))
  counted = jax.jit(losses.effective_rank)(degradation, image, visible, jax.random.key(0))
  # One probe tells a few hundred no better than that.
  assert counted == pytest.approx(count, rel=0.25 if count < 1000 else 0.05)


def test_a_misfit_that_nobody_sees_is_not_unlikely():
  assert losses.gaussian_nll(jnp.float32(0)) == 0
  gradient = jax.grad(losses.gaussian_nll)
  for pixel in (0.1, 1.0):  # in shares of itself
    assert gradient(jnp.float32(pixel)) == pytest.approx(1 / pixel, rel=0.02)
