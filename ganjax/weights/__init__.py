"""Loading and saving weights."""

from ganjax.weights.classifiers import Attribute, load_classifier, save_classifier
from ganjax.weights.inception import load_inception
from ganjax.weights.networks import DEFAULT, Networks, is_bundled, load
from ganjax.weights.tensor_file import WeightsError, read, save, to_bytes
from ganjax.weights.tuned import load_tuned
from ganjax.weights.vgg16 import load_lpips

__all__ = [
  'DEFAULT',
  'Attribute',
  'Networks',
  'WeightsError',
  'is_bundled',
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
