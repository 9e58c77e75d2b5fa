"""Landmarks (dlib), the crop template, warping, pasting back; uint8 pictures, on the host."""

from ganjax.faces.align import Mode, align, is_aligned
from ganjax.faces.appearance import MEASURES, appearance
from ganjax.faces.boxes import parse_box
from ganjax.faces.cropping import (
  FEATHER,
  Crop,
  Placed,
  blend,
  covers,
  crop,
  crop_mask,
  cut,
  full_quad,
  paste,
  place,
  rounded,
  side_of,
)
from ganjax.faces.eyes import worse_eye
from ganjax.faces.filling import fill
from ganjax.faces.identity import FRECHET_UNIT, SAME_PERSON, descriptor
from ganjax.faces.landmarks import detect, detect_largest
from ganjax.faces.template import FFHQ, TIGHT, FaceError, Template

__all__ = [
  'FEATHER',
  'FFHQ',
  'FRECHET_UNIT',
  'MEASURES',
  'SAME_PERSON',
  'TIGHT',
  'Crop',
  'FaceError',
  'Mode',
  'Placed',
  'Template',
  'align',
  'appearance',
  'blend',
  'covers',
  'crop',
  'crop_mask',
  'cut',
  'descriptor',
  'detect',
  'detect_largest',
  'fill',
  'full_quad',
  'is_aligned',
  'parse_box',
  'paste',
  'place',
  'rounded',
  'side_of',
  'worse_eye',
]
