"""A sweep's evidence: the labelled table of pictures, and the heat map of a figure of merit."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

from ganjax.report.errors import ReportError
from ganjax.report.lettering import drawable, fitted, font

# Pixels.
_CELL, _GAP, _MARGIN, _LABEL, _CAPTION, _FRAME = 176, 8, 16, 190, 24, 4
_INK, _QUIET, _PAPER, _BEST = '#1a1a1a', '#5f6368', '#ffffff', '#d55e00'
_DPI = 100


def picture_table(
  pictures: Sequence[Sequence[np.ndarray]],
  rows: Sequence[str],
  columns: Sequence[str],
  captions: Sequence[Sequence[str]],
  best: tuple[int, int] | None = None,
) -> np.ndarray:
  """Draws pictures in a table with labelled rows and columns.

  Args:
    pictures: uint8 [H, W, 3] each, in rows.
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
  if not pictures or len(shape) != 1 or not len(rows) == len(pictures) == len(captions):
    raise ReportError('a table of pictures needs as many labels and captions as pictures')
  left = _MARGIN + (_LABEL if any(rows) else 0)
  step = _CELL + _CAPTION + _GAP
  width = left + len(columns) * (_CELL + _GAP) - _GAP + _MARGIN
  sheet = Image.new('RGB', (width, 2 * _MARGIN + _CAPTION + len(rows) * step - _GAP), _PAPER)
  draw = ImageDraw.Draw(sheet)
  for j, label in enumerate(columns):
    x = left + j * (_CELL + _GAP) + _CELL // 2
    draw.text((x, _MARGIN + 10), fitted(label, 14, _CELL), _INK, font(14), anchor='mm')
  for i, label in enumerate(rows):
    top = _MARGIN + _CAPTION + i * step
    text = fitted(label, 14, _LABEL - _GAP)
    draw.text((_MARGIN, top + _CELL // 2), text, _INK, font(14), anchor='lm')
    for j, picture in enumerate(pictures[i]):
      x = left + j * (_CELL + _GAP)
      if best == (i, j):
        box = (x - _FRAME, top - _FRAME, x + _CELL + _FRAME - 1, top + _CELL + _FRAME - 1)
        draw.rectangle(box, _BEST)
      image = Image.fromarray(picture).convert('RGB')
      sheet.paste(image.resize((_CELL, _CELL), Image.Resampling.LANCZOS), (x, top))
      caption = fitted(captions[i][j], 13, _CELL)
      ink = _BEST if best == (i, j) else _QUIET
      middle = (x + _CELL // 2, top + _CELL + _CAPTION // 2)
      draw.text(middle, caption, ink, font(13), anchor='mm')
  return np.asarray(sheet)


def heat_map(
  values: np.ndarray,
  rows: Sequence[str],
  columns: Sequence[str],
  title: str,
  best: tuple[int, int] | None = None,
) -> bytes:
  """Draws numbers as colours, each written into its cell.

  Args:
    values: [R, C], finite.
    rows: R labels.
    columns: C labels.
    title: what the numbers are.
    best: (row, column) of the cell that gets a frame.

  Returns:
    A PNG file's bytes.

  Raises:
    ReportError: the labels do not go with the values, or these are not finite.
  """
  if values.shape != (len(rows), len(columns)) or not np.all(np.isfinite(values)):
    raise ReportError(f'a heat map of {values.shape} values needs a label for every row and column')
  size = (2.6 + 0.9 * len(columns), 1.6 + 0.5 * len(rows))
  figure = Figure(figsize=size, dpi=_DPI, layout='constrained', facecolor='white')
  canvas = FigureCanvasAgg(figure)
  axes = figure.subplots()
  axes.imshow(values, cmap='viridis', aspect='auto')
  middle = float(values.min() + 0.6 * np.ptp(values))  # above it viridis is bright
  axes.set_xticks(range(len(columns)), [drawable(c) for c in columns])
  axes.set_yticks(range(len(rows)), [drawable(r) for r in rows])
  axes.tick_params(length=0, labelsize=9, colors=_QUIET)
  for i, j in np.ndindex(values.shape):
    dark = float(values[i, j]) < middle
    axes.text(j, i, f'{values[i, j]:.4g}', ha='center', va='center', fontsize=9,
              color='white' if dark else 'black')  # fmt: skip
  if best is not None:
    corner = (best[1] - 0.5, best[0] - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=_BEST, linewidth=3))
  axes.set_title(drawable(title), loc='left', fontsize=11, color=_INK, parse_math=False)
  canvas.draw()
  buffer = io.BytesIO()
  Image.fromarray(np.asarray(canvas.buffer_rgba())).convert('RGB').save(buffer, 'PNG')
  return buffer.getvalue()
