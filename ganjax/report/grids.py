"""The picture grid: input · degraded · restored · completed · truth, a row for each photograph."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ganjax.errors import ReportError
from ganjax.report.lettering import fitted, font

COLUMNS = ('input', 'degraded', 'restored', 'completed', 'truth')
MAX_ROWS = 20

# Pixels.
_CELL, _GAP, _MARGIN = 256, 8, 16
_HEADING, _NAME, _CAPTION, _FOOT = 30, 28, 26, 30
_INK, _QUIET, _PAPER, _VOID, _RULE = '#1a1a1a', '#5f6368', '#ffffff', '#f3f4f5', '#dfe1e4'


class Row(NamedTuple):
  """One photograph's pictures, uint8 [H, W, 3] or [H, W], of any sizes; None where there is none.

  `captions` maps a column's name to the text below its picture, e.g. {'restored': '24.1 dB'}.
  """

  name: str
  input: np.ndarray | None = None
  degraded: np.ndarray | None = None
  restored: np.ndarray | None = None
  completed: np.ndarray | None = None
  truth: np.ndarray | None = None
  captions: Mapping[str, str] = {}


def quality_caption(psnr: float | None, ssim: float | None) -> str:
  """'18.2 dB · 0.61'; a figure that is None is left out."""
  parts = []
  if psnr is not None:
    parts.append(f'{psnr:.1f} dB')
  if ssim is not None:
    parts.append(f'{ssim:.2f}')
  return ' · '.join(parts)


def grid(rows: Sequence[Row], left_out: int = 0) -> np.ndarray:
  """Draws the rows as one labelled picture.

  A column that is empty in every row is not drawn; a single missing picture leaves a placeholder.
  Degraded pictures smaller than the restored one are enlarged pixel by pixel, so that one sees
  what they are. At most `MAX_ROWS` rows are drawn; a line at the foot counts the others.

  Args:
    rows: one for each photograph.
    left_out: photographs that exist beyond `rows`, for a caller that has not loaded them all.

  Returns:
    uint8 [H, W, 3].

  Raises:
    ReportError: no row, no picture in any row, or a picture of another type or shape.
  """
  shown, left_out = rows[:MAX_ROWS], left_out + max(len(rows) - MAX_ROWS, 0)
  for row in shown:
    _check(row)
  columns = [c for c in COLUMNS if any(getattr(row, c) is not None for row in shown)]
  if not columns:
    raise ReportError('a grid needs at least one row with a picture')

  step = _NAME + _CELL + _CAPTION
  width = 2 * _MARGIN + len(columns) * (_CELL + _GAP) - _GAP
  height = 2 * _MARGIN + _HEADING + len(shown) * step + (_FOOT if left_out else 0)
  sheet = Image.new('RGB', (width, height), _PAPER)
  draw = ImageDraw.Draw(sheet)
  lefts = [_MARGIN + i * (_CELL + _GAP) for i in range(len(columns))]
  for column, left in zip(columns, lefts, strict=True):
    _centred(draw, column, left, _MARGIN + _HEADING // 2, 17, _INK)
  for i, row in enumerate(shown):
    top = _MARGIN + _HEADING + i * step
    draw.line((_MARGIN, top, width - _MARGIN - 1, top), _RULE)
    name = fitted(row.name, 14, width - 2 * _MARGIN)
    draw.text((_MARGIN, top + _NAME // 2), name, _INK, font(14), anchor='lm')
    for column, left in zip(columns, lefts, strict=True):
      _cell(sheet, draw, row, column, left, top + _NAME)
  if left_out:
    _centred(draw, f'and {left_out:,} more, not drawn', 0, height - _MARGIN, 15, _QUIET, width)
  return np.asarray(sheet)


def _check(row: Row) -> None:
  for column in COLUMNS:
    picture = getattr(row, column)
    if picture is None:
      continue
    flat = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not flat or not picture.size:
      raise ReportError(
        f'{row.name}: the {column} picture is {picture.dtype} {picture.shape}; '
        'a grid takes uint8 [H, W, 3] or [H, W]'
      )


def _cell(
  sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, column: str, left: int, top: int
) -> None:
  picture = getattr(row, column)
  if picture is None:
    draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), _VOID, _RULE)
    _centred(draw, f'no {column}', left, top + _CELL // 2, 14, _QUIET)
  else:
    blocky = column == 'degraded' and (
      row.restored is None or picture.shape[0] < row.restored.shape[0]
    )
    scaled = _scaled(picture, blocky)
    sheet.paste(scaled, (left + (_CELL - scaled.width) // 2, top + (_CELL - scaled.height) // 2))
  caption = row.captions.get(column, '')
  _centred(draw, caption, left, top + _CELL + _CAPTION // 2, 14, _QUIET)


def _scaled(picture: np.ndarray, blocky: bool) -> Image.Image:
  """The picture with its longer side at the cell's size."""
  image = Image.fromarray(picture).convert('RGB')
  scale = _CELL / max(image.size)
  size = tuple(max(1, round(side * scale)) for side in image.size)
  nearest = blocky and scale > 1
  return image.resize(
    (size[0], size[1]), Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
  )


def _centred(
  draw: ImageDraw.ImageDraw,
  text: str,
  left: int,
  middle: int,
  size: int,
  colour: str,
  width: int = _CELL,
) -> None:
  text = fitted(text, size, width)
  draw.text((left + width // 2, middle), text, colour, font(size), anchor='mm')
