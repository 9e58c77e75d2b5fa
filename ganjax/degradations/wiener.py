"""Deconvolution of what a restored picture leaves unexplained, with NumPy on the host."""

import itertools

import numpy as np

# Variances, of pixels in [-1, 1].
ERROR = 0.02  # of restored pictures, where a blur lets nothing through; an upper bound
ROUNDING = (2 / 255) ** 2 / 12  # of 8 bits
_BANDS = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)  # of gains
_ENOUGH = 50  # components in a band to measure a variance


def deconvolved(misfit: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
  """Kᵀ (K Kᵀ + λ)⁻¹ r: what, added to a picture x, explains its misfit r = y − K x (Wiener).

  K is separable, so its singular vectors are products of those of both axes. λ is the variance of
  the noise on y over that of the error of x.

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
  found = seen * gain / (gain**2 + _noise(seen, gain) / ERROR)
  return right.T @ found @ right_x


def _noise(seen: np.ndarray, gain: np.ndarray) -> float:
  """The variance of what is seen in components that K hardly lets through, at least 8 bits'.

  The largest of several bands, less what errors of x account for. So a blur that is taken for a
  wider one than it was counts as noise: undone, it would give rings.

  Args:
    seen: the misfit's components, [channels, h, w].
    gain: what K multiplies each with, [h, w].
  """
  power = np.mean(np.square(seen), axis=0)
  found = [ROUNDING]
  for low, high in itertools.pairwise(_BANDS):
    band = (gain >= low) & (gain < high)
    if np.count_nonzero(band) >= _ENOUGH:
      found.append(float(np.mean(power[band] - ERROR * np.square(gain[band]))))
  return max(found)
