"""From a photo to the face crops that a generator understands."""

import numpy as np
from PIL import Image

from ganjax.choices import Align as Mode
from ganjax.faces.cropping import Crop, crop, full_quad
from ganjax.faces.landmarks import check_rgb, detect
from ganjax.faces.template import FaceError, Template

# How far a corner may lie off, in sides of the picture. dlib's answer for 98 % of 400 tight crops
# that another tool had aligned is within it; a portrait with shoulders is off by 0.3 or more.
_TOLERANCE = 0.15


def align(
  image: np.ndarray, template: Template, size: int, mode: Mode = 'auto', *, hidden=None, box=None
) -> list[Crop]:
  """Cuts every face out of one photo.

  Args:
    image: the photo, uint8 RGB [H, W, 3].
    template: of the generator that the crops are for.
    size: the crops' side, px: the generator's resolution.
    mode: 'always' looks for faces and crops them; 'auto' does so too, but passes a picture that
      is aligned already through, scaled to `size`; 'never' does not look and passes all through.

  Returns:
    One `Crop` per face, from left to right. That of a picture passed through has the whole
    picture as its quad, so that `paste` works on it as well.

  Raises:
    FaceError: no face found; or mode 'never' and the picture is not square; or no such mode.
  """
  check_rgb(image)
  if mode not in ('auto', 'always', 'never'):
    raise FaceError(f'align={mode}: must be auto, always or never')
  if mode == 'never':
    return [_pass_through(image, size)]
  faces = detect(image)
  if not faces:
    raise FaceError(
      'no face found; use a photo with a face seen from the front, larger than a twentieth of '
      'the picture, or --align=never if the picture is cropped already'
    )
  if mode == 'auto' and is_aligned(image, faces, template):
    return [_pass_through(image, size)]
  return [crop(image, face, template, size) for face in faces]


def parse_box(text):
  return tuple(map(float, text.split(':')))


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
