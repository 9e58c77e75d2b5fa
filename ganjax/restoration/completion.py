"""Putting back what a degraded picture still tells for certain."""

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageFilter

from ganjax import data, faces
from ganjax.degradations import Operator, Pipeline
from ganjax.degradations.cells import within_cells
from ganjax.degradations.estimators import noise_deviation
from ganjax.degradations.noise import clipped_mean, without_clipping
from ganjax.degradations.shrinkage import denoised
from ganjax.pixels import to_bytes, to_float

FADE = 1 / 64  # of the height
# Of a face in its photo, in sides of its quad.
_FEATHER = 1 / 128  # by which a filling fades outwards over what is visible; at least 1.5 px
_COLOUR_FEATHER = 0.2  # by which colours fade: what surrounds a face has none
_MATCH = 1 / 32  # standard deviation of what the filling's colours follow around a hole
_RINGING = 8  # px around a scratch of what a JPEG's blocks, or a scanner's sharpening, made of it
_LEAST_REGION = 16  # px
_BAND, _AROUND = 256, 64  # px, multiples of all units of blocks: what is worked on at a time
_GRAIN = 2.0  # times as much noise in the crop as white noise would leave
_ROUNDS = 3  # of guesses how strong noise was
_FORGET = 1e-3  # share of visible pixels below which they no longer do


def completed(
  degradation: Operator, degraded: np.ndarray, restored: np.ndarray, fade: float = FADE
) -> np.ndarray:
  """What the degraded picture shows, and of the restored one what it does not show.

  So pixels around holes are the input's own; of a picture restored from a grey one only the colours
  are taken, and of one restored from a small one only the detail; and one restored from a JPEG is
  one that the JPEG can have been made of. See `Operator.consistent`.

  Args:
    degradation: one that `is_completable`.
    degraded: float32 [h, w, 3] in [-1, 1].
    restored: uint8 [H, W, 3].
    fade: how far outwards from a hole's edge the restored picture fades into the degraded one, in
      shares of the height.

  Returns:
    uint8 [H, W, 3].
  """
  visible = np.asarray(degradation.visible(*degraded.shape[:2]))
  if degraded.shape == restored.shape:
    visible = _faded(visible, fade * len(restored))
  return to_bytes(degradation.consistent(to_float(restored), degraded, visible))


def _faded(visible: np.ndarray, fade: float) -> np.ndarray:
  """From 0 at the edges of holes to 1 about `fade` px outwards; [H, W, 1], as `visible`."""
  if not fade:
    return visible
  soft = Image.fromarray((255 * visible[:, :, 0]).astype(np.uint8)).filter(
    ImageFilter.GaussianBlur(fade)
  )
  return np.clip(np.asarray(soft, np.float32)[:, :, None] / 127.5 - 1, 0, 1) * visible


def completed_photo(
  photo: np.ndarray,
  restored: np.ndarray,
  quad: np.ndarray,
  degradation: Pipeline,
  visible: np.ndarray | None,
) -> np.ndarray:
  """`completed`, in the photo and at its own resolution.

  Only holes are filled; the filling follows the colours around them, and fades outwards over a
  narrow rim. Where the degradation also took colours, those of the restored face are given to the
  photo's own brightness, and fade out towards the edges of its crop. All other pixels are the
  photo's own, to the last bit.

  Args:
    photo: uint8 [H, W, 3].
    restored: uint8 [size, size, 3], the face.
    quad: [4, 2], where it lies in the photo.
    degradation: of the face's crop; `is_only_projections`.
    visible: bool [H, W], the photo's holes; None to take the crop's, from the degradation.

  Returns:
    uint8 [H, W, 3].
  """
  colours = _colours(degradation)
  feather = _COLOUR_FEATHER if colours.operators else faces.FEATHER
  placed = faces.place(photo, restored, quad, feather=feather)
  given = photo[placed.where].astype(np.float32)
  inside = placed.weight[:, :, 0] > 0
  if visible is None:
    hidden = _hidden_by_crop(photo, quad, degradation, len(restored)) & inside
  else:
    hidden = ~visible[placed.where] & inside
  kept = given
  if colours.operators:
    kept = placed.face + _through(colours, given) - _through(colours, placed.face)
  filled, share = kept, np.zeros_like(placed.weight)
  if hidden.any():
    from scipy import ndimage  # other tasks do without it

    side = faces.side_of(quad)
    distance = ndimage.distance_transform_edt(~hidden)  # 0 in holes
    rim = inside & (distance < _MATCH * 4 * side) & ~hidden
    filled = _matched(kept, placed.face, hidden, rim, _MATCH * side)
    clear = rim & (distance > _RINGING)
    filled = _grained(filled, kept, hidden, clear if clear.any() else rim)
    outwards = np.clip(1 - distance / max(_FEATHER * side, 1.5), 0, 1).astype(np.float32)
    share = (outwards * inside)[:, :, None]
  weight = np.maximum(placed.weight if colours.operators else 0, share)
  result = photo.copy()
  changed = weight[:, :, 0] > 0
  blended = given + weight * (kept + share * (filled - kept) - given)
  result[placed.where][changed] = faces.rounded(blended[changed])
  return result


