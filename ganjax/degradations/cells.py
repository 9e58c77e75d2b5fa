"""Quantisation cells: what a JPEG tells of the picture that it was made of.

Of each DCT coefficient c a JPEG keeps the nearest multiple k q of a step q, so |c − k q| ≤ q / 2.
Everything here is NumPy's, on the host.
"""

import numpy as np

from ganjax.data import JpegCoding
from ganjax.degradations.shrinkage import denoised

# ITU-T T.871 (JFIF): R, G, B in [0, 255] -> Y, Cb, Cr; chroma and the shifted luma centred on 0.
RGB_TO_YCC = np.array(
  [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
)
YCC_TO_RGB = np.linalg.inv(RGB_TO_YCC)

# The orthonormal DCT-II of 8 samples: [frequency, sample].
DCT = np.cos(np.pi / 8 * np.outer(np.arange(8), np.arange(8) + 0.5)) / 2
DCT[0] /= np.sqrt(2)

# The share of a cell, around its middle, that restored coefficients are brought into: most are
# small, and crowd there (Park and Lee 1999, "narrow quantization constraint set"). At quality 12,
# 0.3 to 0.5 are within 0.15 dB; less brings blocks back, more is farther from the truth.
NARROWED = 0.4
# What this takes over of the edges of the JPEG's blocks is softened, px of standard deviation; then
# all are brought into the whole cells, but for a margin, since pixels are rounded.
SEAM, WHOLE = 0.7, 0.9
# What a JPEG lost counts as white noise of SCALE · m^POWER levels, where m is the mean of luma's
# LOW × LOW first steps. (The power is that of Foi et al. 2007, "Pointwise shape-adaptive DCT",
# whose noise is half as strong; here the cells hold back what is too much.)
SCALE, POWER, LOW = 1.45, 0.65, 3
# Noise is looked for in coefficients of frequencies u + v in this range, below which shading lies,
# in the share of blocks that have least shading; of deviations that have so many levels.
TELLING, SMOOTHEST, FEWEST, MOST = (3, 7), 0.1, 16, 1000
DEVIATIONS = np.geomspace(0.5, 128, 97)  # levels
NEAR_CLIPPED = 5  # levels
LEAST = 1e-6  # probability of a coefficient, which may be an edge's


def within_cells(
  image: np.ndarray | None, decoded: np.ndarray, visible: np.ndarray, coding: JpegCoding
) -> np.ndarray:
  """A restored picture with what stands out in a JPEG, brought into its narrowed cells.

  The middle of a cell is the coefficient of the decoded picture, not the nearest multiple of the
  step. The two differ by roundings alone, unless a crop was resampled after it had been a JPEG:
  then only the former is near the truth. Blocks that the lower and right edges cut are left alone.

  Args:
    image: float32 [H, W, 3] in [-1, 1]; None where nothing is restored.
    decoded: the JPEG, likewise; its first pixel is the corner of a block.
    visible: how far each pixel of `decoded` counts, float32 [H, W, 1]; a block counts as its least.
    coding: of the JPEG.

  Returns:
    float32 [H, W, 3], nominally in [-1, 1].
  """
  from scipy import ndimage  # other degradations do without it

  image = _deblocked(image, decoded, visible, coding)
  narrowed = _within(image, decoded, visible, coding, NARROWED)
  softened = ndimage.gaussian_filter(narrowed - image, (SEAM, SEAM, 0), mode='nearest')
  return _within(image + softened, decoded, visible, coding, WHOLE).astype(np.float32)


def _deblocked(
  image: np.ndarray | None, decoded: np.ndarray, visible: np.ndarray, coding: JpegCoding
) -> np.ndarray:
  """The JPEG without its blocks; of the restored picture, what the JPEG does not show."""
  mean = float(np.mean(np.asarray(coding.tables[0])[:LOW, :LOW]))
  deviation = SCALE * mean**POWER / 127.5
  if image is None:
    return denoised(decoded, deviation)
  seen = image + visible * (decoded - image)
  found = denoised(seen, deviation, image)
  return np.clip(image + visible * (found - image), -1, 1).astype(np.float32)


def _within(
  image: np.ndarray, decoded: np.ndarray, visible: np.ndarray, coding: JpegCoding, share: float
) -> np.ndarray:
  """`within_cells`, by so large a share of each cell, and with the blocks' edges."""
  height, width, _ = image.shape
  down, across = coding.sampling
  rest = ((0, -height % (8 * down)), (0, -width % (8 * across)), (0, 0))
  weight = np.pad(visible, rest)
  ours = np.pad(_centred(image), rest, mode='edge')
  # Holes must not reach into the blocks around them.
  given = ours + weight * (np.pad(_centred(decoded), rest, mode='edge') - ours)
  steps = []
  for row, table, factors in zip(RGB_TO_YCC, coding.tables, coding.factors, strict=True):
    plane = _reduced(ours @ row, factors)
    stored = stored_samples(given @ row, factors)
    step = _into_cells(plane, stored, share * table) * _of_blocks(weight[:, :, 0], factors)
    steps.append(_enlarged(_sharpened(step, factors), factors))
  moved = np.stack(steps, axis=-1) @ YCC_TO_RGB.T / 127.5
  return image + moved[:height, :width]


def noise_before(pixels: np.ndarray, coding: JpegCoding, is_grey: bool = False) -> float | None:
  """The standard deviation of the white noise on the picture that a JPEG was made of.

  A JPEG rounds much of it to nothing, so what is left of it is no measure. Of all deviations that
  is taken which most likely has come to the multiples of luma's steps that are there.

  Args:
    pixels: the JPEG, uint8 [h, w, 3]; the first is the corner of a block.
    coding: of the JPEG.
    is_grey: whether the picture had no colours but a tint, so that its channels share the noise.

  Returns:
    In units of the [0, 1] range; None where there are too few blocks to tell.
  """
  from scipy import stats  # other degradations do without it

  luma = pixels @ RGB_TO_YCC[0] - 128
  blocks = coefficients(luma)[~clipped_blocks(luma, NEAR_CLIPPED)]
  if len(blocks) < FEWEST:
    return None
  frequency = np.add.outer(np.arange(8), np.arange(8))
  is_shading = (frequency > 0) & (frequency < TELLING[0])
  shading = np.sum(np.square(blocks[:, is_shading]), axis=1)
  smooth = blocks[np.argsort(shading)[: max(FEWEST, round(SMOOTHEST * len(blocks)))][:MOST]]
  tells = (frequency >= TELLING[0]) & (frequency <= TELLING[1])
  steps = np.asarray(coding.tables[0])[tells]
  multiples = np.abs(np.round(smooth[:, tells] / steps))
  low, high = (multiples - 0.5) * steps, (multiples + 0.5) * steps

  def likelihood(deviation: float) -> float:
    shares = stats.norm.cdf(high / deviation) - stats.norm.cdf(low / deviation)
    return float(np.sum(np.log(np.maximum(shares, LEAST))))

  deviation = max(DEVIATIONS, key=likelihood) / 255
  is_grey = is_grey or np.array_equal(pixels, np.broadcast_to(pixels[:, :, :1], pixels.shape))
  return float(deviation if is_grey else deviation / np.linalg.norm(RGB_TO_YCC[0]))


def _centred(image: np.ndarray) -> np.ndarray:
  """[-1, 1] -> [-128, 127], around which JPEG's luma has its zero."""
  return image * 127.5 - 0.5


def _into_cells(plane: np.ndarray, stored: np.ndarray, sizes: np.ndarray) -> np.ndarray:
  """What brings the blocks of a plane [H, W] into cells, of sizes [8, 8], around another's."""
  ours, middle = coefficients(plane), coefficients(stored)
  step = np.clip(ours, middle - sizes / 2, middle + sizes / 2) - ours
  blocks = step.reshape(len(plane) // 8, plane.shape[1] // 8, 8, 8)
  return np.einsum('iy,baij,jx->byax', DCT, blocks, DCT, optimize=True).reshape(plane.shape)


def coefficients(plane: np.ndarray) -> np.ndarray:
  """The DCT coefficients of the whole blocks of a plane [H, W]; [n, 8, 8]."""
  height, width = (side // 8 for side in plane.shape)
  blocks = plane[: 8 * height, : 8 * width].reshape(height, 8, width, 8)
  return np.einsum('iy,byax,jx->baij', DCT, blocks, DCT, optimize=True).reshape(-1, 8, 8)


def clipped_blocks(luma: np.ndarray, margin: float = 0.0) -> np.ndarray:
  """Which blocks of luma, [H, W] around 0, reach black or white, or nearly; bool [n]."""
  height, width = (side // 8 * 8 for side in luma.shape)
  blocks = luma[:height, :width].reshape(height // 8, 8, width // 8, 8)
  lowest, highest = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
  return ((lowest < margin - 127) | (highest > 126 - margin)).ravel()


def stored_samples(plane: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
  """What a JPEG stored of a plane that is decoded, [H, W] -> [H / down, W / across]."""
  return _sharpened(_reduced(plane, factors), factors)


def _of_blocks(weight: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
  """The least weight [H, W] in the block that each sample is in; [H / down, W / across]."""
  down, across = (8 * factor for factor in factors)
  height, width = weight.shape
  least = weight.reshape(height // down, down, width // across, across).min(axis=(1, 3))
  return least.repeat(8, axis=0).repeat(8, axis=1)


def _reduced(plane: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
  """The encoder's chroma samples, means of pixels; [H, W] -> [H / down, W / across]."""
  (down, across), (height, width) = factors, plane.shape
  return plane.reshape(height // down, down, width // across, across).mean(axis=(1, 3))


def _enlarged(plane: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
  """The decoder's interpolation, ¾ near and ¼ far; [h, w] -> [h · down, w · across]."""
  for axis, factor in enumerate(factors):
    if factor == 2:
      rows = np.moveaxis(plane, axis, 0)
      before, after = np.concatenate([rows[:1], rows[:-1]]), np.concatenate([rows[1:], rows[-1:]])
      pairs = np.stack([0.75 * rows + 0.25 * before, 0.75 * rows + 0.25 * after], axis=1)
      plane = np.moveaxis(pairs.reshape(-1, rows.shape[1]), 0, axis)
  return plane


def _sharpened(plane: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
  """The samples that, `_enlarged` and `_reduced`, are those of a plane; [h, w] -> [h, w].

  Along an axis that is halved the two come to a filter of ⅛, ¾ and ⅛, which is inverted.
  """
  from scipy import linalg  # other degradations do without it

  for axis, factor in enumerate(factors):
    if factor == 2:
      bands = np.repeat([[1 / 8], [3 / 4], [1 / 8]], plane.shape[axis], axis=1)
      bands[1, [0, -1]] += 1 / 8  # of what is repeated beyond the edges
      rows = np.moveaxis(plane, axis, 0)
      plane = np.moveaxis(linalg.solve_banded((1, 1), bands, rows), 0, axis)
  return plane
