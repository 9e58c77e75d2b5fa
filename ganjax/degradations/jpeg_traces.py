"""What pixels tell of a JPEG that they once were: a screenshot, or a photo that was saved again.

Where a picture was a JPEG, and was not resized since, the DCT coefficients of its blocks crowd at
multiples of the quantisation steps (Fan and de Queiroz 2003, "Identification of bitmap compression
history"). Everything here is NumPy's, on the host.
"""

import itertools

import numpy as np

from ganjax.data import JpegCoding
from ganjax.degradations.cells import RGB_TO_YCC, clipped_blocks, coefficients, stored_samples
from ganjax.degradations.jpeg import tables_of

MAX_SIDE = 256  # px that are looked at; more would tell no more
QUALITIES = range(1, 91)  # above, a step is not much more than the rounding of pixels
ROUNDING = 0.7  # deviation of a coefficient from its multiple: pixels are rounded twice
STRAY = 0.05  # share of coefficients that something else has moved
ORIGINS = 6  # places of the blocks that are looked at closely
# How much more likely multiples of the steps have to be than anything else: per coefficient, and
# for all of them, in nats. Pictures that were no JPEG have −2.9 per coefficient.
LEAST_MEAN, LEAST = 0.2, 200.0


def coding_in(pixels: np.ndarray) -> JpegCoding | None:
  """How the JPEG was coded that a picture once was.

  Args:
    pixels: uint8 [h, w, 3]; the middle of a large one is looked at.

  Returns:
    With the origin of its blocks in `pixels`, and libjpeg's tables for the likeliest quality; None
    where it shows no trace: it was no JPEG, or a faultless one, or was resized since.
  """
  top, left = (max(0, (side - MAX_SIDE) // 2) for side in pixels.shape[:2])
  middle = pixels[top : top + MAX_SIDE, left : left + MAX_SIDE].astype(np.float64)
  if min(middle.shape[:2]) < 32:
    return None
  luma, *chroma = (middle @ row - shift for row, shift in zip(RGB_TO_YCC, (128, 0, 0), strict=True))
  found = [(*_quality(luma[y:, x:]), (y, x)) for y, x in _origins(luma)]
  likelihood, quality, origin = max(found)
  if likelihood <= 0:
    return None
  tables = tables_of(quality)
  sampling, unit = _sampling(chroma, tables[1], origin)
  down, across = (8 * factor for factor in sampling)
  return JpegCoding(tables, sampling, ((unit[0] + top) % down, (unit[1] + left) % across))


def _origins(luma: np.ndarray) -> list[tuple[int, int]]:
  """Where blocks may begin: there, most of the fine coefficients are nothing."""
  shares = {
    (y, x): np.mean(np.abs(coefficients(luma[y:, x:])[:, 3:, 3:]) < ROUNDING)
    for y, x in itertools.product(range(8), repeat=2)
  }
  return sorted(shares, key=lambda origin: -shares[origin])[:ORIGINS]


def _quality(luma: np.ndarray) -> tuple[float, int]:
  """The likeliest quality, and by how much it is likelier than none; 0 where it is not."""
  blocks = coefficients(luma)[~clipped_blocks(luma)]
  found = [(*_likelihood(blocks, tables_of(quality)[0]), quality) for quality in QUALITIES]
  likelihood, count, quality = max(found)
  enough = likelihood > max(LEAST, LEAST_MEAN * count)
  return (likelihood, quality) if enough else (0.0, quality)


def _likelihood(blocks: np.ndarray, steps: np.ndarray) -> tuple[float, int]:
  """The log-likelihood ratio of multiples of steps [8, 8] to any value, and of how many values.

  Coefficients near 0 are left out: most are there in any case.
  """
  tells = np.abs(blocks) > steps / 2
  values, own = blocks[tells], np.broadcast_to(steps, blocks.shape)[tells]
  away = (values - own * np.round(values / own)) / ROUNDING
  gaussian = own / (ROUNDING * np.sqrt(2 * np.pi)) * np.exp(-np.square(away) / 2)
  return float(np.sum(np.log((1 - STRAY) * gaussian + STRAY))), len(values)


def _sampling(
  chroma: list[np.ndarray], steps: np.ndarray, origin: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
  """How many pixels share a chroma sample, and where a unit of blocks begins."""

  def likelihood(candidate: tuple[tuple[int, int], tuple[int, int]]) -> float:
    factors, (y, x) = candidate
    height, width = (
      (side - start) // (8 * factor) * 8 * factor
      for side, start, factor in zip(chroma[0].shape, (y, x), factors, strict=True)
    )
    planes = [stored_samples(plane[y : y + height, x : x + width], factors) for plane in chroma]
    return sum(_likelihood(coefficients(plane), steps)[0] for plane in planes)

  return max(
    (
      (factors, (origin[0] + 8 * down, origin[1] + 8 * across))
      for factors in ((2, 2), (1, 2), (1, 1))  # the first where chroma does not tell
      for down, across in itertools.product(range(factors[0]), range(factors[1]))
    ),
    key=likelihood,
  )
