"""Loading and saving weights."""

from ganjax.weights.networks import (
  DEFAULT,
  CropTemplate,
  Networks,
  load,
  load_lpips,
)
from ganjax.weights.store import WeightsError, read, save, to_bytes
from ganjax.weights.tuned import load_tuned

__all__ = [
  'DEFAULT',
  'CropTemplate',
  'Networks',
  'WeightsError',
  'load',
  'load_lpips',
  'load_tuned',
  'read',
  'save',
  'to_bytes',
]
