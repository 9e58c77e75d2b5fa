"""What was done to a picture, as pure operators: their true form, and the model to optimise with.

`parse('blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)')` gives a `Pipeline`.
"""

from ganjax.degradations.blur import Blur
from ganjax.degradations.downsample import Downsample
from ganjax.degradations.grayscale import Grayscale
from ganjax.degradations.jpeg import Jpeg
from ganjax.degradations.mask import BoxMask, FileMask, PixelMask, StrokeMask
from ganjax.degradations.noise import GaussianNoise, PhotonNoise
from ganjax.degradations.pipeline import (
  DegradationError,
  Identity,
  Operator,
  Pipeline,
  stack,
)
from ganjax.degradations.random_boxes import RandomBoxMask
from ganjax.degradations.spec import parse

__all__ = [
  'Blur',
  'BoxMask',
  'DegradationError',
  'Downsample',
  'FileMask',
  'GaussianNoise',
  'Grayscale',
  'Identity',
  'Jpeg',
  'Operator',
  'PhotonNoise',
  'Pipeline',
  'PixelMask',
  'RandomBoxMask',
  'StrokeMask',
  'parse',
  'stack',
]