def recoloured(degradation: Pipeline, face: np.ndarray, other: np.ndarray) -> np.ndarray:
  """A face with the colours of another, as far as a degradation takes colours.

  Args:
    degradation: `is_only_projections`.
    face, other: [H, W, 3] in 0–255.

  Returns:
    float32 [H, W, 3].
  """
  face, other, colours = face.astype(np.float32), other.astype(np.float32), _colours(degradation)
  return _through(colours, face) + other - _through(colours, other) if colours.operators else face


def _colours(degradation: Pipeline) -> Pipeline:
  return Pipeline(tuple(x for x in degradation.operators if not x.is_mask))


def _through(colours: Pipeline, pixels: np.ndarray) -> np.ndarray:
  """What projections make of pixels in 0–255."""
  return (np.asarray(colours.expected(jnp.asarray(pixels / 127.5 - 1))) + 1) * 127.5


def _hidden_by_crop(
  photo: np.ndarray, quad: np.ndarray, degradation: Pipeline, side: int
) -> np.ndarray:
  """The holes of a crop as they lie in the photo, bool [h, w], where `faces.place` puts it."""
  hidden = np.asarray(degradation.visible(side, side))[:, :, 0] == 0
  drawn = np.repeat((255 * hidden).astype(np.uint8)[:, :, None], 3, axis=2)
  return faces.place(photo, drawn, quad).face[:, :, 0] > 127.5


def _matched(
  known: np.ndarray, face: np.ndarray, hidden: np.ndarray, rim: np.ndarray, sigma: float
) -> np.ndarray:
  """The face, in the colours of what is known around holes: float32 [h, w, 3].

  A smooth correction, the Gaussian mean of the differences at visible pixels near by, which fades
  out deep inside a hole.
  """
  from scipy import ndimage  # other tasks do without it

  rows, columns = (_around(np.any(hidden, axis=axis), round(4 * sigma)) for axis in (1, 0))
  weight = rim[rows, columns].astype(np.float32)
  steps = (known - face)[rows, columns] * weight[:, :, None]
  near = ndimage.gaussian_filter(weight, sigma)
  mean = [ndimage.gaussian_filter(steps[:, :, channel], sigma) for channel in range(3)]
  matched = face.copy()
  matched[rows, columns] += np.stack(mean, axis=-1) / (near + _FORGET)[:, :, None]
  return matched


def _grained(
  filled: np.ndarray, known: np.ndarray, hidden: np.ndarray, rim: np.ndarray
) -> np.ndarray:
  """The filling with as much grain as what is known around it has: float32 [h, w, 3].

  Grain is what a small blur takes away, of the brightness; the filling has hardly any of its own,
  since the generator's image is enlarged.
  """
  from scipy import ndimage

  def grain(luma: np.ndarray) -> np.ndarray:
    return luma - ndimage.gaussian_filter(luma, 1.0)

  def deviation(values: np.ndarray) -> float:
    return float(np.median(np.abs(values)) / 0.6745) if values.size else 0.0

  noise = np.random.default_rng(0).standard_normal(hidden.shape).astype(np.float32)
  there, here = (
    deviation(grain(x.mean(axis=2))[part]) for x, part in ((known, rim), (filled, hidden))
  )
  missing = max(there**2 - here**2, 0.0) ** 0.5 / deviation(grain(noise))
  return filled + missing * noise[:, :, None]


