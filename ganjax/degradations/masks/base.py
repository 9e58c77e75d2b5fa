"""What all masks are.

Holes are painted black, as in the images that people bring (and in the literature's blacked-out
boxes): so `mask(…) | blur(…)` describes such an image truly. Where the mask comes last the colour
is never looked at, because the comparison leaves out what is not `visible`.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from ganjax.degradations.parameters import Leaf
from ganjax.degradations.pipeline import Operator

BLACK = -1.0


class Mask(Operator):
  """Paints holes; its kinds differ in where the holes are."""

  is_local: ClassVar[bool] = True
  is_mask: ClassVar[bool] = True
  is_projection: ClassVar[bool] = True

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    visible = jnp.broadcast_to(self.visible(*image.shape[:2]), image.shape)
    return jnp.where(visible > 0, image, BLACK)


def pad_rows(drawn: Leaf | None, count: int) -> jax.Array | None:
  """Holes as they were drawn, one a row, with zeros up to `count` of them; None stays None."""
  if drawn is None:
    return None
  rows = jnp.asarray(drawn)
  return jnp.pad(rows, ((0, count - rows.shape[0]), (0, 0)))
