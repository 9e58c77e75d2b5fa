"""Restarts, the ladder of weights, and the choice of the likely one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.inversion import variants


def problem(prior):
  photo = np.zeros((16, 16, 3), np.float32)
  return inversion.problem(
    prior, photo, ganjax.parse_degradation('identity()'), 'a', 0, inversion.Hyper()
  )


def samples(prior):
  """Faces' w, [2000, w_dim]."""
  z = jax.random.normal(jax.random.key(0), (2000, prior.generator.config.z_dim))
  return jax.vmap(lambda z: prior.generator.mapping.w(z, None))(z)


def test_the_first_restart_is_the_problem_itself(prior):
  one = problem(prior)
  first, second, third = variants.restarts(prior, one, 3)
  np.testing.assert_array_equal(first.start, prior.w_avg)
  assert first.key == one.key
  for other in (second, third):
    assert np.linalg.norm(other.start - prior.w_avg) > 0.1 * prior.w_std
  assert np.any(second.start != third.start)
  assert np.any(inversion.stack([first, second, third]).start[1] != first.start)


def test_more_restarts_do_not_change_the_earlier_ones(prior):
  few, many = (variants.restarts(prior, problem(prior), count) for count in (2, 4))
  np.testing.assert_array_equal(few[1].start, many[1].start)


def latents(prior, distances):
  """Of a ladder, at these mean squared distances from w_avg."""
  directions = np.random.default_rng(0).standard_normal((len(distances), 3, len(prior.w_avg)))
  length = np.sqrt(np.mean(np.square(directions), axis=(1, 2)))
  scale = np.sqrt(np.asarray(distances)) / length
  return np.asarray(prior.w_avg) + np.float32(scale[:, None, None] * directions)


@pytest.mark.parametrize('rung', [0, 1, 2, 3])
def test_the_rung_is_as_far_from_the_average_as_samples_are(prior, rung):
  typical = float(jnp.mean(jnp.square(samples(prior) - prior.w_avg[None])))
  assert variants.likely(prior, latents(prior, typical * 4.0 ** (rung - np.arange(4)))) == rung


def test_a_ladder_that_never_leaves_the_average_has_a_rung_too(prior):
  assert variants.likely(prior, latents(prior, np.zeros(3))) in (0, 1, 2)


def test_deviation_is_where_pictures_differ():
  images = np.zeros((2, 4, 4, 3), np.float32)
  images[1, 0, 0] = 1.0
  found = variants.deviation(images)
  assert found[0, 0] == 0.25
  assert not np.any(found[1:])
