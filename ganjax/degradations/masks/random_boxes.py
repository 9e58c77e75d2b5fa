"""Square holes in random places: what a network that fills holes is trained on."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.masks.base import Mask, pad_rows
from ganjax.degradations.parameters import DegradationError, Leaf, require_range, spell
from ganjax.degradations.pytrees import frozen_pytree

SIZE = 0.293  # 75 of 256 px, 37 of 128 px


@frozen_pytree
class RandomBoxMask(Mask):
  """Square holes that lie wholly within the picture; they may overlap.

  Where they lie is unknown until `sample(key)`.
  """

  boxes: Leaf  # int32, how many
  size: Leaf  # float32, fraction of the shorter side, rounded down to whole pixels
  corners: Leaf | None  # float32 [max_boxes, 2]: y, x of the top-left corner, in its own range
  max_boxes: int = dataclasses.field(metadata={'static': True})

  is_drawn: ClassVar[bool] = True

  @classmethod
  def create(cls, boxes: int = 2, size: float = SIZE) -> 'RandomBoxMask':
    """Raises DegradationError unless boxes is within 1 to 100 and size within 0.001 to 0.999."""
    require_range('mask: boxes', boxes, 1, 100)
    require_range('mask: size', size, 1e-3, 0.999)
    return cls(np.asarray(boxes, np.int32), np.asarray(size, np.float32), None, boxes)

  def sample(self, key: jax.Array) -> 'RandomBoxMask':
    return dataclasses.replace(self, corners=_random_corners(key, self.max_boxes))

  def places(self, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """The boxes' y and x in px, [max_boxes, 2], and their side.

    Raises:
      DegradationError: `sample` was not called.
    """
    if self.corners is None:
      raise DegradationError(f'{self}: the boxes have no places yet: call sample(key) first')
    side = jnp.floor(jnp.asarray(self.size) * min(height, width))
    room = jnp.asarray([[height, width]], jnp.float32) - side + 1
    return jnp.floor(jnp.asarray(self.corners) * room), side

  def visible(self, height: int, width: int) -> jax.Array:
    corners, side = self.places(height, width)
    y, x = corners[:, :1], corners[:, 1:]
    rows = jnp.arange(height, dtype=jnp.float32).reshape(1, height)
    columns = jnp.arange(width, dtype=jnp.float32).reshape(1, width)
    counted = (jnp.arange(self.max_boxes) < self.boxes).reshape(-1, 1, 1)
    in_rows = ((rows >= y) & (rows < y + side)).reshape(-1, height, 1)
    in_columns = ((columns >= x) & (columns < x + side)).reshape(-1, 1, width)
    holes = jnp.any(counted & in_rows & in_columns, axis=0)
    return 1 - holes.astype(jnp.float32).reshape(height, width, 1)

  def check(self, height: int, width: int) -> None:
    if np.min(np.floor(np.asarray(self.size) * min(height, width))) < 1:
      raise DegradationError(f'{self} hides no pixel of the {width}×{height} picture: size up')

  @staticmethod
  def harmonise(operators: Sequence['RandomBoxMask']) -> Sequence['RandomBoxMask']:
    most = max(mask.max_boxes for mask in operators)
    return [
      RandomBoxMask(mask.boxes, mask.size, pad_rows(mask.corners, most), most) for mask in operators
    ]

  def __str__(self) -> str:
    return f'mask(boxes={spell(self.boxes)}, size={spell(self.size)})'


@functools.partial(jax.jit, static_argnums=1)
def _random_corners(key: jax.Array, count: int) -> jax.Array:
  """[count, 2] in [0, 1); the first ones do not depend on how many there are."""
  keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(count))
  return jax.vmap(lambda key: jax.random.uniform(key, (2,)))(keys)
