"""StyleGAN2 face inversion and restoration in JAX.

networks = ganjax.load()
damage = ganjax.parse_degradation('blur(kernel_size=25, variance=7)')
result = ganjax.restore(networks, photos, damage, num_steps=300)
"""

from typing import TYPE_CHECKING

from ganjax import lazy

if TYPE_CHECKING:
  from ganjax.degradations import Operator
  from ganjax.degradations import parse as parse_degradation
  from ganjax.inversion import (
    PRESETS,
    Hyper,
    Perceptual,
    Phase,
    Preset,
    Restoration,
    Solver,
    Space,
    encode,
    load_perceptual,
    make_prior,
  )
  from ganjax.metrics import psnr, ssim
  from ganjax.restoration.arrays import restore
  from ganjax.restoration.photos import RestoredPhoto, restore_photos
  from ganjax.weights import Networks, load, load_lpips, load_tuned

__version__ = '0.1.0'

__getattr__, __dir__ = lazy.exports(__name__, __file__)
__all__ = [
  'PRESETS',
  'Hyper',
  'Networks',
  'Operator',
  'Perceptual',
  'Phase',
  'Preset',
  'Restoration',
  'RestoredPhoto',
  'Solver',
  'Space',
  'encode',
  'load',
  'load_lpips',
  'load_perceptual',
  'load_tuned',
  'make_prior',
  'parse_degradation',
  'psnr',
  'restore',
  'restore_photos',
  'ssim',
]
