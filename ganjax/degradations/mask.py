"""Holes: boxes, brush strokes, or a picture of the mask.

Holes are painted black, as in the pictures that people bring (and in the literature's blacked-out
boxes): so `mask(…) | blur(…)` describes such a picture truly. Where the mask comes last the colour
is never looked at, because the comparison leaves out what is not `visible`.
"""

import dataclasses
import functools
import re
import warnings
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.pipeline import DegradationError, Leaf, Operator, require_range, spell

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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
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

    def padded(mask: StrokeMask) -> StrokeMask:
      lines = mask.lines
      if lines is not None:
        lines = jnp.pad(jnp.asarray(lines), ((0, most - mask.max_strokes), (0, 0)))
      return StrokeMask(mask.strokes, mask.width, lines, most)

    return [padded(mask) for mask in operators]

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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class PixelMask(Mask):
  """Single pixels missing here and there.

  Which ones is unknown until `sample(key)`. With the same key, a larger share hides the pixels of
  a smaller one and more.
  """

  missing: Leaf  # float32, share of the pixels
  key: Leaf | None  # uint32 [2], a key's data

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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class FileMask(Mask):
  """Holes drawn in a picture: white is visible, black is a hole; resized with nearest."""

  picture: Leaf  # bool [h, w], True = visible
  file: str = dataclasses.field(metadata={'static': True})

  @classmethod
  def create(cls, file: str) -> 'FileMask':
    """Reads the file.

    Args:
      file: any picture that Pillow reads; grey levels from 128 count as white.

    Raises:
      DegradationError: the file cannot be read, or has no white pixel.
    """
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        with Image.open(file) as picture:
          visible = np.asarray(picture.convert('L')) >= 128
    except Exception as error:  # A hostile file can raise anything.
      raise DegradationError(
        f"mask: file='{file}' cannot be read ({type(error).__name__}): give a picture, "
        'white where the photograph is whole'
      ) from error
    if not visible.any():
      raise DegradationError(
        f"mask: file='{file}' is black all over: make it white where the photograph is whole"
      )
    return cls(visible, file)

  def visible(self, height: int, width: int) -> jax.Array:
    picture = jnp.asarray(self.picture)
    rows = _nearest(height, picture.shape[0])
    columns = _nearest(width, picture.shape[1])
    return picture[rows][:, columns].astype(jnp.float32).reshape(height, width, 1)

  def __str__(self) -> str:
    quote = '"' if "'" in self.file else "'"
    return f'mask(file={quote}{self.file}{quote})'


def _nearest(size: int, source: int) -> np.ndarray:
  """The source pixel nearest to each of `size` pixel centres."""
  return (2 * np.arange(size) + 1) * source // (2 * size)
