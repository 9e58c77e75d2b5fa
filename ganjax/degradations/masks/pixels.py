"""Single missing pixels."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError, Leaf, require_range, spell
from ganjax.degradations.pytrees import frozen_pytree


@frozen_pytree
class PixelMask(Mask):
  """Single pixels missing here and there.

  Which ones is unknown until `sample(key)`. With the same key, a larger share hides the pixels of
  a smaller one and more.
  """

  missing: Leaf  # float32, share of the pixels
  key: Leaf | None  # uint32 [2], a key's data

  is_drawn: ClassVar[bool] = True

  @classmethod
  def create(cls, missing: float = 0.5) -> 'PixelMask':
    """Raises DegradationError unless missing is within 0 to 0.99."""
    require_range('mask: missing', missing, 0, 0.99)
    return cls(np.asarray(missing, np.float32), None)

  def sample(self, key: jax.Array) -> 'PixelMask':
    return dataclasses.replace(self, key=jax.random.key_data(key))

  def visible(self, height: int, width: int) -> jax.Array:
    if self.key is None:
      raise DegradationError(f'{self}: the pixels have no places yet: call sample(key) first')
    key = jax.random.wrap_key_data(jnp.asarray(self.key))
    return (jax.random.uniform(key, (height, width, 1)) >= self.missing).astype(jnp.float32)

  def __str__(self) -> str:
    return f'mask(missing={spell(self.missing)})'
