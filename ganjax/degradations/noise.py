"""Sensor noise: Gaussian, or few photons with dead pixels."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.clipping import soft_clamp
from ganjax.degradations.estimators import (
  Measured,
  Unknown,
  dropped_pixels,
  dropped_share,
  noise_deviation,
  photon_count,
)
from ganjax.degradations.parameters import DegradationError, Leaf, host_rng, require_range, spell
from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register
from ganjax.degradations.shrinkage import denoised

# Intensity below which the model's shot noise shrinks no further: the slope of a square root has
# no bound at 0, and one black pixel would outweigh the rest of the gradient.
DARKEST = 1e-3
_NEAR = 5  # px
_LEVELS = 256  # of brightness, between which what noise does to it is interpolated
_MANY = 300  # photons, of which hardly any brightness has a square root that is not straight


@frozen_pytree
class GaussianNoise(Operator):
  """Adds white noise of standard deviation sigma, in units of the [0, 1] range, and clips.

  The model form draws fresh noise from its key and clips with `soft_clamp`.
  """

  sigma: Leaf  # float32, units of the [0, 1] range

  unknowns: ClassVar[dict[str, Unknown]] = {'sigma': Measured(noise_deviation)}
  is_white_noise: ClassVar[bool] = True
  has_consistency: ClassVar[bool] = True

  is_local: ClassVar[bool] = True
  is_random: ClassVar[bool] = True

  @classmethod
  def create(cls, sigma: float = 0.1) -> 'GaussianNoise':
    """Raises DegradationError unless sigma is within 0 to 1."""
    require_range('noise: sigma', sigma, 0, 1)
    return cls(np.asarray(sigma, np.float32))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    noise = jax.random.normal(key, image.shape, jnp.float32)
    return _signed(soft_clamp(_unsigned(image) + self.sigma * noise))

  def expected(self, image: jax.Array) -> jax.Array:
    return image

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    noise = host_rng(key).standard_normal(image.shape, np.float32)
    return np.clip(image + 2 * np.asarray(self.sigma) * noise, -1, 1)

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The input without its noise; see `denoised`."""
    deviation = 2 * float(np.asarray(self.sigma))
    likely = clipped_mean(image, deviation)
    seen = likely + visible * (degraded - likely)
    found = without_clipping(denoised(seen, deviation, likely), deviation)
    return (image + visible * (found - image)).astype(np.float32)

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    del height, width
    return {'sigma': jnp.float32(self.sigma) * 4}

  def __str__(self) -> str:
    return f'noise(sigma={spell(self.sigma)})'


