"""Inversion: latent spaces, objectives, schedules, presets, and the engine that runs them."""

from ganjax.inversion.batch import CHUNK_STEPS, Progress, Restoration, even_chunk, run
from ganjax.inversion.blind import IDENTIFY_STEPS, identify
from ganjax.inversion.engine import Prior, image_key
from ganjax.inversion.parallel import stack
from ganjax.inversion.perceptual import distance
from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Phase, Preset
from ganjax.inversion.restore import degradation_keys, prior, problem, restore, sampled
from ganjax.inversion.slots import Seat, Slots

__all__ = [
  'CHUNK_STEPS',
  'IDENTIFY_STEPS',
  'PRESETS',
  'PROJECTOR',
  'Hyper',
  'Phase',
  'Preset',
  'Prior',
  'Progress',
  'Restoration',
  'Seat',
  'Slots',
  'degradation_keys',
  'distance',
  'even_chunk',
  'identify',
  'image_key',
  'prior',
  'problem',
  'restore',
  'run',
  'sampled',
  'stack',
]
