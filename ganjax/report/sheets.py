"""Pictures in rows with a caption under each: the steps of a walk, the table of a sweep."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ganjax.errors import ReportError
from ganjax.report.lettering import fitted, font

MAX_CELLS = 160

_CELL, _GAP, _MARGIN, _CAPTION, _HEADING, _LABEL, _FRAME = 128, 4, 12, 20, 24, 190, 3  # px
_TABLE_CELL = 176
_INK, _QUIET, _PAPER, _MARK = '#1a1a1a', '#5f6368', '#ffffff', '#d55e00'


class Cell(NamedTuple):
  """One picture, uint8 [H, W, 3]; `marked` draws a frame around it."""

  picture: np.ndarray
  caption: str = ''
  marked: bool = False


def sheet(
  rows: Sequence[Sequence[Cell]],
  titles: Sequence[str] = (),
  headings: Sequence[str] = (),
  labels: Sequence[str] = (),
  side: int = _CELL,
) -> np.ndarray:
  """Draws rows of pictures as one.

  Args:
    rows: each a row of cells; they may differ in length.
    titles: one text above each row, or none.
    headings: one text above each column, or none.
    labels: one text to the left of each row, or none.
    side: of the pictures, px.

  Returns:
    uint8 [H, W, 3].

  Raises:
    ReportError: no cell, or titles that do not match the rows.
  """
  if not rows or not all(rows) or (titles and len(titles) != len(rows)):
    raise ReportError('a sheet needs rows that are not empty, and a title for each or for none')
  head = _HEADING if headings else 0
  title = _HEADING if titles else 0
  start = _MARGIN + (_LABEL if any(labels) else 0)
  step = title + side + _CAPTION + _GAP
  width = start + max(map(len, rows)) * (side + _GAP) - _GAP + _MARGIN
  paper = Image.new('RGB', (width, 2 * _MARGIN + head + len(rows) * step), _PAPER)
  draw = ImageDraw.Draw(paper)
  for column, heading in enumerate(headings):
    _text(draw, heading, start + column * (side + _GAP), _MARGIN + head // 2, side, _INK)
  for i, row in enumerate(rows):
    top = _MARGIN + head + i * step
    if titles:
      text = fitted(titles[i], 13, width - 2 * _MARGIN)
      draw.text((_MARGIN, top + title // 2), text, _INK, font(13), anchor='lm')
    if labels:
      text = fitted(labels[i], 13, _LABEL - _GAP)
      draw.text((_MARGIN, top + title + side // 2), text, _INK, font(13), anchor='lm')
    for column, cell in enumerate(row):
      _draw(paper, draw, cell, start + column * (side + _GAP), top + title, side)
  return np.asarray(paper)


def picture_table(
  pictures: Sequence[Sequence[np.ndarray]] | np.ndarray,
  rows: Sequence[str],
  columns: Sequence[str],
  captions: Sequence[Sequence[str]] | np.ndarray,
  best: tuple[int, int] | None = None,
) -> np.ndarray:
  """Draws pictures in a table with labelled rows and columns.

  Args:
    pictures: uint8 [H, W, 3] each, in rows; or uint8 [R, C, H, W, 3].
    rows: one label each; one empty one draws no column of labels.
    columns: one label each.
    captions: below each picture.
    best: (row, column) of the picture that gets a frame.

  Returns:
    uint8 [height, width, 3].

  Raises:
    ReportError: labels, captions and pictures do not go together, or there are none.
  """
  shape = {len(row) for row in pictures} | {len(row) for row in captions} | {len(columns)}
  if not len(pictures) or len(shape) != 1 or not len(rows) == len(pictures) == len(captions):
    raise ReportError('a table of pictures needs as many labels and captions as pictures')
  cells = [
    [Cell(picture, captions[i][j], best == (i, j)) for j, picture in enumerate(row)]
    for i, row in enumerate(pictures)
  ]
  return sheet(cells, headings=columns, labels=rows, side=_TABLE_CELL)


def _draw(
  paper: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int, side: int
) -> None:
  picture = Image.fromarray(cell.picture).resize((side, side), Image.Resampling.LANCZOS)
  paper.paste(picture, (left, top))
  if cell.marked:
    draw.rectangle((left, top, left + side - 1, top + side - 1), outline=_MARK, width=_FRAME)
  colour = _MARK if cell.marked else _QUIET
  _text(draw, cell.caption, left, top + side + _CAPTION // 2, side, colour)


def _text(
  draw: ImageDraw.ImageDraw, text: str, left: int, middle: int, width: int, colour: str
) -> None:
  text = fitted(text, 12, width)
  draw.text((left + width // 2, middle), text, colour, font(12), anchor='mm')
