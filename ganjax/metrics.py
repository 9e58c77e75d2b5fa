"""How alike two images are, and two samples of them. Images come in pairs; vmap for more."""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ganjax.pixels import LUMA

SSIM_WINDOW = 11  # pixels
SSIM_SIGMA = 1.5  # pixels
SSIM_K1 = 0.01
SSIM_K2 = 0.03

# The images of a result that are compared with the truth -> what their figures' names end in.
ENDINGS = {'degraded': '_degraded', 'restored': '', 'completed': '_completed'}

_RANGE = 2.0  # of images in [-1, 1]


def psnr(a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None) -> Float[Array, '']:
  """Peak signal-to-noise ratio in dB; infinite for equal images.

  Args:
    a: [H, W, C], in [-1, 1]. The peak is their range, 2, so that the figure is that of the same
      images in [0, 255].
    b: the same.
    mask: [H, W, 1], in [0, 1]: each pixel's weight. NaN where all are 0.

  Returns:
    Scalar, float32.

  Raises:
    ValueError: the shapes differ, or an image is of whole numbers.
  """
  a, b = _pair(a, b)
  error = jnp.mean((a - b) ** 2, axis=-1, keepdims=True)
  if mask is None:
    mse = jnp.mean(error)
  else:
    weight = jnp.asarray(mask, jnp.float32)
    if weight.shape != error.shape:
      raise ValueError(f'mask is {weight.shape}; these images need {error.shape}')
    mse = jnp.sum(weight * error) / jnp.sum(weight)
  return 10.0 * jnp.log10(_RANGE**2 / mse)


