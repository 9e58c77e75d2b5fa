"""Fits: determinism, independence of the batch, losses, holes, odd sizes, early stopping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax import degradations
from ganjax.inversion import deep_prior, image_key, run, stack
from ganjax.models.hourglass import plain_config

CONFIG = plain_config(2, double=False, width=6)
HEIGHT, WIDTH = 21, 18  # no multiples of four


def solver(loss='l2', rule='last'):
  return deep_prior.DeepImagePrior(CONFIG, loss, HEIGHT, WIDTH, rule)


@pytest.fixture(scope='module')
def photos():
  y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
  smooth = np.stack([np.sin(x / 5), np.cos(y / 4), np.sin((x + y) / 9)], axis=-1)
  return np.stack([0.8 * smooth, -0.5 * smooth]).astype(np.float32)


def problem(photo, name='a', spec='identity()', **hyper):
  values = deep_prior.DeepPriorHyper(**{'num_steps': 20, **hyper})
  typed = {
    key: jnp.int32(value) if key in ('num_steps', 'patience') else jnp.float32(value)
    for key, value in values._asdict().items()
  }
  operator = degradations.parse(spec)
  shape = operator.output_shape(HEIGHT, WIDTH)
  target = jnp.asarray(photo)
  return deep_prior.DeepPriorProblem(
    target,
    operator.visible(*shape),
    jnp.zeros((HEIGHT, WIDTH, 3)),
    operator,
    deep_prior.DeepPriorHyper(**typed),
    image_key(0, name),
  )


def fit(*problems, **options):
  return run((), [solver(**options)], stack(list(problems)), chunk_steps=20)


@pytest.fixture(scope='module')
def both(photos):
  return fit(problem(photos[0], 'a'), problem(photos[1], 'b'))


def test_a_picture_alone_is_what_it_is_in_a_batch(photos, both):
  alone = fit(problem(photos[1], 'b'))
  np.testing.assert_allclose(alone.image[0], both.image[1], atol=1e-3)
  np.testing.assert_allclose(alone.loss[0], both.loss[1], rtol=1e-3)
  assert both.image.shape == (2, HEIGHT, WIDTH, 3)


def test_the_name_decides_the_randomness(photos, both):
  other = fit(problem(photos[0], 'z'))
  assert np.abs(np.asarray(other.image[0] - both.image[0])).max() > 1e-3


@pytest.mark.parametrize('loss', deep_prior.LOSSES)
def test_each_loss_falls(photos, loss):
  found = fit(problem(photos[0], num_steps=60), loss=loss)
  assert found.loss[0, -1] < 0.5 * found.loss[0, 0]


@pytest.mark.parametrize('loss', deep_prior.LOSSES)
def test_a_loss_is_zero_for_the_target_and_blind_to_holes(photos, loss):
  target = jnp.asarray(photos[0])
  visible = degradations.parse('mask(box=3:9:4:12)').visible(HEIGHT, WIDTH)
  wild = jnp.where(visible > 0, target, 7.0)
  distance = jax.jit(lambda image: deep_prior.distance(loss, image, target, visible))
  assert abs(float(distance(target))) < 1e-6
  assert abs(float(distance(wild))) < 1e-6
  assert float(distance(target + 0.1)) > 1e-5


def test_known_pixels_are_pulled_to_the_input(photos):
  found = fit(problem(photos[0], spec='mask(box=6:12:5:11)', num_steps=200, averaging=0.9))
  error = np.abs(np.asarray(found.image[0]) - photos[0]).mean(axis=2)
  hole = np.zeros((HEIGHT, WIDTH), bool)
  hole[6:12, 5:11] = True
  assert error[~hole].mean() < 0.1
  assert error[hole].mean() < 0.5  # filled with something plausible, not with black


def test_where_the_outputs_vary_least_the_picture_is_taken(photos):
  found = fit(problem(photos[0], num_steps=160), rule='variance')
  assert deep_prior.WINDOW <= found.settled_at[0] <= 160
  assert (
    found.settled_at[0]
    == np.argmin(np.where(np.isnan(found.terms.variance[0]), np.inf, found.terms.variance[0])) + 1
  )


def test_waiting_in_vain_ends_the_fit(photos):
  found = fit(problem(photos[0], num_steps=4000, patience=1, learning_rate=0.3), rule='variance')
  assert found.num_steps[0] < 4000


def test_the_picture_as_near_as_the_noise_is_taken(photos):
  last = fit(problem(photos[0], num_steps=60))
  misfit = last.loss[0]  # of values in [-1, 1]; sigma is of [0, 1]
  sigma = np.sqrt(misfit[30]) / 2
  first = int(np.argmax(misfit <= (2 * sigma) ** 2)) + 1
  found = fit(problem(photos[0], num_steps=60, sigma=sigma, patience=1), rule='noise')
  assert found.settled_at[0] == first
  assert found.num_steps[0] == first + 1
  never = fit(problem(photos[0], num_steps=20, sigma=1e-4, patience=1), rule='noise')
  assert never.settled_at[0] == 20


def test_the_truth_changes_nothing_but_the_curve_of_psnr(photos, both):
  known = problem(photos[0], 'a')._replace(truth=jnp.asarray(photos[0]))
  found = fit(known, problem(photos[1], 'b'))
  np.testing.assert_array_equal(found.image, both.image)
  mse = np.mean(np.square(np.asarray(found.image[0]) - photos[0])) / 4
  np.testing.assert_allclose(
    deep_prior.psnr_curve(found.terms)[0, -1], -10 * np.log10(mse), atol=1e-3
  )
