"""Inverse problems of images: StyleGAN inversion, pivotal tuning, the deep image prior."""

from typing import TYPE_CHECKING

from ganjax import lazy

if TYPE_CHECKING:
  from ganjax.inversion.batch import CHUNK_STEPS, Progress, Restoration, even_chunk, run
  from ganjax.inversion.blind import IDENTIFY_STEPS, identify
  from ganjax.inversion.continuous import ContinuousBatch, Paused
  from ganjax.inversion.deep_prior import DeepImagePrior
  from ganjax.inversion.encoding import encode
  from ganjax.inversion.latent_distances import Euclidean, LatentDistance, Mahalanobis
  from ganjax.inversion.perceptual import (
    Perceptual,
    check_perceptual,
    distance,
    file_of,
    load_perceptual,
  )
  from ganjax.inversion.presets import PRESETS, PROJECTOR, Hyper, Phase, Preset
  from ganjax.inversion.problem import (
    Prior,
    image_key,
    make_prior,
    make_problem,
    stack,
  )
  from ganjax.inversion.solver import Solver
  from ganjax.inversion.spaces import SPACES, Space
  from ganjax.inversion.stages import stages_of

__getattr__, __dir__ = lazy.exports(__name__, __file__)
__all__ = [
  'CHUNK_STEPS',
  'IDENTIFY_STEPS',
  'PRESETS',
  'PROJECTOR',
  'SPACES',
  'ContinuousBatch',
  'DeepImagePrior',
  'Euclidean',
  'Hyper',
  'LatentDistance',
  'Mahalanobis',
  'Paused',
  'Perceptual',
  'Phase',
  'Preset',
  'Prior',
  'Progress',
  'Restoration',
  'Solver',
  'Space',
  'check_perceptual',
  'distance',
  'encode',
  'even_chunk',
  'file_of',
  'identify',
  'image_key',
  'load_perceptual',
  'make_prior',
  'make_problem',
  'run',
  'stack',
  'stages_of',
]
