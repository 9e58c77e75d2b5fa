"""No degradation."""

from typing import ClassVar

import jax

from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register


@frozen_pytree
class Identity(Operator):
  """Leaves the picture as it is: for plain inversion."""

  is_local: ClassVar[bool] = True

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    return image

  def __str__(self) -> str:
    return 'identity'


register('identity', Identity)
