"""How a parameter that nobody knows, written `?` in a spec, can be found."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.data import JpegCoding

CHI_SQUARED_MEDIAN = 0.4549  # of one degree of freedom
SQUARE = 8  # px
SMOOTHEST = 0.2  # share of squares; in a face there are as many without detail
NEAR_CLIPPED, FEWEST = 0.02, 20
BRIGHT = 0.25  # where a living pixel is hardly ever black in all channels


class Continuous(NamedTuple):
  """Found by gradient, together with the latent."""

  low: float
  high: float
  start: float

  def free(self) -> jax.Array:
    """The start as an unconstrained number, [1]."""
    share = np.log(self.start / self.low) / np.log(self.high / self.low)
    return jnp.full((1,), np.log(share / (1 - share)), jnp.float32)

  def value(self, free: jax.Array) -> jax.Array:
    """Within the range: low · (high / low)^sigmoid(free); [..., 1] -> [...]."""
    return self.low * (self.high / self.low) ** jax.nn.sigmoid(free[..., 0])


class Discrete(NamedTuple):
  """Found by a race: every candidate is tried, and the one with the smallest loss is kept.

  Unless the file that the photo came as tells it: (its coding, px of the photo that become one of
  the face's crop) -> the value, or None where it does not.
  """

  candidates: tuple
  of_file: Callable[[JpegCoding, float], Any] | None = None


class Measured(NamedTuple):
  """Read off the degraded picture itself."""

  measure: Callable[[np.ndarray], float]  # float32 [h, w, 3] in [-1, 1] -> value


class Cropped(NamedTuple):
  """Follows from how large a face is in its photo, once it is found there."""

  parameter: str  # the one that is set in its place: the size in px


Unknown = Continuous | Discrete | Measured | Cropped


def noise_deviation(picture: np.ndarray) -> float:
  """The standard deviation of the noise on a picture.

  The larger of what two measures find, since a JPEG takes the finest noise away, and film grain has
  little of it. Of white noise both find the same.

  Args:
    picture: float32 [h, w, 3] in [-1, 1].

  Returns:
    In units of the [0, 1] range.
  """
  return max(_fine_noise(picture / 2), _coarse_noise(picture / 2))


def _fine_noise(picture: np.ndarray) -> float:
  """From the median of |difference of second differences|.

  Immerkær 1996, with the median of Donoho and Johnstone 1994 in place of the mean, so that edges
  count little.
  """
  return float(np.median(np.abs(_rough(picture))) / 0.6745)


def _coarse_noise(picture: np.ndarray) -> float:
  """How far the smoothest squares of 8×8 pixels, [-0.5, 0.5], are from parabolas.

  Clipped squares do not count; 0 where there are hardly any others, as under heavy noise.
  """
  height, width = (side // SQUARE for side in picture.shape[:2])
  squares = picture[: height * SQUARE, : width * SQUARE].reshape(height, SQUARE, width, SQUARE, 3)
  squares = squares.transpose(0, 2, 4, 1, 3).reshape(height * width, 3, SQUARE**2)
  squares = squares[np.abs(squares).max(axis=(1, 2)) < 0.5 - NEAR_CLIPPED]
  if len(squares) < FEWEST:
    return 0.0
  at = np.arange(SQUARE) - (SQUARE - 1) / 2
  x, y = (one.ravel() for one in np.meshgrid(at, at))
  parabolas, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))
  left = squares - squares @ parabolas @ parabolas.T
  freedom = 3 * (SQUARE**2 - parabolas.shape[1])
  return float(np.quantile(np.sqrt(np.sum(left**2, axis=(1, 2)) / freedom), SMOOTHEST))


def photon_count(picture: np.ndarray) -> float:
  """Photons at white, from the noise's variance in units of the brightness.

  Args:
    picture: float32 [h, w, 3] in [-1, 1]; failed pixels are left out.

  Returns:
    1 to 1e6.
  """
  intensity = (picture + 1) / 2
  alive, brightness = _alive(picture), _brightness(picture)
  # Second differences along rows, for which only three pixels need be alive.
  rough = (intensity[:, :-2] - 2 * intensity[:, 1:-1] + intensity[:, 2:]) / np.sqrt(6)
  whole = alive[:, :-2] & alive[:, 1:-1] & alive[:, 2:]
  middle = brightness[:, 1:-1]
  # Clipping hides noise near white, and what is dark has hardly any.
  usable = whole[:, :, None] & (middle > 0.1) & (middle < 0.75)
  if not usable.any():
    return 1e6
  variance = np.median(np.square(rough[usable]) / middle[usable]) / CHI_SQUARED_MEDIAN
  return float(np.clip(1 / max(variance, 1e-6), 1, 1e6))


def dropped_share(picture: np.ndarray) -> float:
  """The share of black pixels among those whose neighbours are bright; float32 [h, w, 3]."""
  bright = np.mean(_brightness(picture), axis=2) > BRIGHT
  return float(np.clip(1 - np.mean(_alive(picture)[bright]), 0, 0.99)) if bright.any() else 0.0


def dropped_pixels(picture: np.ndarray, photons: float, drop: float) -> np.ndarray:
  """Which pixels were dropped, rather than so dark that no photon came.

  Args:
    picture: float32 [h, w, 3] in [-1, 1].
    photons: counts at intensity 1.
    drop: the share of pixels that are dropped.

  Returns:
    bool [h, w]: black, and by Bayes' rule more likely dropped, given how bright the neighbours are;
    among dark ones a black pixel tells the truth, dropped or not.
  """
  dark = np.exp(-photons * np.sum(_brightness(picture), axis=2))  # P(no photon in any channel)
  return ~_alive(picture) & (dark < min(drop / (1 - drop), 0.5))


def _alive(picture: np.ndarray) -> np.ndarray:
  return np.any(picture > -1 + 1e-4, axis=2)


def _brightness(picture: np.ndarray) -> np.ndarray:
  """The mean of the living pixels in 5×5 squares, in [0, 1]; [h, w, 3]."""
  padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode='reflect')
  alive = _alive(padded)[:, :, None]
  both = np.concatenate([(padded + 1) / 2 * alive, alive], axis=2)
  windows = np.lib.stride_tricks.sliding_window_view(both, (5, 5), axis=(0, 1)).sum(axis=(3, 4))
  return windows[:, :, :3] / np.maximum(windows[:, :, 3:], 1)


def _rough(picture: np.ndarray) -> np.ndarray:
  """The [1, -2, 1] ⊗ [1, -2, 1] / 6 response, of the noise's own variance; [h-2, w-2, 3]."""
  rows = picture[:-2] - 2 * picture[1:-1] + picture[2:]
  return (rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]) / 6