def ssim(a: ArrayLike, b: ArrayLike) -> Float[Array, '']:
  """Structural similarity (Wang et al. 2004, equation 13), mean over pixels and channels.

  Gaussian window of 11 × 11 pixels, σ = 1.5, where it lies inside the image; population
  variances, as in the authors' own program.

  Args:
    a: [H, W, C], in [-1, 1]; H and W at least 11. The figure is that of the same images in
      [0, 255].
    b: the same.

  Returns:
    Scalar, float32; 1 for equal images.

  Raises:
    ValueError: the shapes differ, an image is of whole numbers or smaller than the window.
  """
  a, b = _pair(a, b)
  if min(a.shape[:2]) < SSIM_WINDOW:
    raise ValueError(f'ssim needs {SSIM_WINDOW} × {SSIM_WINDOW} pixels or more; got {a.shape}')
  # Variances do not change with a shift; without the mean, E[x²] − E[x]² loses fewer digits.
  shift_a, shift_b = (jnp.mean(x, axis=(0, 1), keepdims=True) for x in (a, b))
  a, b = a - shift_a, b - shift_b
  moments = _blur(jnp.concatenate([a, b, a * a, b * b, a * b], axis=-1))
  mean_a, mean_b, aa, bb, ab = jnp.split(moments, 5, axis=-1)
  variances = aa - mean_a**2 + bb - mean_b**2
  covariance = ab - mean_a * mean_b
  mean_a, mean_b = mean_a + shift_a + 1.0, mean_b + shift_b + 1.0  # black is 0 for the luminance
  c1, c2 = (SSIM_K1 * _RANGE) ** 2, (SSIM_K2 * _RANGE) ** 2
  luminance = (2.0 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
  structure = (2.0 * covariance + c2) / (variances + c2)
  return jnp.mean(luminance * structure)


def luma_gradient(image: Float[Array, 'h w 3']) -> Float[Array, '']:
  """How steep an image is: the mean length of the gradient of its luma, by forward differences.

  Half of what another image has means half as sharp, where they show the same.

  Args:
    image: [H, W, 3] in [-1, 1]; H and W at least 2.

  Returns:
    Scalar, of the range 2 a pixel.
  """
  luma = jnp.sum(image * jnp.asarray(LUMA, image.dtype).reshape(1, 1, 3), axis=-1)
  corner = luma[:-1, :-1]
  return jnp.mean(jnp.hypot(luma[1:, :-1] - corner, luma[:-1, 1:] - corner))


def frechet(a: np.ndarray, b: np.ndarray) -> float:
  """The Fréchet distance of the normal distributions fitted to two samples (Dowson, Landau 1982).

  ‖μ₁ − μ₂‖² + tr(C₁ + C₂ − 2·(C₁·C₂)^½). Samples smaller than their dimension give a figure that
  is biased upwards: compare only figures of equal sizes.

  Args:
    a: [N, D]; N at least 2.
    b: [M, D]; M at least 2.

  Raises:
    ValueError: the samples are too small, or of different dimensions.
  """
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
    raise ValueError(f'samples [N, D] and [M, D] are needed; got {a.shape} and {b.shape}')
  a, b = a.astype(np.float64), b.astype(np.float64)
  ra, rb = _root(a), _root(b)
  # The eigenvalues of C₁·C₂ are the squared singular values of R₁·R₂ᵀ, also of singular ones.
  cross = np.linalg.svd(ra @ rb.T, compute_uv=False).sum()
  shift = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
  return float(max(shift + np.sum(ra**2) + np.sum(rb**2) - 2 * cross, 0.0))


def _root(sample: np.ndarray) -> np.ndarray:
  """A triangular root R of a sample's covariance Rᵀ·R: [N, D] -> [min(N, D), D]."""
  deviations = (sample - sample.mean(axis=0)) / np.sqrt(len(sample) - 1)
  return np.asarray(np.linalg.qr(deviations, mode='r'))


def kernel_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """The squared maximum mean discrepancy of two samples, as each pair's share in it.

  Its kernel is (x·y / D + 1)³ (Bińkowski et al. 2018, section 3). The mean of the shares is the
  distance. It is unbiased, however small the samples are; so it is below 0 at times where both come
  from one distribution. The members of a pair (aᵢ, bᵢ) may depend on each other, as a restored
  image does on its truth: they are not compared with each other (Gretton et al. 2012, equation 4).

  The shares are the jackknife's pseudo-values (Tukey 1958): their deviation over √N is the
  distance's standard error, and that of their differences the error of a difference between two
  distances from one sample.

  Args:
    a: [N, D]; N at least 3.
    b: the same.

  Returns:
    [N], float64; 0 for equal samples.

  Raises:
    ValueError: the samples are too small, or of different shapes.
  """
  if a.ndim != 2 or a.shape != b.shape or len(a) < 3:
    raise ValueError(f'two samples [N, D], N ≥ 3, are needed; got {a.shape} and {b.shape}')
  a, b = a.astype(np.float64), b.astype(np.float64)
  n, crossed = len(a), _kernel(a, b)
  terms = _kernel(a, a) + _kernel(b, b) - crossed - crossed.T
  np.fill_diagonal(terms, 0)
  rows = terms.sum(axis=1)
  return (2 * rows - rows.sum() / (n - 1)) / (n - 2)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  return (a @ b.T / a.shape[1] + 1) ** 3


def names(kinds: Iterable[str]) -> list[str]:
  """What the figures are called of a result's images of these kinds: PSNR and SSIM of each."""
  return [f'{name}{ENDINGS[kind]}' for kind in kinds for name in ('psnr', 'ssim')]


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[jax.Array, jax.Array]:
  a, b = jnp.asarray(a), jnp.asarray(b)
  if a.shape != b.shape:
    raise ValueError(f'images of one shape are needed; got {a.shape} and {b.shape}')
  if not all(jnp.issubdtype(x.dtype, jnp.floating) for x in (a, b)):
    raise ValueError(f'images in [-1, 1] are needed; got {a.dtype} and {b.dtype}')
  return a.astype(jnp.float32), b.astype(jnp.float32)


def _blur(image: jax.Array) -> jax.Array:
  """The window's weighted mean where it lies inside: [H, W, C] -> [H - 10, W - 10, C].

  Sums of shifted images: a convolution would round to bfloat16 or TF32 on some devices.
  """
  x = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
  window = np.exp(-(x**2) / (2 * SSIM_SIGMA**2))
  taps = (window / window.sum()).tolist()
  height, width = image.shape[0] - SSIM_WINDOW + 1, image.shape[1] - SSIM_WINDOW + 1
  image = sum(tap * image[i : i + height] for i, tap in enumerate(taps))
  return sum(tap * image[:, i : i + width] for i, tap in enumerate(taps))
