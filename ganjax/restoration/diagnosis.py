"""What a photo itself shows of its damage, where nobody says what happened to it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganjax import data, faces
from ganjax.degradations.estimators import noise_deviation
from ganjax.degradations.jpeg import quality_of
from ganjax.pixels import LUMA, to_float
from ganjax.restoration.defaults import AS_IT_IS
from ganjax.restoration.faces import AddFailure, Photo, Search, usable

_TINT = 2.5  # levels of 255 by which a toned photo's colours differ from those of its brightness
_PATCHES = 16  # across a face, whose colours are looked at
_SMALL = 0.75  # of the generator's side, below which a face has detail to gain
_NOISE = 0.02  # of the range; what cameras leave in an ordinary photo is half of it
_STORED_NOISE = 0.045  # likewise, before a photo was stored as a JPEG, for which detail can pass
_QUALITY = 45  # of a JPEG, below which its blocks are seen


class Finding(NamedTuple):
  """One kind of damage that shows."""

  degradation: str  # its spec
  evidence: str  # for people


class Diagnosed(NamedTuple):
  """A photo, its faces, and what shows in the largest of them."""

  photo: Photo
  quads: tuple[np.ndarray, ...]  # [4, 2] each, from the left
  findings: tuple[Finding, ...]

  @property
  def degradation(self) -> str:
    """What happened to it, as a spec; '' where nothing did but that it has holes."""
    return ' | '.join(finding.degradation for finding in self.findings)

  @property
  def evidence(self) -> str:
    """Why, for people."""
    return '; '.join(finding.evidence for finding in self.findings)


def diagnose_photos(
  photos: Iterable[Photo], search: Search, add_failure: AddFailure
) -> Iterator[Diagnosed]:
  """Finds the faces of photos, and what is wrong with them.

  Args:
    photos: the photos; they are read as their turn comes.
    search: how faces are found; of its degradations, which are masks, the holes are taken.
    add_failure: told (source, name, reason) of each photo that cannot be used.
  """
  for photo, found in usable(photos, search, add_failure, keep_photos=False):
    largest = max(found, key=lambda face: faces.side_of(face.crop.quad))
    width, has_holes = faces.side_of(largest.crop.quad), largest.holes.visible is not None
    findings = diagnose(largest.crop.image, width, largest.coding, has_holes, largest.noise)
    yield Diagnosed(photo, tuple(face.crop.quad for face in found), tuple(findings))


def diagnose(
  crop: np.ndarray,
  width: float,
  coding: data.JpegCoding | None = None,
  has_holes: bool = False,
  stored_noise: float | None = None,
) -> list[Finding]:
  """Finds which damage a face shows, cheaply: nothing is inverted.

  Whether a photo is blurred cannot be told from it alone: where nothing else is found, and it has
  no holes, a blur is assumed, whose width the restoration finds, however small it is.

  Args:
    crop: the face, uint8 [side, side, 3], as the generator takes it.
    width: of the face in its photo, px.
    coding: of the JPEG that the face came as; see `faces.coding_of`.
    has_holes: whether that is known to be wrong with it.
    stored_noise: how strong noise was before the photo was stored; see `faces.noise_of`.

  Returns:
    In the order in which a degradation has to name them.
  """
  side, found = len(crop), []
  is_small = width < _SMALL * side
  has_colours = not is_grey(crop)
  if not has_colours:
    found.append(Finding('grayscale()', 'it has no colours of its own'))
  if is_small:
    found.append(
      Finding(AS_IT_IS['super_resolve'], f'the face is {width:.0f} px wide, of {side} px')
    )
  noise = noise_deviation(to_float(crop))
  # Of a coarse JPEG, or one that is toned, ordinary detail would pass for more noise.
  is_fine = coding is not None and quality_of(coding) is None and has_colours
  if is_fine and stored_noise is not None and stored_noise > _STORED_NOISE:
    noise = max(noise, stored_noise / max(width / side, 1))  # a reduced crop has averaged it
  if noise > _NOISE:
    told = f'noise of {100 * noise:.0f} % of the range was measured'
    found.append(Finding(AS_IT_IS['denoise'], told))
  # A small face was small already when it was stored.
  quality = None if coding is None else quality_of(coding, 1.0 if is_small else width / side)
  if quality is not None and quality < _QUALITY:
    told = f'its JPEG blocks are those of quality {quality} in the face'
    found.append(Finding(AS_IT_IS['dejpeg'], told))
  if not found and not has_holes:
    found.append(Finding(AS_IT_IS['deblur'], 'no damage shows; how blurred it is, is found'))
  return found


def is_grey(crop: np.ndarray) -> bool:
  """Whether an image, uint8 [h, w, 3], is grey, or toned: its brightness tells its colours."""
  # A JPEG's chroma is off by as much as a tint varies, but not on the whole of a patch.
  patches = Image.fromarray(crop).resize((_PATCHES, _PATCHES), Image.Resampling.BOX)
  pixels = np.asarray(patches, np.float64).reshape(-1, 3)
  luma = pixels @ LUMA
  powers = np.stack([(luma / 255) ** power for power in range(4)], axis=1)
  chroma = pixels[:, [0, 2]] - luma[:, None]
  followed = powers @ np.linalg.lstsq(powers, chroma, rcond=None)[0]
  return bool(np.sqrt(np.mean((chroma - followed) ** 2)) < _TINT)
