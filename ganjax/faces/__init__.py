"""Landmarks (dlib), the crop template, warping, pasting back; uint8 pictures, on the host."""

from ganjax.faces.align import Mode, align, is_aligned
from ganjax.faces.identity import SAME_PERSON, descriptor
from ganjax.faces.landmarks import detect
from ganjax.faces.template import FFHQ, TIGHT, FaceError, Template
from ganjax.faces.warp import Crop, crop, full_quad, paste

__all__ = [
  'FFHQ',
  'SAME_PERSON',
  'TIGHT',
  'Crop',
  'FaceError',
  'Mode',
  'Template',
  'align',
  'crop',
  'descriptor',
  'detect',
  'full_quad',
  'is_aligned',
  'paste',
]
