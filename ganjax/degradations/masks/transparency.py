"""Holes where a photo is transparent."""

import jax

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pytrees import frozen_pytree


@frozen_pytree
class TransparencyMask(Mask):
  """Holes that were erased from a photo; known once the photo is read."""

  def visible(self, height: int, width: int) -> jax.Array:
    del height, width
    raise DegradationError(
      f'{self}: its holes are the transparent pixels of a photo, and only tasks that read photos '
      'know them: say where holes are, such as mask(box=40:80:40:80)'
    )

  def __str__(self) -> str:
    return 'mask()'
