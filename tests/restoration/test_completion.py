import jax
import numpy as np
import pytest

from ganjax.degradations import parse
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import completed

KEY = jax.random.key(0)
SIDE = 32
PROJECTIONS = [
  'grayscale',
  'grayscale(mode=mean)',
  'mask(box=4:12:4:20)',
  'mask(strokes=3, width=0.1) | grayscale',
  'grayscale | mask(missing=0.3)',
]
EVERY = pytest.mark.parametrize('spec', PROJECTIONS)


@pytest.fixture(scope='module')
def pictures() -> tuple[np.ndarray, np.ndarray]:
  """A truth and a restored picture, of middling colours, so that nothing is clipped."""
  shape = (2, SIDE, SIDE, 3)
  truth, restored = np.random.default_rng(0).integers(80, 176, shape).astype(np.uint8)
  return truth, restored


@EVERY
def test_what_is_completed_degrades_to_the_input(spec, pictures):
  truth, restored = pictures
  degradation = parse(spec).sample(KEY)
  assert degradation.is_only_projections
  degraded = degradation.true(to_float(truth), KEY)
  whole = completed(degradation, degraded, restored, fade=0.0)
  again = degradation.true(to_float(whole), KEY)
  assert np.abs(to_bytes(again).astype(int) - to_bytes(degraded)).max() <= 1
  np.testing.assert_allclose(completed(degradation, degraded, truth), truth, atol=1)


@EVERY
def test_applied_again_it_takes_nothing_more(spec, pictures):
  degradation = parse(spec).sample(KEY)
  once = degradation.true(to_float(pictures[0]), KEY)
  np.testing.assert_allclose(degradation.true(once, KEY), once, atol=1.1 / 127.5)


def test_colours_are_the_restored_ones(pictures):
  truth, restored = pictures
  grey = parse('grayscale')
  whole = completed(grey, grey.true(to_float(truth), KEY), restored)
  chroma = [picture[..., 0].astype(int) - picture[..., 2] for picture in (whole, restored)]
  assert np.abs(chroma[0] - chroma[1]).max() <= 1


def test_holes_are_restored_and_their_surroundings_fade(pictures):
  truth, restored = pictures
  degradation = parse('mask(box=8:20:8:20)')
  degraded = degradation.true(to_float(truth), KEY)
  hard, soft = (completed(degradation, degraded, restored, fade) for fade in (0.0, 1 / 16))
  inside = np.zeros((SIDE, SIDE), bool)
  inside[8:20, 8:20] = True
  for whole in (hard, soft):
    np.testing.assert_array_equal(whole[inside], restored[inside])
    np.testing.assert_array_equal(whole[28:], truth[28:])
  np.testing.assert_array_equal(hard[~inside], truth[~inside])
  between = np.minimum(truth, restored) <= soft
  assert np.all(between & (soft <= np.maximum(truth, restored)))
  assert np.any(soft[~inside] != truth[~inside])


def test_a_tint_and_the_colour_of_holes_do_not_matter(pictures):
  truth, restored = pictures
  degradation = parse('mask(box=8:20:8:20) | grayscale')
  degraded = degradation.true(to_float(truth), KEY)
  white = degraded.copy()
  white[8:20, 8:20] = 1
  # Blue is raised and red lowered so that the luminance stays: a tinted print.
  tinted = degraded + np.float32([-0.0114, 0, 0.0299])
  expected = completed(degradation, degraded, restored)
  for other in (white, tinted):
    whole = completed(degradation, other, restored)
    np.testing.assert_allclose(whole.astype(int), expected, atol=1)


@pytest.mark.parametrize('spec', ['identity', 'blur', 'mask(missing=0.5) | noise(sigma=0.1)'])
def test_others_leave_nothing_certain(spec):
  assert not parse(spec).is_only_projections
