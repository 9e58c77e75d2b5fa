"""From a photo to the face crops that a generator understands."""

import numpy as np
from PIL import Image

from ganjax.choices import Align as Mode
from ganjax.faces.boxes import check_box
from ganjax.faces.cropping import Crop, crop, full_quad
from ganjax.faces.filling import fill
from ganjax.faces.landmarks import check_rgb, detect, detect_in
from ganjax.faces.template import FaceError, Template

# How far a corner may lie off, in sides of the picture. dlib's answer for 98 % of 400 tight crops
# that another tool had aligned is within it; a portrait with shoulders is off by 0.3 or more.
_TOLERANCE = 0.15
_SMALLEST = 16  # px; of fewer, no method makes a face that resembles the person
_SMALL = 64  # px; in photos of fewer, a face is seldom found
_FLAT = 8  # levels of 255, between the darkest and the brightest pixel of an empty picture


def align(
  image: np.ndarray,
  template: Template,
  size: int,
  mode: Mode = 'auto',
  *,
  hidden: np.ndarray | None = None,
  box: tuple[float, ...] | None = None,
) -> list[Crop]:
  """Cuts every face out of one photo.

  Args:
    image: the photo, uint8 RGB [H, W, 3].
    template: of the generator that the crops are for.
    size: the crops' side, px: the generator's resolution.
    mode: 'always' looks for faces and crops them; 'auto' does so too, but passes a picture that
      is aligned already through, scaled to `size`; 'never' does not look and passes all through.
    hidden: bool [H, W], True where the photo shows nothing. These holes are filled from around
      before faces are looked for; the crops are cut from `image` as it is.
    box: left, top, right and bottom of the one face to crop, in the photo's pixels; where a
      detector sees nothing there, it should reach from the brows to the chin.

  Returns:
    One `Crop` per face, from left to right. That of a picture passed through has the whole
    picture as its quad, so that `paste` works on it as well; that of a face that lies on its side
    has a quad that lies on its side.

  Raises:
    FaceError: no face found, or none that is large enough; or mode 'never' and the picture is not
      square, or a box is given; or no such mode; or a box or holes that do not fit the photo.
  """
  check_rgb(image)
  if mode not in ('auto', 'always', 'never'):
    raise FaceError(f'align={mode}: must be auto, always or never')
  if mode == 'never':
    if box is not None:
      raise FaceError('--face says where to crop and --align=never not to crop: leave one out')
    return [_pass_through(image, size)]
  faces = _find(image, hidden, box)
  if mode == 'auto' and is_aligned(image, faces, template):
    return [_pass_through(image, size)]
  return [crop(image, face, template, size) for face in _large_enough(faces, template)]


def _find(
  image: np.ndarray, hidden: np.ndarray | None, box: tuple[float, ...] | None
) -> list[np.ndarray]:
  """The landmarks of the faces that are asked for; at least one."""
  height, width = image.shape[:2]
  if max(height, width) < _SMALLEST:
    raise FaceError(
      f'the photo is {width}×{height} px, too small to show a face; use a larger copy, or '
      '--align=never if it is a face crop'
    )
  if hidden is not None:
    if hidden.shape != (height, width):
      raise FaceError(
        f'holes of {hidden.shape[1]}×{hidden.shape[0]} px do not fit the photo of '
        f'{width}×{height} px; use a mask of the same size'
      )
    image = fill(image, hidden)
  if box is not None:
    return [detect_in(image, check_box(box, image))]
  extrema = Image.fromarray(image).getextrema()  # of 12 megapixels in a tenth of a second
  if np.ptp(extrema, axis=1).max() < _FLAT:  # the search would take ten seconds
    raise FaceError(
      'the photo is of one colour nearly throughout, and shows no face; is it the right file?'
    )
  if faces := detect(image, thorough=True):
    return faces
  if max(height, width) < _SMALL:
    raise FaceError(
      f'no face found in {width}×{height} px; use a larger copy of the photo, or --align=never if '
      'it is a face crop'
    )
  raise FaceError(
    'no face found, upright, on its side or upside down, near or far; say where it is by '
    '--face=left:top:right:bottom (px), or use --align=never if the picture is cropped already'
  )


def _large_enough(faces: list[np.ndarray], template: Template) -> list[np.ndarray]:
  sides = [np.ptp(full, axis=0).max() for full in map(template.quad, faces)]
  large = [face for face, side in zip(faces, sides, strict=True) if side >= _SMALLEST]
  if not large:
    raise FaceError(
      f'a face was found, but its crop would be {max(sides):.0f} px wide, and the least is '
      f'{_SMALLEST} px; use a larger copy of the photo'
    )
  return large


def is_aligned(image: np.ndarray, faces: list[np.ndarray], template: Template) -> bool:
  """Whether the picture is a crop already: square, and a face sits where `template` wants it.

  Args:
    image: [H, W, 3].
    faces: what `detect` found in it.
    template: of the generator in use.
  """
  height, width = image.shape[:2]
  tolerance = _TOLERANCE * width
  return height == width and any(
    np.abs(template.quad(face) - full_quad(image)).max() <= tolerance for face in faces
  )


def _pass_through(image: np.ndarray, size: int) -> Crop:
  height, width = image.shape[:2]
  if height != width:
    raise FaceError(
      f'{width}×{height} px is not square, so it is no face crop; crop it, or use --align=auto'
    )
  scaled = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
  return Crop(np.array(scaled), full_quad(image))
