"""Restarts, the ladder of weights, and the choice of the likely one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.inversion import losses, selection, stylegan


def problem(prior):
  photo = np.zeros((8, 8, 3), np.float32)
  return inversion.make_problem(
    prior, photo, ganjax.parse_degradation('identity()'), 'a', 0, inversion.Hyper()
  )


def samples(prior):
  """Faces' w, [2000, w_dim]."""
  z = jax.random.normal(jax.random.key(0), (2000, prior.generator.config.z_dim))
  return jax.vmap(lambda z: prior.generator.mapping.w(z, None))(z)


def test_the_first_restart_is_the_problem_itself(prior):
  one = problem(prior)
  first, second, third = selection.restarts(prior, one, 3)
  np.testing.assert_array_equal(first.start, prior.w_avg)
  assert first.key == one.key
  for other in (second, third):
    assert np.linalg.norm(other.start - prior.w_avg) > 0.1 * prior.w_std
  assert np.any(second.start != third.start)
  assert np.any(inversion.stack([first, second, third]).start[1] != first.start)


def test_more_restarts_do_not_change_the_earlier_ones(prior):
  few, many = (selection.restarts(prior, problem(prior), count) for count in (2, 4))
  np.testing.assert_array_equal(few[1].start, many[1].start)


def latents(prior, distances):
  """Of a ladder, at these mean squared distances from w_avg."""
  directions = np.random.default_rng(0).standard_normal((len(distances), 3, len(prior.w_avg)))
  length = np.sqrt(np.mean(np.square(directions), axis=(1, 2)))
  scale = np.sqrt(np.asarray(distances)) / length
  return np.asarray(prior.w_avg) + np.float32(scale[:, None, None] * directions)


def ladder_hedged_at(prior, rung):
  """Four rungs, one of which lies where the rule would have it."""
  typical = float(jnp.mean(jnp.square(samples(prior) - prior.w_avg[None])))
  return latents(prior, selection.TARGET_DISTANCE * typical * 4.0 ** (rung - np.arange(4)))


@pytest.mark.parametrize('rung', [0, 1, 2, 3])
def test_the_rung_is_hedged_times_as_far_from_the_average_as_samples_are(prior, rung):
  ladder = ladder_hedged_at(prior, rung)
  assert selection.select_weight(prior, ladder, np.ones(4)) == rung


def test_what_the_picture_tells_is_not_given_up(prior):
  ladder = ladder_hedged_at(prior, 2)
  assert selection.select_weight(prior, ladder, np.asarray([1.0, 1.0, 1.09, 2.0])) == 2
  assert selection.select_weight(prior, ladder, np.asarray([1.0, 1.0, 1.2, 2.0])) == 1
  assert selection.select_weight(prior, ladder, np.asarray([1.0, 1.2, 1.4, 2.0])) == 1
  assert selection.select_weight(prior, ladder, np.asarray([1.2, 1.4, 1.0, 2.0])) == 2
  assert selection.select_weight(prior, ladder, np.asarray([1.0, 1.3, 1.5, 1.0])) == 3
  assert selection.select_weight(prior, ladder, np.asarray([1.0, 9.0, 1.05, 2.0])) == 2


def test_one_lucky_rung_does_not_shut_out_the_others(prior):
  ladder = ladder_hedged_at(prior, 2)
  assert selection.select_weight(prior, ladder, np.asarray([0.1, 1.0, 1.05, 2.0])) == 2


def test_a_ladder_that_never_leaves_the_average_has_a_rung_too(prior):
  assert selection.select_weight(prior, latents(prior, np.zeros(3)), np.zeros(3)) in (0, 1, 2)


def pictures(prior):
  """Two faces of the generator, [2, 8, 8, 3]."""
  w = samples(prior)[:2]
  synthesis = prior.generator.synthesis
  rows = jnp.repeat(w[:, None], prior.generator.config.num_ws, axis=1)
  return jnp.stack([synthesis(row, synthesis.noise_const()) for row in rows])


def misfits(prior, damage, target, images, preset=inversion.PROJECTOR, **hyper):
  degradation, name = ganjax.parse_degradation(damage), 'a'
  hyper = preset.hyper._replace(pixel_weight=0.5, **hyper)
  one = inversion.make_problem(prior, target, degradation, name, 0, hyper)
  stacked = inversion.stack([one] * len(images))
  return one, selection.misfits(prior, preset, stacked, np.asarray(images))


@pytest.mark.parametrize('preset', ['projector', 'robust'])
def test_without_noise_the_misfit_is_that_of_the_loss(prior, preset):
  preset = inversion.PRESETS[preset]
  truth, other = pictures(prior)
  damage = ganjax.parse_degradation('blur(kernel_size=3, variance=1)')
  target = damage.model(truth, jax.random.key(0))
  one, (none, found) = misfits(prior, str(damage), target, [truth, other], preset)
  assert none == pytest.approx(0, abs=1e-6)
  prepared = stylegan.target(prior, preset, one)
  blurred = damage.model(other, jax.random.key(0))
  perceptual, pixel = losses.distances(
    prior.perceptual, preset.comparison, blurred, blurred, prepared
  )
  if preset.pixels == 'likelihood':
    pixel = losses.gaussian_nll(pixel)
  assert found == pytest.approx(float(perceptual + 0.5 * pixel), rel=1e-4)


def test_noise_hides_no_misfit(prior):
  truth, other = pictures(prior)
  damage = ganjax.parse_degradation('noise(sigma=0.1)')
  noisy = damage.true(np.asarray(jnp.clip(truth, -1, 1)), jax.random.key(7))
  one, (least, most) = misfits(prior, str(damage), noisy, [truth, other])
  prepared = stylegan.target(prior, inversion.PROJECTOR, one)
  drawn, expected = damage.drawn_and_expected(truth, jax.random.key(8))
  perceptual, pixel = losses.distances(prior.perceptual, 'single', drawn, expected, prepared)
  floor = float(perceptual + 0.5 * pixel)
  assert least < 0.25 * floor, 'the truth is charged for its noise'
  assert most > 2 * least


def test_the_misfit_of_one_is_that_in_a_batch(prior):
  truth, other = pictures(prior)
  target, damage = np.asarray(jnp.clip(truth, -1, 1)), 'noise(sigma=0.1)'
  _, together = misfits(prior, damage, target, [truth, other, other])
  _, alone = misfits(prior, damage, target, [other])
  np.testing.assert_allclose(together[1:], [alone[0]] * 2, rtol=1e-5)


def test_deviation_is_where_pictures_differ():
  images = np.zeros((2, 4, 4, 3), np.float32)
  images[1, 0, 0] = 1.0
  found = selection.deviation(images)
  assert found[0, 0] == 0.25
  assert not np.any(found[1:])
