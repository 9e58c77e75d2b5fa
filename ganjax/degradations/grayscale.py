"""Colour to grey."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register
from ganjax.pixels import LUMA

WEIGHTS = {
  'luma': LUMA,
  'mean': (1 / 3, 1 / 3, 1 / 3),
}


@frozen_pytree
class Grayscale(Operator):
  """A weighted sum of the channels, repeated over all three."""

  mode: str = dataclasses.field(default='luma', metadata={'static': True})

  is_local: ClassVar[bool] = True
  is_projection: ClassVar[bool] = True

  @classmethod
  def create(cls, mode: str = 'luma') -> 'Grayscale':
    """Checks the mode.

    Args:
      mode: 'luma' (Rec. 601 weights) or 'mean'.

    Raises:
      DegradationError: it is neither.
    """
    if mode not in WEIGHTS:
      raise DegradationError(f'grayscale: mode={mode} is unknown: use {" or ".join(WEIGHTS)}')
    return cls(mode)

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    weights = jnp.asarray(WEIGHTS[self.mode], jnp.float32).reshape(1, 1, 3)
    return jnp.broadcast_to(jnp.sum(image * weights, axis=-1, keepdims=True), image.shape)

  def __str__(self) -> str:
    return f'grayscale(mode={self.mode})'


register('grayscale', Grayscale.create, {'mode': str}, usage='grayscale(mode=luma)  luma, mean')
