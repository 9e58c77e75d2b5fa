"""What was done to an image, as pure operators: their true form, and the model to optimise with.

`parse('blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)')` gives a `Pipeline`. An operator
is one file of this folder, which registers itself: see `registry.register`.
"""

import importlib
import pkgutil

from ganjax.degradations.blur import Blur
from ganjax.degradations.downsample import Downsample
from ganjax.degradations.grayscale import Grayscale
from ganjax.degradations.identity import Identity
from ganjax.degradations.jpeg import Jpeg
from ganjax.degradations.masks import (
  BoxMask,
  FileMask,
  PictureMask,
  PixelMask,
  RandomBoxMask,
  StrokeMask,
  TransparencyMask,
)
from ganjax.degradations.noise import GaussianNoise, PhotonNoise
from ganjax.degradations.parameters import DegradationError, Leaf, require_range, spell
from ganjax.degradations.pipeline import Operator, Pipeline, stack
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register, vocabulary
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
  'Leaf',
  'Operator',
  'PhotonNoise',
  'PictureMask',
  'Pipeline',
  'PixelMask',
  'RandomBoxMask',
  'StrokeMask',
  'TransparencyMask',
  'frozen_pytree',
  'parse',
  'register',
  'require_range',
  'spell',
  'stack',
  'vocabulary',
]

for _module in pkgutil.iter_modules(__path__):
  importlib.import_module(f'{__name__}.{_module.name}')
