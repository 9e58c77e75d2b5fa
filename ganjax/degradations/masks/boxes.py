"""Rectangular holes in given places."""

import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError, Leaf, require_range
from ganjax.degradations.pytrees import frozen_pytree


@frozen_pytree
class BoxMask(Mask):
  """Rectangular holes."""

  boxes: Leaf  # float32 [n, 4]: top, bottom, left, right; bottom and right are outside the hole
  is_fraction: Leaf  # bool [n, 4]: in fractions of the side, not in pixels

  @classmethod
  def create(cls, box: Sequence[str]) -> 'BoxMask':
    """Reads boxes.

    Args:
      box: texts such as '40:80:40:80' (pixels) or '0.25:0.5:0.0:1.0' (fractions of the side, told
        by their decimal points): top, bottom, left, right.

    Raises:
      DegradationError: a text is not four such numbers, or its hole is empty or inside out.
    """
    edges = [_edges(text) for text in box]
    return cls(
      np.asarray([[float(edge) for edge in row] for row in edges], np.float32),
      np.asarray([['.' in edge for edge in row] for row in edges]),
    )

  def visible(self, height: int, width: int) -> jax.Array:
    boxes = self._pixels(height, width)
    rows = jnp.arange(height, dtype=jnp.float32).reshape(1, height)
    columns = jnp.arange(width, dtype=jnp.float32).reshape(1, width)
    in_rows = (rows >= boxes[:, 0:1]) & (rows < boxes[:, 1:2])
    in_columns = (columns >= boxes[:, 2:3]) & (columns < boxes[:, 3:4])
    holes = jnp.any(in_rows.reshape(-1, height, 1) & in_columns.reshape(-1, 1, width), axis=0)
    return 1 - holes.astype(jnp.float32).reshape(height, width, 1)

  def check(self, height: int, width: int) -> None:
    flat = BoxMask(*(np.asarray(leaf).reshape(-1, 4) for leaf in jax.tree.leaves(self)))
    for row, (top, bottom, left, right) in enumerate(np.asarray(flat._pixels(height, width))):
      text = flat._texts()[row]
      if bottom > height or right > width:
        raise DegradationError(
          f'mask: box={text} lies outside the {width}×{height} picture: '
          'write top:bottom:left:right within it'
        )
      if text != _PADDING and (top >= bottom or left >= right):
        raise DegradationError(
          f'mask: box={text} hides no pixel of the {width}×{height} picture: make it larger'
        )
      if bottom - top == height and right - left == width:
        raise DegradationError(
          f'mask: box={text} hides the whole {width}×{height} picture: make it smaller'
        )

  @staticmethod
  def harmonise(operators: Sequence['BoxMask']) -> Sequence['BoxMask']:
    most = max(len(mask.boxes) for mask in operators)
    return [
      BoxMask(
        *(
          jnp.pad(jnp.asarray(leaf), ((0, most - len(leaf)), (0, 0)))
          for leaf in (mask.boxes, mask.is_fraction)
        )
      )
      for mask in operators
    ]

  def _pixels(self, height: int, width: int) -> jax.Array:
    """The boxes in whole pixels, float32 [n, 4]."""
    sides = jnp.asarray([[height, height, width, width]], jnp.float32)
    rounded = jnp.floor(jnp.asarray(self.boxes) * sides + 0.5)
    return jnp.where(jnp.asarray(self.is_fraction), rounded, jnp.asarray(self.boxes))

  def _texts(self) -> list[str]:
    boxes = np.asarray(self.boxes).reshape(-1, 4)
    is_fraction = np.asarray(self.is_fraction).reshape(-1, 4)
    return [
      ':'.join(
        np.format_float_positional(edge, trim='0') if fraction else str(int(edge))
        for edge, fraction in zip(*row, strict=True)
      )
      for row in zip(boxes, is_fraction, strict=True)
    ]

  def __str__(self) -> str:
    return f'mask({", ".join(f"box={text}" for text in self._texts() if text != _PADDING)})'


_PADDING = '0:0:0:0'  # What `harmonise` adds; no user can write it.
_EDGE = re.compile(r'\d{1,6}|\d{0,6}\.\d{1,9}|\d{1,6}\.')


def _edges(text: str) -> list[str]:
  edges = text.split(':')
  if len(edges) != 4 or not all(_EDGE.fullmatch(edge) for edge in edges):
    raise DegradationError(
      f'mask: box={text} is not top:bottom:left:right: write for example box=40:80:40:80 '
      '(pixels) or box=0.25:0.5:0.25:0.5 (fractions of the side)'
    )
  for edge in edges:
    if '.' in edge:
      require_range(f'mask: box={text}: fraction', float(edge), 0, 1)
  for first, last in (edges[:2], edges[2:]):
    if ('.' in first) == ('.' in last) and float(first) >= float(last):
      raise DegradationError(
        f'mask: box={text} is empty: top must be less than bottom, and left less than right'
      )
  return edges