def _around(found: np.ndarray, margin: int) -> slice:
  """The part of an axis that holds all that is found, and a margin."""
  places = np.flatnonzero(found)
  return slice(max(places[0] - margin, 0), places[-1] + 1 + margin)


def completed_jpeg(
  photo: np.ndarray,
  restored: np.ndarray,
  quad: np.ndarray,
  decoded: np.ndarray,
  coding: data.JpegCoding,
) -> np.ndarray:
  """`completed`, in a photo that came as a JPEG file and at its own resolution.

  The face is one that the file can have been made of, by its own blocks and tables, so that a face
  that is larger in the photo than the generator's keeps what the file tells of its detail. Pixels
  outside of the face are the photo's own, to the last bit.

  Args:
    photo: uint8 [H, W, 3], which may have other restored faces in it.
    restored: uint8 [size, size, 3], the face.
    quad: [4, 2], where it lies in the photo.
    decoded: uint8 [H, W, 3], the photo as it came.
    coding: of its file.

  Returns:
    uint8 [H, W, 3].
  """
  placed = faces.place(photo, restored, quad)
  around = _units_around(placed.where, coding)
  if any(p.stop <= a.start for p, a in zip(placed.where, around, strict=True)):
    return faces.paste(photo, restored, quad)  # no whole block shows anything of it
  face = photo[around].astype(np.float32)
  # Of the face, what lies in `around`; and the same of that. Blocks that the photo's upper and left
  # edges cut are in neither.
  starts = [max(p.start, a.start) for p, a in zip(placed.where, around, strict=True)]
  blocks = tuple(slice(s - p.start, None) for s, p in zip(starts, placed.where, strict=True))
  inner = tuple(
    slice(start - whole.start, part.stop - whole.start)
    for start, part, whole in zip(starts, placed.where, around, strict=True)
  )
  shown = np.clip(placed.face, 0, 255)
  face[inner] = np.where(placed.weight[blocks] > 0, shown[blocks], face[inner])
  visible = np.ones((*face.shape[:2], 1), np.float32)
  made = within_cells(face / 127.5 - 1, to_float(decoded[around]), visible, coding)
  shown[blocks] = (made[inner] + 1) * 127.5
  return faces.blend(photo, placed._replace(face=shown))


def completed_blurred(
  photo: np.ndarray, restored: np.ndarray, quad: np.ndarray, came: np.ndarray, crop: np.ndarray
) -> np.ndarray:
  """`completed`, of a blurred photo and at its own resolution.

  The photo gets what restoring changed in the face's crop. What is finer than the generator's
  pixels, grain or detail that was sharp already, stays.

  Args:
    photo: uint8 [H, W, 3], which may have other restored faces in it.
    restored: uint8 [size, size, 3], the face, completed.
    quad: [4, 2], where it lies in the photo.
    came: uint8 [H, W, 3], the photo as it came.
    crop: uint8 [size, size, 3], the face as it came.

  Returns:
    uint8 [H, W, 3].
  """
  before, after = (faces.place(photo, image, quad) for image in (crop, restored))
  made = came[after.where] + after.face - before.face
  return faces.blend(photo, after._replace(face=made))


