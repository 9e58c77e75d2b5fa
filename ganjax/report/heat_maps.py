"""A sweep's heat map of a figure of merit."""

from collections.abc import Sequence

import numpy as np

from ganjax.errors import ReportError
from ganjax.report.canvas import canvas, png
from ganjax.report.lettering import drawable

_INK, _QUIET, _BEST = '#1a1a1a', '#5f6368', '#d55e00'


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
  from matplotlib.patches import Rectangle  # as `canvas` does

  drawn = canvas(2.6 + 0.9 * len(columns), 1.6 + 0.5 * len(rows))
  axes = drawn.figure.subplots()
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
  return png(drawn)
