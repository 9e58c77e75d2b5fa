"""What a restored picture leaves unexplained of a blurred one, by a Wiener filter.

With NumPy on the host.
"""

import itertools

import numpy as np

# Variances, of pixels in [-1, 1].
ROUNDING = (2 / 255) ** 2 / 12  # of 8 bits
# Of the error of a restored picture in a component of frequency r, 1 being a sample's: like the
# picture itself, it has less of a frequency the higher that is (a face's own power falls with
# r^-3.6, and is twice TAIL at 1), but no more than COARSE of what a blur lets through.
COARSE, TAIL, FALL = 0.1, 4.5e-4, 3.6
_MARGIN = 2.0  # on the noise that is measured, which need not be white
_BANDS = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)  # of gains
_ENOUGH = 50  # components in a band to measure a variance


def deconvolved(misfit: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
  """S Kᵀ (K S Kᵀ + N)⁻¹ r: what, added to a picture x, explains its misfit r = y − K x (Wiener).

  K is separable, so its singular vectors are products of those of both axes. Of a Gaussian they are
  close to cosines, from low frequencies to high ones; where a small kernel cuts it off, their order
  is only roughly that. S is the variance of the error of x in each of them, N that of the noise
  on y.

  Args:
    misfit: r, float [channels, h, w], of pixels in [-1, 1].
    down, across: K along the columns and the rows, [h, H] and [w, W].

  Returns:
    float64 [channels, H, W].
  """
  (left, gains, right), (left_x, gains_x, right_x) = (
    np.linalg.svd(matrix, full_matrices=False) for matrix in (down, across)
  )
  gain = gains[:, None] * gains_x
  seen = left.T @ misfit @ left_x
  error = _error(_frequency(*gain.shape))
  found = seen * gain / (gain**2 + _noise(seen, gain, error) / error)
  return right.T @ found @ right_x


def _frequency(height: int, width: int) -> np.ndarray:
  """Of each component, [height, width]; 1 is a sample's."""
  return np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width)


def _error(frequency: np.ndarray) -> np.ndarray:
  """The variance of a restored picture's error in components of some frequency."""
  return np.minimum(COARSE, TAIL * np.maximum(frequency, 1e-3) ** -FALL)


def _noise(seen: np.ndarray, gain: np.ndarray, error: np.ndarray) -> float:
  """The variance of what is seen in components that K hardly lets through, at least 8 bits'.

  The largest of several bands, less what errors of x account for. So a blur that is taken for a
  wider one than it was counts as noise: undone, it would give rings.

  Args:
    seen: the misfit's components, [channels, h, w].
    gain: what K multiplies each with, [h, w].
    error: the variance of the error of x in each, [h, w].
  """
  excess = np.mean(np.square(seen), axis=0) - error * np.square(gain)
  found = [ROUNDING]
  for low, high in itertools.pairwise(_BANDS):
    band = (gain >= low) & (gain < high)
    if np.count_nonzero(band) >= _ENOUGH:
      found.append(float(np.mean(excess[band])))
  return _MARGIN * max(found)