def completed_noisy(
  photo: np.ndarray, restored: np.ndarray, quad: np.ndarray, came: np.ndarray, deviation: float
) -> np.ndarray:
  """`completed`, of a noisy photo and at its own resolution.

  So a face that is larger in the photo than the generator's keeps the detail that stands out of
  the noise.

  Args:
    photo: uint8 [H, W, 3], which may have other restored faces in it.
    restored: uint8 [size, size, 3], the face.
    quad: [4, 2], where it lies in the photo.
    came: uint8 [H, W, 3], the photo as it came.
    deviation: of the noise in the photo, in units of the [0, 1] range; see `noise_in`.

  Returns:
    uint8 [H, W, 3].
  """
  placed = faces.place(photo, restored, quad)
  given = to_float(came[placed.where])
  if min(given.shape[:2]) < _LEAST_REGION:
    return faces.paste(photo, restored, quad)
  likely = clipped_mean(np.clip(placed.face / 127.5 - 1, -1, 1), 2 * deviation)
  likely = np.where(placed.weight > 0, likely, given)
  made = without_clipping(denoised(given, 2 * deviation, likely), 2 * deviation)
  return faces.blend(photo, placed._replace(face=(made + 1) * 127.5))


def noise_in(came: np.ndarray, restored: np.ndarray, quad: np.ndarray, crop: np.ndarray) -> float:
  """The standard deviation of the noise on a photo, at its own resolution.

  Args:
    came, restored, quad: as `completed_noisy` takes them.
    crop: uint8 [size, size, 3], the face as it came.

  Returns:
    In units of the [0, 1] range; 0 where the face is too small to tell.
  """
  placed = faces.place(came, restored, quad)
  given = to_float(came[placed.where])
  if min(given.shape[:2]) < _LEAST_REGION:
    return 0.0
  # Averaged in the crop, white noise is weaker there by the scale; film grain is not.
  scale = faces.side_of(quad) / len(crop)
  fine, coarse = noise_deviation(given), scale * noise_deviation(to_float(crop))
  face = np.clip(placed.face / 127.5 - 1, -1, 1)
  return (fine if coarse < _GRAIN * fine else coarse) * _clipped_away(face, fine)


def without_noise(photo: np.ndarray, deviation: float) -> np.ndarray:
  """A photo without its noise, where nothing is restored: uint8 [H, W, 3].

  Args:
    photo: uint8 [H, W, 3].
    deviation: of the noise, in units of the [0, 1] range.
  """
  if not deviation:
    return photo
  return to_bytes(without_clipping(denoised(to_float(photo), 2 * deviation), 2 * deviation))


def without_blocks(photo: np.ndarray, coding: data.JpegCoding) -> np.ndarray:
  """A photo without what a JPEG's blocks made of it, where nothing is restored: uint8 [H, W, 3].

  Args:
    photo: uint8 [H, W, 3], the JPEG.
    coding: of it. What is left and above of the first whole blocks stays.
  """
  top, left = coding.origin
  part = to_float(photo[top:, left:])
  result = photo.copy()
  for start in range(0, len(part), _BAND):
    first = max(start - _AROUND, 0)
    band = part[first : start + _BAND + _AROUND]
    made = within_cells(None, band, np.ones((*band.shape[:2], 1), np.float32), coding)
    inner = made[start - first : start - first + _BAND]
    result[top + start : top + start + _BAND, left:] = to_bytes(inner)
  return result


def _clipped_away(face: np.ndarray, measured: float) -> float:
  """How much more noise there was than is measured, since noise on black and white is clipped."""
  if not measured:
    return 1.0
  noise = np.random.default_rng(0).standard_normal(face.shape, np.float32)
  deviation = measured
  for _ in range(_ROUNDS):
    again = noise_deviation(np.clip(face + 2 * deviation * noise, -1, 1))
    deviation *= max(measured / max(again, measured / 2), 1)
  return deviation / measured


def _units_around(where: tuple[slice, slice], coding: data.JpegCoding) -> tuple[slice, slice]:
  """The part of a photo that consists of a JPEG's whole units (of blocks), and one more around."""
  rows, columns = (
    slice(
      max((part.start - start) // unit - 1, 0) * unit + start,
      (-(-(part.stop - start) // unit) + 1) * unit + start,
    )
    for part, unit, start in zip(
      where, (8 * factor for factor in coding.sampling), coding.origin, strict=True
    )
  )
  return rows, columns
