"""Inversion: latent spaces, objectives, schedules, presets, and the engine that runs them."""

from ganjax.inversion.batch import CHUNK_STEPS, Progress, Restoration
from ganjax.inversion.engine import Prior, image_key
from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Phase, Preset
from ganjax.inversion.restore import prior, restore

__all__ = [
  'CHUNK_STEPS',
  'PRESETS',
  'PROJECTOR',
  'Hyper',
  'Phase',
  'Preset',
  'Prior',
  'Progress',
  'Restoration',
  'image_key',
  'prior',
  'restore',
]
