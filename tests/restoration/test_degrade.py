import numpy as np

from ganjax.degradations import parse
from ganjax.pixels import to_float
from ganjax.restoration.degrade import as_it_is, degrade

CLEAN = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
RANDOM = parse('mask(missing=0.5) | noise(sigma=0.1)')


def test_seed_and_name_alone_decide():
  first, again, named, seeded = (
    degrade(CLEAN, RANDOM, name, seed) for name, seed in (('a', 0), ('a', 0), ('b', 0), ('a', 1))
  )
  np.testing.assert_array_equal(first.target, again.target)
  for other in (named, seeded):
    assert np.any(other.target != first.target)
  np.testing.assert_array_equal(first.truth, CLEAN)
  assert first.target.dtype == np.float32


def test_what_came_degraded_is_taken_as_it_is():
  given = as_it_is(CLEAN, RANDOM, 'a', 0)
  np.testing.assert_array_equal(given.target, to_float(CLEAN))
  assert given.truth is None
  assert str(given.degradation) == str(degrade(CLEAN, RANDOM, 'a', 0).degradation)


def test_an_image_to_which_nothing_happened_is_its_own_truth():
  np.testing.assert_array_equal(as_it_is(CLEAN, parse('identity'), 'a', 0).truth, CLEAN)


def test_a_tint_is_taken_off_a_photo_that_is_said_to_be_grey():
  given = as_it_is(CLEAN, parse('blur | grayscale | mask(box=2:5:2:5)'), 'a', 0)
  np.testing.assert_allclose(np.ptp(given.target, axis=2), 0, atol=1e-6)
  np.testing.assert_allclose(
    given.target[..., 0], to_float(CLEAN) @ [0.299, 0.587, 0.114], atol=1e-5
  )
  noisy = as_it_is(CLEAN, parse('grayscale | noise(sigma=0.1)'), 'a', 0)  # the noise has colours
  np.testing.assert_array_equal(noisy.target, to_float(CLEAN))


def test_the_assumption_is_another_than_what_was_done():
  done, assumed = parse('blur(kernel_size=5, variance=2)'), parse('blur(kernel_size=5, variance=?)')
  degraded = degrade(CLEAN, done, 'a', 0, assumed)
  np.testing.assert_array_equal(degraded.target, degrade(CLEAN, done, 'a', 0).target)
  assert degraded.degradation.unknown
  assert degraded.record == {'degradation': 'blur(kernel_size=5, variance=2)'}
  found = degraded.identified(done, race={})
  assert not found.degradation.unknown
  assert found.record == {**degraded.record, 'estimate': str(done), 'race': {}}