@frozen_pytree
class PhotonNoise(Operator):
  """Shot noise of a sensor that counts few photons, then pixels that fail and turn black.

  True form: Poisson counts per channel around intensity · photons, clipped; then each pixel is
  dropped with probability drop. Model form: the Poisson counts become a Gaussian of the same mean
  and variance, clipped with `soft_clamp`; the drops are drawn alike (Poirier-Ginter & Lalonde
  2023), unless a picture was `observed`: then those that it shows are holes.
  """

  photons: Leaf  # float32, counts at intensity 1
  drop: Leaf  # float32, probability
  kept: Leaf | None = None  # float32 [h, w, 1], 0 where a pixel was seen to be dropped

  unknowns: ClassVar[dict[str, Unknown]] = {
    'photons': Measured(photon_count),
    'drop': Measured(dropped_share),
  }
  has_consistency: ClassVar[bool] = True

  is_local: ClassVar[bool] = True
  is_random: ClassVar[bool] = True

  @classmethod
  def create(cls, photons: float = 24.0, drop: float = 0.0) -> 'PhotonNoise':
    """Raises DegradationError unless photons is within 1 to 1e6 and drop within 0 to 0.99."""
    require_range('noise: photons', photons, 1, 1e6)
    require_range('noise: drop', drop, 0, 0.99)
    return cls(np.asarray(photons, np.float32), np.asarray(drop, np.float32))

  @property
  def loses_pixels(self) -> bool:
    return bool(np.any(np.asarray(self.drop) > 0))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    noise_key, drop_key = jax.random.split(key)
    intensity = _unsigned(image)
    deviation = jnp.sqrt(jnp.maximum(intensity, DARKEST) / self.photons)
    noise = jax.random.normal(noise_key, image.shape, jnp.float32)
    kept = self.kept
    if kept is None:
      drawn = jax.random.uniform(drop_key, (*image.shape[:2], 1))
      kept = (drawn >= self.drop).astype(jnp.float32)
    return _signed(soft_clamp(intensity + deviation * noise) * kept)

  def expected(self, image: jax.Array) -> jax.Array:
    return _signed(_unsigned(image) * (1 - self.drop if self.kept is None else self.kept))

  def observed(self, picture: np.ndarray) -> 'PhotonNoise':
    dropped = dropped_pixels(picture, float(self.photons), float(self.drop))
    return dataclasses.replace(self, kept=1 - dropped[:, :, None].astype(np.float32))

  def visible(self, height: int, width: int) -> jax.Array:
    return super().visible(height, width) if self.kept is None else jnp.asarray(self.kept)

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    rng = host_rng(key)
    intensity = np.clip((image + 1) / 2, 0, 1)
    photons = float(np.asarray(self.photons))
    counts = rng.poisson(intensity * photons) / photons
    kept = rng.random((*image.shape[:2], 1)) >= float(np.asarray(self.drop))
    return (2 * kept * np.clip(counts, 0, 1) - 1).astype(np.float32)

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The input without its noise, where pixels near by did not fail; see `denoised`.

    Square roots of counts have the same noise everywhere (Anscombe 1948).
    """
    from scipy import ndimage  # other degradations do without it

    if self.kept is None:
      kept = visible * np.asarray(self.observed(degraded).kept)
    else:  # then `visible` has faded around each of them
      kept = np.asarray(self.kept)
    photons = float(np.asarray(self.photons))
    levels, roots = _mean_roots(photons)
    likely = np.interp(image, levels, roots)
    seen = np.where(kept > 0, _root((degraded + 1) / 2 * photons), likely)
    found = denoised(seen, 1.0, likely)
    near = ndimage.uniform_filter(kept, (_NEAR, _NEAR, 1))
    share = np.clip(_NEAR * near, 0, 1)  # all, where a row of pixels is left
    return (image + share * (np.interp(found, roots, levels) - image)).astype(np.float32)

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    del height, width
    return {'photons': 2 * jax.lax.rsqrt(jnp.float32(self.photons)), 'drop': jnp.float32(self.drop)}

  def __str__(self) -> str:
    return f'noise(photons={spell(self.photons)}, drop={spell(self.drop)})'


def clipped_mean(image: np.ndarray, deviation: float) -> np.ndarray:
  """The mean of what white noise makes of a picture, once it is clipped to [-1, 1].

  Args:
    image: float [h, w, C] in [-1, 1].
    deviation: of the noise, likewise.
  """
  from scipy import stats  # other degradations do without it

  if not deviation:
    return image
  low, high = ((edge - image) / deviation for edge in (-1.0, 1.0))
  below, above = stats.norm.cdf(low), stats.norm.sf(high)
  spread = deviation * (stats.norm.pdf(low) - stats.norm.pdf(high))
  return image * (1 - below - above) + spread - below + above


def without_clipping(mean: np.ndarray, deviation: float) -> np.ndarray:
  """The picture whose `clipped_mean` is given: float [h, w, C] in [-1, 1]."""
  levels = np.linspace(-1, 1, _LEVELS)
  return np.interp(mean, clipped_mean(levels, deviation), levels)


def _root(counts: np.ndarray) -> np.ndarray:
  """Of counts of photons, with noise of deviation 1 (Anscombe 1948)."""
  return 2 * np.sqrt(counts + 3 / 8)


@functools.lru_cache(maxsize=8)
def _mean_roots(photons: float) -> tuple[np.ndarray, np.ndarray]:
  """Levels in [-1, 1], and the means of the roots of what is counted of each, once clipped."""
  from scipy import stats  # other degradations do without it

  levels = np.linspace(-1, 1, _LEVELS)
  expected = (levels + 1) / 2 * photons
  if photons > _MANY:
    return levels, _root(expected)
  counts = np.arange(np.ceil(photons) + 1)
  shares = stats.poisson.pmf(counts, expected[:, None])
  shares[:, -1] += 1 - shares.sum(axis=1)  # the last stands for all larger counts
  return levels, shares @ _root(np.minimum(counts, photons))


def _unsigned(image: jax.Array) -> jax.Array:
  return (image + 1) / 2


def _signed(image: jax.Array) -> jax.Array:
  return image * 2 - 1


def build(
  sigma: float | None = None, photons: float | None = None, drop: float | None = None
) -> Operator:
  """Gaussian noise, or photon noise where photons are given.

  Raises:
    DegradationError: arguments of both, drop without photons, or a number out of its range.
  """
  if sigma is not None and (photons is not None or drop is not None):
    raise DegradationError("noise: sigma excludes photons and drop: join two noises with '|'")
  if photons is not None:
    return PhotonNoise.create(photons, 0.0 if drop is None else drop)
  if drop is not None:
    raise DegradationError('noise: drop needs photons: write for example photons=24')
  return GaussianNoise.create() if sigma is None else GaussianNoise.create(sigma)


register(
  'noise',
  build,
  {'sigma': float, 'photons': float, 'drop': float},
  unknown={'sigma': 0.1, 'photons': 24.0, 'drop': 0.0},
  usage="""
    noise(sigma=0.1)  units of the [0, 1] range
    noise(photons=…, drop=0)  counts at white, probability of a black pixel
  """,
)
