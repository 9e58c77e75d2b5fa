"""Inversion: latent spaces, objectives, schedules, presets, and the engine that runs them."""

from typing import TYPE_CHECKING

from ganjax import lazy

if TYPE_CHECKING:
  from ganjax.inversion.batch import CHUNK_STEPS, Progress, Restoration, even_chunk, run
  from ganjax.inversion.blind import IDENTIFY_STEPS, identify
  from ganjax.inversion.continuous import ContinuousBatch, Paused
  from ganjax.inversion.perceptual import distance
  from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Phase, Preset
  from ganjax.inversion.problem import (
    Prior,
    degradation_keys,
    image_key,
    make_prior,
    make_problem,
    sampled,
    stack,
  )

__getattr__ = lazy.exports(__name__, __file__)
__all__ = [
  'CHUNK_STEPS',
  'IDENTIFY_STEPS',
  'PRESETS',
  'PROJECTOR',
  'ContinuousBatch',
  'Hyper',
  'Paused',
  'Phase',
  'Preset',
  'Prior',
  'Progress',
  'Restoration',
  'degradation_keys',
  'distance',
  'even_chunk',
  'identify',
  'image_key',
  'make_prior',
  'make_problem',
  'run',
  'sampled',
  'stack',
]
