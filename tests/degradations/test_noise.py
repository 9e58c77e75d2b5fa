import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.degradations import DegradationError, GaussianNoise, PhotonNoise, parse
from ganjax.degradations.clipping import soft_clamp

KEY = jax.random.key(5)
SIZE = 128


def flat(intensity):
  return np.full((SIZE, SIZE, 3), 2 * intensity - 1, np.float32)


def forms(operator, image):
  """Both forms' noisy intensities, in [0, 1]."""
  model = np.asarray(operator.model(jnp.asarray(image), KEY))
  return (model + 1) / 2, (operator.true(image, KEY) + 1) / 2


def test_gaussian_has_sigma_in_units_of_the_unit_range():
  for noisy in forms(GaussianNoise.create(0.1), flat(0.5)):
    assert noisy.mean() == pytest.approx(0.5, abs=2e-3)
    assert noisy.std() == pytest.approx(0.1, rel=2e-2)


@pytest.mark.parametrize(('photons', 'intensity'), [(96, 0.5), (24, 0.3), (48, 0.2)])
def test_shot_noise_has_the_variance_of_counts(photons, intensity):
  for noisy in forms(PhotonNoise.create(photons), flat(intensity)):
    assert noisy.mean() == pytest.approx(intensity, abs=5e-3)
    assert noisy.var() == pytest.approx(intensity / photons, rel=0.1)


def test_true_shot_noise_counts_whole_photons():
  counts = forms(PhotonNoise.create(12, 0.3), flat(0.5))[1] * 12
  np.testing.assert_allclose(counts, np.rint(counts), atol=1e-4)


@pytest.mark.parametrize('drop', [0.0, 0.16, 0.64])
def test_dropped_pixels_are_black_in_all_channels(drop):
  for noisy in forms(PhotonNoise.create(1e6, drop), flat(0.5)):
    black = noisy == 0
    assert np.all(black.all(axis=-1) == black.any(axis=-1))
    assert black.mean() == pytest.approx(drop, abs=0.02)


def test_what_is_expected_is_the_mean_of_the_model():
  keys = jax.random.split(KEY, 16)
  for operator in (GaussianNoise.create(0.1), PhotonNoise.create(24, 0.3)):
    drawn = jax.vmap(operator.model, in_axes=(None, 0))(jnp.asarray(flat(0.4)), keys)
    np.testing.assert_allclose(
      operator.expected(flat(0.4)), flat((drawn.mean() + 1) / 2), atol=5e-3
    )


@pytest.mark.parametrize('drop', [0.04, 0.32, 0.64])
def test_dropped_pixels_are_told_from_dark_ones(drop):
  picture = flat(0.4)
  picture[:, : SIZE // 4] = -1  # black, so that nothing can be told there
  operator = PhotonNoise.create(24, drop)
  seen = operator.true(picture, KEY)
  known = operator.observed(seen)
  kept = np.asarray(known.visible(SIZE, SIZE))[:, :, 0]
  bright, dark = slice(SIZE // 4 + 2, None), slice(SIZE // 4 - 2)
  np.testing.assert_array_equal(kept[:, bright], (seen > -1).any(axis=2)[:, bright])
  assert np.all(kept[:, dark] == 1)
  model = np.asarray(known.model(jnp.asarray(picture), KEY))
  assert np.all(model[kept == 0] == -1)
  assert (model[:, bright] > -1).any(axis=2).mean() == pytest.approx(1 - drop, abs=0.02)


def test_what_a_codec_has_smeared_is_not_taken_for_dropped():
  picture = flat(0.4)
  for spec, hidden in (('mask(box=0:9:0:9)', True), ('jpeg(quality=20)', False)):
    damage = parse(f'noise(photons=24, drop=0.3) | {spec}')
    known = damage.observed(damage.true(picture, KEY))
    noise = known.operators[0]
    assert isinstance(noise, PhotonNoise)
    assert (noise.kept is not None) == hidden
    assert str(known) == str(damage)


def test_soft_clamp_clips_exactly_and_has_the_gradient_of_the_sigmoid():
  x = jnp.linspace(-3, 4, 57)
  np.testing.assert_array_equal(soft_clamp(x), np.clip(np.asarray(x), 0, 1))
  gradient = jax.vmap(jax.grad(soft_clamp))(x)
  step = 1e-3
  points = np.asarray(x, np.float64)
  sigmoid = [1 / (1 + np.exp(-2 * (points + shift - 0.5))) for shift in (-step, step)]
  np.testing.assert_allclose(gradient, (sigmoid[1] - sigmoid[0]) / (2 * step), atol=1e-5)


def test_gradient_of_shot_noise_is_bounded_on_black_and_beyond():
  for intensity in (0.0, -0.5, 1.5):
    image = jnp.asarray(flat(intensity))
    gradient = jax.grad(lambda image: jnp.sum(PhotonNoise.create(6).model(image, KEY)))(image)
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient).max() < 20


@pytest.mark.parametrize(
  ('create', 'message'),
  [
    (lambda: GaussianNoise.create(-0.1), 'sigma=-0.1 is out of range: use 0 to 1'),
    (lambda: GaussianNoise.create(25), 'sigma=25 is out of range'),
    (lambda: PhotonNoise.create(0), 'photons=0 is out of range'),
    (lambda: PhotonNoise.create(24, 1), 'drop=1 is out of range: use 0 to 0.99'),
  ],
)
def test_wrong_numbers_are_refused(create, message):
  with pytest.raises(DegradationError, match=message):
    create()
