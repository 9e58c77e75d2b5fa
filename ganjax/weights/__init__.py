"""Loading and saving weights."""

from ganjax.weights.attributes import Attribute, load_classifier, save_classifier
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
  'Attribute',
  'CropTemplate',
  'Networks',
  'WeightsError',
  'load',
  'load_classifier',
  'load_lpips',
  'read',
  'save',
  'save_classifier',
]
