"""Restarts, the ladder of weights, and the choice at the L-curve's corner."""

import jax.numpy as jnp
import numpy as np

import ganjax
from ganjax import inversion
from ganjax.inversion import objective, variants


def problem(prior):
  photo = np.zeros((16, 16, 3), np.float32)
  return inversion.problem(
    prior, photo, ganjax.parse_degradation('identity()'), 'a', 0, inversion.Hyper()
  )


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


def test_the_corner_is_where_a_larger_weight_begins_to_cost():
  weights = (0.01, 0.1, 1.0, 10.0)
  misfit = np.array([1.0, 1.05, 1.1, 8.0])
  distance = np.array([100.0, 30.0, 2.0, 1.5])
  curves = [misfit, np.zeros(4), np.zeros(4), distance * np.asarray(weights)]
  terms = objective.Terms(*[jnp.asarray(c)[:, None] for c in curves])
  assert variants.corner(terms, weights) == 2


def test_a_flat_ladder_has_a_corner_too():
  terms = objective.Terms(*[jnp.ones((3, 2)) for _ in range(4)])
  assert variants.corner(terms, (0.1, 0.2, 0.4)) in (0, 1, 2)


def test_deviation_is_where_pictures_differ():
  images = np.zeros((2, 4, 4, 3), np.float32)
  images[1, 0, 0] = 1.0
  found = variants.deviation(images)
  assert found[0, 0] == 0.25
  assert not np.any(found[1:])
