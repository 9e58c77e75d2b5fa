"""Sheets: rows of pictures with a caption under each, such as the steps of a walk."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ganjax.report.errors import ReportError
from ganjax.report.lettering import fitted, font

MAX_CELLS = 160

_CELL, _GAP, _MARGIN, _CAPTION, _HEADING = 128, 4, 12, 20, 24  # px
_INK, _QUIET, _PAPER, _MARK = '#1a1a1a', '#5f6368', '#ffffff', '#d55e00'


class Cell(NamedTuple):
  """One picture, uint8 [H, W, 3]; `marked` draws a frame around it."""

  picture: np.ndarray
  caption: str = ''
  marked: bool = False


def sheet(
  rows: Sequence[Sequence[Cell]], titles: Sequence[str] = (), headings: Sequence[str] = ()
) -> np.ndarray:
  """Draws rows of pictures as one.

  Args:
    rows: each a row of cells; they may differ in length.
    titles: one text above each row, or none.
    headings: one text above each column, or none.

  Returns:
    uint8 [H, W, 3].

  Raises:
    ReportError: no cell, or titles that do not match the rows.
  """
  if not rows or not all(rows) or (titles and len(titles) != len(rows)):
    raise ReportError('a sheet needs rows that are not empty, and a title for each or for none')
  head = _HEADING if headings else 0
  title = _HEADING if titles else 0
  step = title + _CELL + _CAPTION + _GAP
  width = 2 * _MARGIN + max(map(len, rows)) * (_CELL + _GAP) - _GAP
  paper = Image.new('RGB', (width, 2 * _MARGIN + head + len(rows) * step), _PAPER)
  draw = ImageDraw.Draw(paper)
  for column, heading in enumerate(headings):
    _text(draw, heading, _MARGIN + column * (_CELL + _GAP), _MARGIN + head // 2, _INK)
  for i, row in enumerate(rows):
    top = _MARGIN + head + i * step
    if titles:
      text = fitted(titles[i], 13, width - 2 * _MARGIN)
      draw.text((_MARGIN, top + title // 2), text, _INK, font(13), anchor='lm')
    for column, cell in enumerate(row):
      left = _MARGIN + column * (_CELL + _GAP)
      _draw(paper, draw, cell, left, top + title)
  return np.asarray(paper)


def _draw(paper: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int) -> None:
  picture = Image.fromarray(cell.picture).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
  paper.paste(picture, (left, top))
  if cell.marked:
    draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), outline=_MARK, width=3)
  colour = _MARK if cell.marked else _QUIET
  _text(draw, cell.caption, left, top + _CELL + _CAPTION // 2, colour)


def _text(draw: ImageDraw.ImageDraw, text: str, left: int, middle: int, colour: str) -> None:
  text = fitted(text, 12, _CELL)
  draw.text((left + _CELL // 2, middle), text, colour, font(12), anchor='mm')
