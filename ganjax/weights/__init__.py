"""Loading and saving weights."""

from ganjax.weights.networks import (
  DEFAULT,
  CropTemplate,
  Networks,
  load,
  load_lpips,
)
from ganjax.weights.store import WeightsError, read, save

__all__ = [
  'DEFAULT',
  'CropTemplate',
  'Networks',
  'WeightsError',
  'load',
  'load_lpips',
  'read',
  'save',
]
