"""What figures are drawn on: matplotlib's object interface, imported once something is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
  from matplotlib.backends.backend_agg import FigureCanvasAgg

DPI = 100


def canvas(width: float, height: float) -> FigureCanvasAgg:
  """A white figure of some inches; pyplot would keep every one in a global list."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second; see above
  from matplotlib.figure import Figure

  size = (width, height)
  return FigureCanvasAgg(Figure(figsize=size, dpi=DPI, layout='constrained', facecolor='white'))


def png(drawn: FigureCanvasAgg, shades: int | None = None) -> bytes:
  """The figure as a PNG file, with a palette of so many colours where `shades` says so."""
  drawn.draw()
  picture, buffer = Image.fromarray(np.asarray(drawn.buffer_rgba())).convert('RGB'), io.BytesIO()
  if shades is not None:
    picture = picture.quantize(shades, dither=Image.Dither.NONE)
  picture.save(buffer, 'PNG', optimize=shades is not None)
  return buffer.getvalue()
