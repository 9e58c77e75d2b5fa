"""Latent editing: interpolation, directions, traversal. Pure functions of one latent, to vmap."""

from ganjax.editing.directions import Fit, conditional, confident, cosine, fit_direction
from ganjax.editing.files import Direction, EditingError, bundled_directions, load_direction
from ganjax.editing.interpolation import Method, interpolate, step_lengths
from ganjax.editing.rendering import draw
from ganjax.editing.sampling import SPACES, Space, rows, sample, seeded
from ganjax.editing.traversal import deviation, flip, layer_mask, slope, succeeds, traverse
from ganjax.editing.unsupervised import Components, pca, sefa

__all__ = [
  'SPACES',
  'Components',
  'Direction',
  'EditingError',
  'Fit',
  'Method',
  'Space',
  'bundled_directions',
  'conditional',
  'confident',
  'cosine',
  'deviation',
  'draw',
  'fit_direction',
  'flip',
  'interpolate',
  'layer_mask',
  'load_direction',
  'pca',
  'rows',
  'sample',
  'seeded',
  'sefa',
  'slope',
  'step_lengths',
  'succeeds',
  'traverse',
]
