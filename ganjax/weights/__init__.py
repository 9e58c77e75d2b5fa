"""Loading and saving weights."""

from ganjax.weights.classifiers import Attribute, load_classifier, save_classifier
from ganjax.weights.networks import (
  DEFAULT,
  CropTemplate,
  Networks,
  load,
  load_inception,
  load_lpips,
)
from ganjax.weights.tensor_file import WeightsError, read, save, to_bytes
from ganjax.weights.tuned import load_tuned

__all__ = [
  'DEFAULT',
  'Attribute',
  'CropTemplate',
  'Networks',
  'WeightsError',
  'load',
  'load_classifier',
  'load_inception',
  'load_lpips',
  'load_tuned',
  'read',
  'save',
  'save_classifier',
  'to_bytes',
]
