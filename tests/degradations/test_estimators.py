"""Parameters written `?`: their ranges, and what can be read off a picture."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ganjax.degradations import parse, stack
from ganjax.degradations.estimators import Continuous, noise_deviation
from ganjax.pixels import to_float

PICTURE = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
KEY = jax.random.key(0)


@pytest.fixture(scope='module')
def picture():
  return to_float(np.asarray(Image.open(PICTURE).convert('RGB').resize((128, 128))))


def test_continuous_parameters_begin_at_their_start_and_stay_in_their_range():
  unknown = Continuous(0.05, 400.0, start=4.0)
  np.testing.assert_allclose(unknown.value(unknown.free()), 4.0, rtol=1e-5)
  for far, limit in ((-1e4, 0.05), (1e4, 400.0)):
    np.testing.assert_allclose(unknown.value(jnp.full((1,), far)), limit, rtol=1e-4)


def test_the_gradient_pulls_an_unknown_variance_to_the_true_one(picture):
  image = jnp.asarray(picture)
  pipeline = parse('blur(kernel_size=15, variance=?)')
  target = parse('blur(kernel_size=15, variance=2)').model(image, KEY)

  @jax.jit
  def gradient(free):
    return jax.grad(lambda f: jnp.mean((pipeline.bind(f).model(image, KEY) - target) ** 2))(free)

  free = pipeline.free()
  assert float(pipeline.bind(free).operators[0].variance) == pytest.approx(4)
  for _ in range(200):
    step = gradient(free)
    free = jax.tree.map(lambda p, g: p - 0.05 * jnp.sign(g), free, step)
  assert float(pipeline.bind(free).operators[0].variance) == pytest.approx(2, rel=0.1)


def test_what_is_bound_is_no_longer_unknown():
  pipeline = parse('grayscale | blur(variance=?) | jpeg(quality=?)')
  assert pipeline.unknown == ((1, 'variance'), (2, 'quality'))
  bound = pipeline.bind(pipeline.free())
  assert bound.unknown == ((2, 'quality'),)
  assert 'quality=?' in str(bound)
  assert '?' not in str(bound.candidates(128, 128)[0])


def test_joined_pipelines_keep_what_is_unknown():
  joined = parse('grayscale') | parse('blur(variance=?)')
  assert str(joined) == 'grayscale(mode=luma) | blur(kernel_size=25, variance=?)'
  assert joined.sample(KEY).unknown == joined.unknown


def test_candidates_are_all_combinations_that_fit():
  found = parse('blur(kernel_size=?) | jpeg(quality=?)').candidates(32, 32)
  sizes = {int(p.operators[0].kernel_size) for p in found}
  assert sizes == {5, 9, 15, 25}
  assert len(found) == len(sizes) * len({int(p.operators[1].quality) for p in found})
  assert stack(found).operators[0].kernel_size.shape == (len(found),)


@pytest.mark.parametrize('sigma', [0.03, 0.1, 0.2])
def test_the_noise_level_is_read_off_the_picture(picture, sigma):
  noisy = parse(f'noise(sigma={sigma})').true(picture, KEY)
  (found,) = parse('noise(sigma=?)').measured(noisy).operators
  assert float(found.sigma) == pytest.approx(sigma, rel=0.2)


@pytest.mark.parametrize('kind', ['noise(sigma=0.07) | jpeg(quality=50)', 'grain'])
def test_noise_without_its_finest_part_is_noise_still(picture, kind):
  """As a JPEG leaves it, and as film has it."""
  if kind == 'grain':
    drawn = np.random.default_rng(0).normal(0, 1, picture.shape)
    grain = ndimage.gaussian_filter(drawn, (0.7, 0.7, 0))
    noisy = np.clip(picture + 2 * 0.05 * grain / grain.std(), -1, 1).astype(np.float32)
  else:
    noisy = parse(kind).true(picture, KEY)
  assert 0.025 < noise_deviation(noisy) < 0.06
  assert noise_deviation(picture) < 0.02


@pytest.mark.parametrize(('photons', 'drop'), [(96, 0.04), (24, 0.16), (12, 0.32)])
def test_photons_and_dropped_pixels_are_read_off_the_picture(picture, photons, drop):
  noisy = parse(f'noise(photons={photons}, drop={drop})').true(picture, KEY)
  (found,) = parse('noise(photons=?, drop=?)').measured(noisy).operators
  assert float(found.drop) == pytest.approx(drop, abs=0.05)
  assert float(found.photons) == pytest.approx(photons, rel=0.5)


def test_estimates_claim_three_digits(picture):
  noisy = parse('noise(sigma=0.1)').true(picture, KEY)
  assert re.fullmatch(r'noise\(sigma=0\.\d{1,4}\)', str(parse('noise(sigma=?)').measured(noisy)))
  blurred = parse('blur(variance=?)').with_estimates({(0, 'variance'): np.float32(3.6313488)})
  assert str(blurred) == 'blur(kernel_size=25, variance=3.63)'
