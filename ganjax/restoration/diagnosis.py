"""What a photo itself shows of its damage, where nobody says what happened to it."""

from typing import NamedTuple

import numpy as np

from ganjax import data
from ganjax.degradations.estimators import noise_deviation
from ganjax.degradations.jpeg import quality_of
from ganjax.pixels import to_float
from ganjax.restoration.defaults import AS_IT_IS

_TINT = 2.5  # levels of 255 by which a toned photo's colours differ from those of its brightness
_SMALL = 0.75  # of the generator's side, below which a face has detail to gain
_NOISE = 0.03  # of the range; what cameras leave in an ordinary photo is a third of it
_QUALITY = 45  # of a JPEG, below which its blocks are seen


class Finding(NamedTuple):
  """One kind of damage that shows."""

  degradation: str  # its spec
  evidence: str  # for people


def diagnose(
  crop: np.ndarray, width: float, coding: data.JpegCoding | None = None
) -> list[Finding]:
  """Finds which damage a face shows, cheaply: nothing is inverted.

  Whether a photo is blurred cannot be told from it alone: where nothing else is found, a blur is
  assumed, whose width the restoration finds, however small it is.

  Args:
    crop: the face, uint8 [side, side, 3], as the generator takes it.
    width: of the face in its photo, px.
    coding: of the JPEG that the photo came as.

  Returns:
    In the order in which a degradation has to name them; at least one.
  """
  side, found = len(crop), []
  if is_grey(crop):
    found.append(Finding('grayscale()', 'it has no colours of its own'))
  if width < _SMALL * side:
    found.append(
      Finding(AS_IT_IS['super_resolve'], f'the face is {width:.0f} px wide, of {side} px')
    )
  noise = noise_deviation(to_float(crop))
  if noise > _NOISE:
    told = f'noise of {100 * noise:.0f} % of the range was measured'
    found.append(Finding(AS_IT_IS['denoise'], told))
  quality = None if coding is None else quality_of(coding, width / side)
  if quality is not None and quality < _QUALITY:
    told = f'the blocks of its JPEG file are those of quality {quality} in the face'
    found.append(Finding(AS_IT_IS['dejpeg'], told))
  return found or [Finding(AS_IT_IS['deblur'], 'nothing else shows: how blurred it is, is found')]


def is_grey(crop: np.ndarray) -> bool:
  """Whether an image, uint8 [h, w, 3], is grey, or toned: its brightness tells its colours."""
  pixels = crop.reshape(-1, 3).astype(np.float64)
  luma = pixels @ [0.299, 0.587, 0.114]
  powers = np.stack([(luma / 255) ** power for power in range(4)], axis=1)
  chroma = pixels[:, [0, 2]] - luma[:, None]
  followed = powers @ np.linalg.lstsq(powers, chroma, rcond=None)[0]
  return bool(np.sqrt(np.mean((chroma - followed) ** 2)) < _TINT)
