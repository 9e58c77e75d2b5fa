"""Inversion: latent spaces, objectives, schedules, presets, and the engine that runs them."""

from ganjax.inversion.engine import CHUNK_STEPS, Prior, Progress, Restoration, image_key
from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Preset
from ganjax.inversion.restore import prior, restore

__all__ = [
  'CHUNK_STEPS',
  'PRESETS',
  'PROJECTOR',
  'Hyper',
  'Preset',
  'Prior',
  'Progress',
  'Restoration',
  'image_key',
  'prior',
  'restore',
]
