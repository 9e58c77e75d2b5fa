"""Holes that are given as pixels."""

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError, Leaf
from ganjax.degradations.pytrees import frozen_pytree


@frozen_pytree
class PictureMask(Mask):
  """Holes in one image: what a mask of a whole photo comes to in a crop of it."""

  shown: Leaf  # bool [h, w], False in holes

  def visible(self, height: int, width: int) -> jax.Array:
    rows, columns = np.shape(self.shown)
    if (rows, columns) != (height, width):
      raise DegradationError(f'{self}: {columns}×{rows} px cannot be laid over {width}×{height}')
    return jnp.asarray(self.shown).astype(jnp.float32).reshape(height, width, 1)

  def __str__(self) -> str:
    return 'mask(picture)'
