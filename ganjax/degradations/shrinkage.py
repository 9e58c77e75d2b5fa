"""What is left of a picture under noise, found in small windows.

The cosine transform of a window (Yaroslavsky, Egiazarian & Astola 2001) has few components of an
edge or an eye, and noise in all of them alike. Components that stand out of the noise are kept, and
from what they come to, a second pass tells how much of each component is picture (the two steps of
BM3D, Dabov et al. 2007, without its search for similar blocks). What is not seen is filled from a
restored picture.

With NumPy on the host.
"""

import itertools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW, STEP = 12, 3  # px
THRESHOLD = 3.0  # standard deviations of the noise, from which on a component is kept
# Of the restored picture's component, where none is seen. A generator's detail is right in part:
# half of it has the least error, and more than none of it in likeness.
FILLED = 0.5
_TILE = 48 * STEP  # px that are worked on at a time
_MARGIN = 2 * WINDOW  # around a tile: windows around its pixels, and those around these
_LEAST = 1e-4  # for quotients
# From red, green, blue to brightness and two differences, which have little in common.
_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
_COLOURS /= np.linalg.norm(_COLOURS, axis=1, keepdims=True)


def denoised(noisy: np.ndarray, restored: np.ndarray, deviation: float) -> np.ndarray:
  """A picture without its noise.

  Args:
    noisy: float [h, w, 3], with white noise that is drawn for each channel by itself; where all
      channels are equal, for all of them together.
    restored: float [h, w, 3], what the picture is likely to be.
    deviation: of the noise, in the same units.

  Returns:
    float32 [h, w, 3].
  """
  if np.array_equal(noisy, np.broadcast_to(noisy[:, :, :1], noisy.shape)):
    grey = restored.mean(axis=2, keepdims=True)
    return np.repeat(_in_tiles(noisy[:, :, :1], grey, deviation), noisy.shape[2], axis=2)
  return _in_tiles(noisy @ _COLOURS.T, restored @ _COLOURS.T, deviation) @ _COLOURS


def _in_tiles(noisy: np.ndarray, restored: np.ndarray, deviation: float) -> np.ndarray:
  """As `denoised`, of channels that have nothing in common; of large pictures part by part."""
  around = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
  y, x = (np.pad(image.astype(np.float32), around, mode='reflect') for image in (noisy, restored))
  result = np.empty(noisy.shape, np.float32)
  for row, column in itertools.product(*(range(0, size, _TILE) for size in noisy.shape[:2])):
    part = tuple(slice(start, start + _TILE + 2 * _MARGIN) for start in (row, column))
    made = _shrunk(y[part], x[part], max(deviation, _LEAST))
    inner = made[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    result[row : row + _TILE, column : column + _TILE] = inner
  return result


def _shrunk(noisy: np.ndarray, restored: np.ndarray, deviation: float) -> np.ndarray:
  seen, likely = _transformed(noisy), _transformed(restored)
  kept = np.abs(seen) > THRESHOLD * deviation
  kept[..., 0] = True  # a mean is known well, and may be 0
  first = _assembled(np.where(kept, seen, 0), kept, noisy.shape)
  power = np.square(_transformed(first))
  share = power / (power + deviation**2)
  share[..., 0] = 1
  return _assembled(share * seen + (1 - share) * FILLED * likely, np.square(share), noisy.shape)


def cosines(size: int) -> np.ndarray:
  """The orthonormal DCT-II of so many samples: float64 [frequency, sample]."""
  rows = np.cos(np.pi / size * np.outer(np.arange(size), np.arange(size) + 0.5)) * (2 / size) ** 0.5
  rows[0] /= np.sqrt(2)
  return rows


_TRANSFORM = np.kron(cosines(WINDOW), cosines(WINDOW)).astype(np.float32)  # of a window's pixels
# Pixels at a window's edge know little of what is around them.
_WEIGHT = np.outer(np.kaiser(WINDOW, 2), np.kaiser(WINDOW, 2)).astype(np.float32)


def _transformed(image: np.ndarray) -> np.ndarray:
  """The components of all windows, [rows, columns, channels, 144]."""
  windows = sliding_window_view(image, (WINDOW, WINDOW), axis=(0, 1))[::STEP, ::STEP]
  components = windows.reshape(-1, WINDOW**2) @ _TRANSFORM.T  # much faster than of four axes
  return components.reshape(*windows.shape[:3], WINDOW**2)


def _assembled(components: np.ndarray, used: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """The picture of all windows, of which those that are made of few components count more."""
  weight = 1 / used.sum(axis=(2, 3), dtype=np.float32)
  rows, columns = weight.shape
  pixels = (components.reshape(-1, WINDOW**2) @ _TRANSFORM).reshape(rows, columns, -1, WINDOW**2)
  pixels = (pixels * weight[:, :, None, None]).reshape(rows, columns, -1, WINDOW, WINDOW)
  total, weights = np.zeros(shape, np.float32), np.full((*shape[:2], 1), _LEAST, np.float32)
  for i, j in np.ndindex(WINDOW, WINDOW):
    there = slice(i, i + rows * STEP, STEP), slice(j, j + columns * STEP, STEP)
    total[there] += _WEIGHT[i, j] * pixels[:, :, :, i, j]
    weights[there] += _WEIGHT[i, j] * weight[:, :, None]
  return total / weights
