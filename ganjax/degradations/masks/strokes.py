"""Random brush strokes."""

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


@frozen_pytree
class StrokeMask(Mask):
  """Random straight brush strokes with round ends, across the picture.

  Each runs from one outer third to the opposite one, along a random axis (the inpainting levels of
  Poirier-Ginter & Lalonde 2023 have 1, 5, 9, 13 and 17 strokes of width 0.08). Where they lie is
  unknown until `sample(key)`; stroke i depends on the key and i alone.
  """

  strokes: Leaf  # int32, how many are painted
  width: Leaf  # float32, fraction of the shorter side
  lines: Leaf | None  # float32 [max_strokes, 4]: y, x of both ends, fractions of the sides
  max_strokes: int = dataclasses.field(metadata={'static': True})

  is_drawn: ClassVar[bool] = True

  @classmethod
  def create(cls, strokes: int = 5, width: float = 0.08) -> 'StrokeMask':
    """Raises DegradationError unless strokes is within 1 to 100 and width within 0.001 to 1."""
    require_range('mask: strokes', strokes, 1, 100)
    require_range('mask: width', width, 1e-3, 1)
    return cls(np.asarray(strokes, np.int32), np.asarray(width, np.float32), None, strokes)

  def sample(self, key: jax.Array) -> 'StrokeMask':
    return dataclasses.replace(self, lines=_random_lines(key, self.max_strokes))

  def visible(self, height: int, width: int) -> jax.Array:
    if self.lines is None:
      raise DegradationError(f'{self}: the strokes have no places yet: call sample(key) first')
    sides = jnp.asarray([[height, width, height, width]], jnp.float32)
    ends = jnp.asarray(self.lines) * sides
    y = jnp.arange(height, dtype=jnp.float32).reshape(height, 1) + 0.5
    x = jnp.arange(width, dtype=jnp.float32).reshape(1, width) + 0.5
    squared = jax.vmap(lambda line: _squared_distance(y, x, line))(ends)
    painted = (jnp.arange(self.max_strokes) < self.strokes).reshape(-1, 1, 1)
    radius = self.width * min(height, width) / 2
    holes = jnp.any(painted & (squared < radius * radius), axis=0)
    return 1 - holes.astype(jnp.float32).reshape(height, width, 1)

  @staticmethod
  def harmonise(operators: Sequence['StrokeMask']) -> Sequence['StrokeMask']:
    most = max(mask.max_strokes for mask in operators)
    return [
      StrokeMask(mask.strokes, mask.width, pad_rows(mask.lines, most), most) for mask in operators
    ]

  def __str__(self) -> str:
    return f'mask(strokes={spell(self.strokes)}, width={spell(self.width)})'


@functools.partial(jax.jit, static_argnums=1)
def _random_lines(key: jax.Array, count: int) -> jax.Array:
  keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(count))
  return jax.vmap(_random_line)(keys)


def _random_line(key: jax.Array) -> jax.Array:
  """y, x of both ends in fractions of the sides; float32 [4]."""
  near, far, turned, left, right = jax.random.uniform(key, (5,))
  first, last = near / 3, 1 - far / 3
  downward = jnp.stack([first, left, last, right])
  return jnp.where(turned < 0.5, downward, downward[jnp.asarray([1, 0, 3, 2])])


def _squared_distance(y: jax.Array, x: jax.Array, line: jax.Array) -> jax.Array:
  """From each pixel to a line segment; y [H, 1], x [1, W], line [4] in pixels -> [H, W]."""
  y0, x0, y1, x1 = line
  dy, dx = y1 - y0, x1 - x0
  y, x = jnp.broadcast_arrays(y - y0, x - x0)
  along = (y * dy + x * dx) / jnp.maximum(dy * dy + dx * dx, 1e-6)
  along = jnp.clip(along, 0.0, 1.0)
  return (y - along * dy) ** 2 + (x - along * dx) ** 2
