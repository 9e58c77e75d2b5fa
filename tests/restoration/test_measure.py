import jax
import numpy as np
import pytest

from ganjax.degradations import parse
from ganjax.metrics import names, psnr, ssim
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.degrade import as_it_is, degrade
from ganjax.restoration.measure import against_truth, fidelity, measure


def image(seed, height=24, width=32):
  return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_images_are_measured_as_they_look_beside_the_truth():
  truth = image(0)
  small = truth[::2, ::2]
  found = against_truth({'completed': truth, 'restored': 255 - truth, 'degraded': small}, truth)
  assert list(found) == names(['completed', 'restored', 'degraded'])
  assert found['psnr_completed'] == np.inf
  assert found['ssim_completed'] == pytest.approx(1)
  shown, clean = to_float(small.repeat(2, 0).repeat(2, 1)), to_float(truth)
  assert found['psnr_degraded'] == pytest.approx(float(psnr(shown, clean)), rel=1e-5)
  assert found['ssim'] == pytest.approx(float(ssim(to_float(255 - truth), clean)), abs=1e-5)


def test_fidelity_is_of_the_image_degraded_again_with_the_same_noise():
  noisy = parse('downsample(factor=2) | noise(sigma=0.2)')
  degraded = degrade(image(0), noisy, 'a', 0)
  assert fidelity(image(0), degraded) == np.inf
  other = image(1)
  again = noisy.true(to_float(other), degraded.key)
  assert fidelity(other, degraded) == pytest.approx(float(psnr(again, degraded.target)))
  assert fidelity(image(0), degraded._replace(key=jax.random.key(1))) < 30


def test_fidelity_is_over_what_the_input_shows():
  mask = parse('mask(box=4:20:4:28)')
  given = as_it_is(image(0), mask, 'a', 0)
  restored = image(0)
  restored[4:20, 4:28] = image(1)[4:20, 4:28]
  assert fidelity(restored, given) == np.inf
  restored[0] = 255 - restored[0]
  shown = np.asarray(mask.visible(24, 32))
  expected = psnr(to_float(restored), given.target, shown)
  assert fidelity(restored, given) == pytest.approx(float(expected))


def test_without_a_truth_there_is_fidelity_alone():
  given = as_it_is(image(0), parse('blur(kernel_size=3, variance=1)'), 'a', 0)
  images = {'restored': image(1), 'degraded': to_bytes(given.target), 'photo': image(2)}
  assert measure(images, given).keys() == {'fidelity'}
  known = degrade(image(0), parse('identity()'), 'a', 0)
  assert set(measure(images, known)) == {'fidelity', *names(['restored', 'degraded'])}
  assert 'fidelity' not in measure(images, known, with_fidelity=False)
