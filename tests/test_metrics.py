"""PSNR and SSIM against plain NumPy loops in float64 and against known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.metrics import frechet, kernel_distances, luma_gradient, psnr, ssim


def images(seed, height=24, width=29, noise=0.2):
  rng = np.random.default_rng(seed)
  a = rng.uniform(-1, 1, (height, width, 3))
  b = np.clip(a + noise * rng.standard_normal(a.shape), -1, 1)
  return a.astype(np.float32), b.astype(np.float32)


def reference_ssim(a, b):
  """Wang et al. 2004, window by window, on the images as they stand in a file: [0, 255]."""
  a, b = ((x.astype(np.float64) + 1) * 127.5 for x in (a, b))
  y, x = np.mgrid[-5:6, -5:6]
  window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))[..., None]
  window /= window.sum()
  c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
  values = []
  for top in range(a.shape[0] - 10):
    for left in range(a.shape[1] - 10):
      p, q = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
      mean_p, mean_q = (np.sum(window * v, axis=(0, 1)) for v in (p, q))
      var_p = np.sum(window * (p - mean_p) ** 2, axis=(0, 1))
      var_q = np.sum(window * (q - mean_q) ** 2, axis=(0, 1))
      cov = np.sum(window * (p - mean_p) * (q - mean_q), axis=(0, 1))
      values.append(
        (2 * mean_p * mean_q + c1) * (2 * cov + c2)
        / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
      )  # fmt: skip
  return np.mean(values)


@pytest.mark.parametrize('noise', [0.01, 0.2, 2.0])
def test_psnr_is_that_of_the_same_images_in_0_255(noise):
  a, b = images(0, noise=noise)
  mse = np.mean(((a.astype(np.float64) - b) * 127.5) ** 2)
  assert float(psnr(a, b)) == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)


@pytest.mark.parametrize(('shift', 'decibels'), [(2.0, 0.0), (0.2, 20.0), (0.02, 40.0)])
def test_psnr_of_a_constant_shift(shift, decibels):
  a = np.full((8, 8, 3), -1.0, np.float32)
  assert float(psnr(a, a + np.float32(shift))) == pytest.approx(decibels, abs=1e-3)


def test_psnr_of_equal_images_is_infinite():
  a, _ = images(1)
  assert float(psnr(a, a)) == np.inf


def test_psnr_under_a_mask():
  a, b = images(2)
  mask = np.zeros((*a.shape[:2], 1), np.float32)
  mask[3:9, 5:20] = 1
  inside = psnr(a[3:9, 5:20], b[3:9, 5:20])
  np.testing.assert_allclose(psnr(a, b, mask), inside, rtol=1e-5)
  np.testing.assert_allclose(psnr(a, b, mask > 0), inside, rtol=1e-5)
  np.testing.assert_allclose(psnr(a, b, np.ones_like(mask)), psnr(a, b), rtol=1e-5)
  assert np.isnan(psnr(a, b, np.zeros_like(mask)))


@pytest.mark.parametrize('noise', [0.01, 0.2, 2.0])
def test_ssim_agrees_with_the_reference(noise):
  a, b = images(3, noise=noise)
  assert float(ssim(a, b)) == pytest.approx(reference_ssim(a, b), abs=2e-6)


def test_ssim_of_smooth_pictures_loses_no_digits():
  ramp = np.linspace(0.9, 1, 24 * 29 * 3).reshape(24, 29, 3).astype(np.float32)
  flat = ramp - np.float32(0.004) * (np.arange(24)[:, None, None] % 2).astype(np.float32)
  assert float(ssim(ramp, flat)) == pytest.approx(reference_ssim(ramp, flat), abs=1e-5)


def test_ssim_of_equal_images_is_one():
  a, _ = images(4)
  assert float(ssim(a, a)) == pytest.approx(1, abs=1e-6)


def test_ssim_of_flat_images_is_the_luminance_term():
  a, b = np.full((11, 11, 3), 0.0, np.float32), np.full((11, 11, 3), -0.5, np.float32)
  x, y, c1 = 127.5, 63.75, 2.55**2
  assert float(ssim(a, b)) == pytest.approx((2 * x * y + c1) / (x**2 + y**2 + c1), abs=1e-6)


def test_ssim_of_a_negative_is_low():
  a, _ = images(5)
  assert float(ssim(a, -a)) < -0.5


@pytest.mark.parametrize('metric', [psnr, ssim])
def test_symmetric_jittable_and_vmappable(metric):
  pairs = [images(seed, noise=0.1 * (seed + 1)) for seed in range(3)]
  a, b = (jnp.stack(x) for x in zip(*pairs, strict=True))
  each = np.array([metric(p, q) for p, q in pairs])
  np.testing.assert_allclose(jax.jit(jax.vmap(metric))(a, b), each, rtol=1e-5)
  np.testing.assert_allclose(jax.vmap(metric)(b, a), each, rtol=1e-5)
  assert metric(a[0], b[0]).dtype == jnp.float32
  assert metric(a[0].astype(jnp.bfloat16), b[0]).dtype == jnp.float32


@pytest.mark.parametrize('metric', [psnr, ssim])
def test_misuse_is_refused(metric):
  a, _ = images(6)
  with pytest.raises(ValueError, match='one shape'):
    metric(a, a[:, :-1])
  with pytest.raises(ValueError, match=r'\[-1, 1\]'):
    metric(a, np.zeros(a.shape, np.uint8))


def test_small_images_and_wrong_masks_are_refused():
  a, b = images(7)
  with pytest.raises(ValueError, match='11 × 11'):
    ssim(a[:10], b[:10])
  with pytest.raises(ValueError, match='mask'):
    psnr(a, b, np.ones(a.shape[:2], np.float32))


def test_frechet_distance_of_known_normals():
  rng = np.random.default_rng(0)
  a = rng.standard_normal((20000, 3))
  b = 2 * rng.standard_normal((20000, 3)) + np.array([1.0, 0.0, 0.0])
  assert frechet(a, a) < 1e-6
  assert abs(frechet(a, b) - (1 + 3)) < 0.1  # ‖μ‖² + Σ(σ₁ − σ₂)²


def test_frechet_distance_of_few_samples_is_finite():
  a = np.random.default_rng(0).standard_normal((4, 128))
  assert frechet(a, a + 1) > 100
  with pytest.raises(ValueError, match='samples'):
    frechet(a[:1], a)


def test_frechet_distance_is_that_of_the_covariances():
  rng = np.random.default_rng(0)
  a, b = rng.standard_normal((9, 4)) @ rng.standard_normal((4, 4)), rng.standard_normal((7, 4))
  ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
  roots = np.sqrt(np.linalg.eigvals(ca @ cb).real)
  shift = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
  expected = shift + np.trace(ca) + np.trace(cb) - 2 * roots.sum()
  assert frechet(a, b) == pytest.approx(expected)


def reference_kernel_distance(a, b):
  """Gretton et al. 2012, equation 4, pair by pair."""

  def kernel(x, y):
    return (np.dot(x, y) / len(x) + 1) ** 3

  values = [
    kernel(a[i], a[j]) + kernel(b[i], b[j]) - kernel(a[i], b[j]) - kernel(a[j], b[i])
    for i in range(len(a))
    for j in range(len(a))
    if i != j
  ]
  return np.mean(values)


@pytest.mark.parametrize('number', [3, 7])
def test_kernel_distance_agrees_with_the_reference(number):
  rng = np.random.default_rng(number)
  a, b = rng.standard_normal((2, number, 5))
  shares, whole = kernel_distances(a, b), reference_kernel_distance(a, b)
  assert shares.mean() == pytest.approx(whole)
  for i, share in enumerate(shares):  # of the jackknife
    without = reference_kernel_distance(np.delete(a, i, axis=0), np.delete(b, i, axis=0))
    assert share == pytest.approx(number * whole - (number - 1) * without)
  np.testing.assert_allclose(kernel_distances(a, a), 0, atol=1e-12)


@pytest.mark.parametrize('correlation', [0.0, 0.9])  # of a restored image with its truth
def test_kernel_distance_of_one_distribution_is_zero_on_average(correlation):
  rng = np.random.default_rng(0)
  a, noise = rng.standard_normal((2, 2000, 4, 3))
  b = correlation * a + np.sqrt(1 - correlation**2) * noise
  shares = np.array([kernel_distances(x, y) for x, y in zip(a, b, strict=True)])
  values = shares.mean(axis=1)
  error = values.std() / np.sqrt(len(values))
  assert abs(values.mean()) < 3 * error
  apart = np.mean([kernel_distances(x, y + 1) for x, y in zip(a, b, strict=True)])
  assert apart > 10 * error


def test_the_shares_tell_the_standard_error():
  a, b = np.random.default_rng(1).standard_normal((2, 500, 20, 3))
  shares = np.array([kernel_distances(x, y + 1) for x, y in zip(a, b, strict=True)])
  told = np.mean(shares.var(axis=1, ddof=1) / shares.shape[1])
  assert told == pytest.approx(shares.mean(axis=1).var(), rel=0.3)


def test_kernel_distance_needs_three_pairs():
  a = np.zeros((4, 2))
  for b, c in ((a[:2], a[:2]), (a, a[:3]), (a, np.zeros((4, 4)))):
    with pytest.raises(ValueError, match='samples'):
      kernel_distances(b, c)


def test_luma_gradient_is_the_slope():
  ramp = np.broadcast_to(np.arange(6, dtype=np.float32)[None, :, None] / 10, (5, 6, 3))
  assert float(luma_gradient(ramp)) == pytest.approx(0.1, abs=1e-6)
  both = ramp[:, :5] * 3 + np.swapaxes(ramp[:, :5], 0, 1) * 4
  assert float(luma_gradient(both)) == pytest.approx(0.5, abs=1e-6)
  assert float(luma_gradient(np.zeros((5, 6, 3), np.float32))) == 0


def test_luma_gradient_falls_with_blur():
  a, _ = images(8)
  blurred = (a[1:] + a[:-1]) / 2
  assert 0 < float(luma_gradient(blurred)) < 0.9 * float(luma_gradient(a))
