"""What is left of a picture under noise, found in small windows.

The cosine transform of a window (Yaroslavsky, Egiazarian & Astola 2001) has few components of an
edge or an eye, and noise in all of them alike. Components that stand out of the noise are kept, and
from what they come to, a second pass tells how much of each component is picture (the two steps of
BM3D, Dabov et al. 2007, without its search for similar blocks). What is not seen is filled from a
restored picture.

With NumPy on the host.
"""

import itertools
import os
from concurrent import futures

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW, STEP = 12, 3  # px
THRESHOLD = 3.0  # standard deviations of the noise, from which on a component is kept
# Of the restored picture's component, where none is seen. A generator's detail is right in part:
# half of it has the least error, and more than none of it in likeness.
FILLED = 0.5
_TILE = 80 * STEP  # px that are worked on at a time
_MARGIN = 2 * WINDOW  # around a tile: windows around its pixels, and those around these
_LEAST = 1e-4  # for quotients
# From red, green, blue to brightness and two differences, which have little in common.
_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
_COLOURS /= np.linalg.norm(_COLOURS, axis=1, keepdims=True)


def denoised(noisy: np.ndarray, deviation: float, restored: np.ndarray | None = None) -> np.ndarray:
  """A picture without its noise.

  Args:
    noisy: float [h, w, 3], with white noise that is drawn for each channel by itself; where all
      channels are equal, for all of them together.
    deviation: of the noise, in the same units.
    restored: float [h, w, 3], what the picture is likely to be; None where nothing tells.

  Returns:
    float32 [h, w, 3].
  """
  if np.array_equal(noisy, np.broadcast_to(noisy[:, :, :1], noisy.shape)):
    grey = None if restored is None else restored.mean(axis=2, keepdims=True)
    return np.repeat(_in_tiles(noisy[:, :, :1], deviation, grey), noisy.shape[2], axis=2)
  likely = None if restored is None else restored @ _COLOURS.T
  return _in_tiles(noisy @ _COLOURS.T, deviation, likely) @ _COLOURS


def _in_tiles(noisy: np.ndarray, deviation: float, restored: np.ndarray | None) -> np.ndarray:
  """As `denoised`, of channels that have nothing in common; of large pictures part by part."""
  channels = noisy.shape[2]
  both = noisy if restored is None else np.concatenate([noisy, restored], axis=2)
  around = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
  padded = np.pad(np.moveaxis(both.astype(np.float32), 2, 0), around, mode='reflect')
  result = np.empty(noisy.shape, np.float32)

  def work(corner: tuple[int, int]) -> None:
    row, column = corner
    part = padded[:, row : row + _TILE + 2 * _MARGIN, column : column + _TILE + 2 * _MARGIN]
    made = _shrunk(part[:channels], max(deviation, _LEAST), part[channels:])
    inner = np.moveaxis(made[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN], 0, 2)
    result[row : row + _TILE, column : column + _TILE] = inner

  corners = itertools.product(*(range(0, size, _TILE) for size in noisy.shape[:2]))
  with futures.ThreadPoolExecutor(os.cpu_count()) as threads:  # most of it works without the lock
    list(threads.map(work, corners))
  return result


def _shrunk(noisy: np.ndarray, deviation: float, restored: np.ndarray) -> np.ndarray:
  """Of one tile, [channels, h, w]; `restored` has no channels where nothing is restored."""
  seen = _transformed(noisy)
  kept = np.abs(seen) > THRESHOLD * deviation
  kept[0, 0] = True  # a mean is known well, and may be 0
  first = _assembled(seen * kept, kept, noisy.shape)
  share = np.square(_transformed(first))
  share /= share + np.float32(deviation**2)
  share[0, 0] = 1
  shrunk = share * seen
  if len(restored):
    shrunk += (1 - share) * np.float32(FILLED) * _transformed(restored)
  return _assembled(shrunk, np.square(share), noisy.shape)


def _transformed(image: np.ndarray) -> np.ndarray:
  """The components of all windows; [channels, h, w] -> [WINDOW, WINDOW, channels, rows, columns].

  First along columns, which windows beside one another share.
  """
  from scipy import fft  # other degradations do without it

  for axis in (-2, -1):
    windows = sliding_window_view(image, WINDOW, axis)
    places = [slice(None)] * windows.ndim
    places[axis - 1] = slice(None, None, STEP)
    image = fft.dct(np.moveaxis(windows[tuple(places)], -1, 0), axis=0, norm='ortho')
  return image


def _assembled(components: np.ndarray, used: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """The picture of all windows, of which those that are made of few components count more."""
  from scipy import fft  # other degradations do without it

  _, height, width = shape
  weight = 1 / used.sum(axis=(0, 1, 2), dtype=np.float32)
  columns = _overlaid(fft.idct(components * weight, axis=0, norm='ortho'), -1, width)
  total = _overlaid(fft.idct(columns, axis=0, norm='ortho'), -2, height)
  weights = _overlaid(np.broadcast_to(weight, (WINDOW, *weight.shape)), -1, width)
  weights = _overlaid(np.broadcast_to(weights, (WINDOW, *weights.shape)), -2, height)
  return total / (weights + _LEAST)


# Of the pixels of a window: those at its edges know little of what is around them.
_WEIGHT = np.kaiser(WINDOW, 2).astype(np.float32)


def _overlaid(windows: np.ndarray, axis: int, size: int) -> np.ndarray:
  """The weighted sum of windows, [WINDOW, …, n, …], where they lie along an axis: […, size, …]."""
  shape = list(windows.shape[1:])
  last = (shape[axis] - 1) * STEP + 1
  shape[axis] = size
  total = np.zeros(shape, np.float32)
  along = np.moveaxis(total, axis, 0)
  for i, part in enumerate(windows):
    along[i : i + last : STEP] += _WEIGHT[i] * np.moveaxis(part, axis, 0)
  return total
