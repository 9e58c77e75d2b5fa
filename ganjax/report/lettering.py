"""Text inside pictures: one font that is always there, and names of any origin made drawable."""

import functools
import pathlib

from PIL import ImageFont

_MISSING = '\N{REPLACEMENT CHARACTER}'
_ELLIPSIS = '…'


@functools.cache
def _file() -> pathlib.Path:
  import matplotlib  # once something is drawn

  return pathlib.Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
  """DejaVu Sans, as shipped with matplotlib, at `size` pixels."""
  return ImageFont.truetype(_file(), size)


@functools.cache
def _glyphs() -> frozenset[int]:
  from matplotlib.ft2font import FT2Font

  return frozenset(FT2Font(str(_file())).get_charmap())


def drawable(text: str) -> str:
  """`text` on one line, with every character that the font lacks replaced by '�'."""
  line = ' '.join(text.split())
  return ''.join(c if c.isprintable() and ord(c) in _glyphs() else _MISSING for c in line)


def fitted(text: str, size: int, width: int) -> str:
  """`text` made drawable and, where it is wider than `width` pixels, cut with an ellipsis."""
  text = drawable(text)[:500]  # measuring costs time in proportion to the length
  face = font(size)
  if face.getlength(text) <= width:
    return text
  while text and face.getlength(text + _ELLIPSIS) > width:
    text = text[:-1]
  return text + _ELLIPSIS
