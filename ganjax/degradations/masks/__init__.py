"""The kinds of holes, one a file; `mask` joins them to the operator `mask` of specs."""

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.masks.boxes import BoxMask
from ganjax.degradations.masks.file import FileMask
from ganjax.degradations.masks.picture import PictureMask
from ganjax.degradations.masks.pixels import PixelMask
from ganjax.degradations.masks.random_boxes import RandomBoxMask
from ganjax.degradations.masks.strokes import StrokeMask
from ganjax.degradations.masks.transparency import TransparencyMask

__all__ = [
  'BoxMask',
  'FileMask',
  'Mask',
  'PictureMask',
  'PixelMask',
  'RandomBoxMask',
  'StrokeMask',
  'TransparencyMask',
]
