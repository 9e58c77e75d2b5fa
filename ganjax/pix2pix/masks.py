"""The two tables of hole filling: where holes are (read), and what was put there (written).

Masks: a CSV with the columns `filename, x1, y1, x2, y2`, the top-left corners of two boxes in px.
The header may be missing, and a column of row numbers may stand before the names; `data.tables`
has the forms that a CSV may have.

Submission: a CSV `filename_box_pixel,value`. Boxes count from 1. Pixels count from 0, row by row,
each with its three channels in turn; values lie in [0, 1] and are written so that the very same
float32 is read back.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ganjax.data.decode import printable
from ganjax.data.tables import TableError, read_lines
from ganjax.errors import GanjaxError

COLUMNS = ('filename', 'x1', 'y1', 'x2', 'y2')
HEADER = 'filename_box_pixel,value'
MAX_COORDINATE = 10**6
_NUMBER = re.compile(r'\+?(\d{1,9})(\.0*|,0{0,2})?')  # spreadsheets write whole numbers as 12.0

Corner = tuple[int, int]  # x, y


class MasksError(GanjaxError):
  """A table of masks cannot be used at all; the message names file, line and remedy."""


class Row(NamedTuple):
  """Where the holes of one picture are."""

  line: int  # of the file, from 1
  filename: str  # as the table spells it
  corners: tuple[Corner, Corner]


class BadRow(NamedTuple):
  """What is wrong with one line; the other lines are not affected."""

  line: int
  filename: str
  reason: str


def read_masks(path: str | os.PathLike) -> tuple[list[Row], list[BadRow]]:
  """Reads a table of masks, and checks every row.

  Raises:
    MasksError: the file is missing, no text, or has neither a header nor a row of masks.
  """
  shown = printable(os.fspath(path))
  try:
    lines = read_lines(path)
  except TableError as error:
    raise MasksError(str(error)) from None
  if not lines:
    raise MasksError(f'{shown}: empty; give rows of {", ".join(COLUMNS)}')
  places, has_header = _places(*lines[0], shown)
  rows: list[Row] = []
  problems: list[BadRow] = []
  seen: dict[str, Row] = {}
  for line, fields in lines[has_header:]:
    row = _row(line, fields, places)
    first = seen.get(row.filename)
    if isinstance(row, BadRow):
      problems.append(row)
    elif first is None:
      rows.append(row)
      seen[row.filename] = row
    elif first.corners != row.corners:
      reason = f'{row.filename} is in line {first.line} already'
      problems.append(BadRow(line, row.filename, reason))
  return rows, problems


def _places(line: int, fields: list[str], shown: str) -> tuple[list[int], bool]:
  """Which column holds what, and whether the line is a header."""
  names = [field.lower() for field in fields]
  if all(name in names for name in COLUMNS):
    return [names.index(name) for name in COLUMNS], True
  if len(fields) in (5, 6) and any(_NUMBER.fullmatch(field) for field in fields[-4:]):
    return list(range(len(fields) - 5, len(fields))), False
  raise MasksError(
    f'{shown}: line {line}: neither a header with {", ".join(COLUMNS)} nor a row of them'
  )


def _row(line: int, fields: list[str], places: list[int]) -> Row | BadRow:
  if len(fields) <= max(places):
    return BadRow(line, '', f'{len(fields)} fields where {max(places) + 1} are needed')
  filename = fields[places[0]]
  if not filename:
    return BadRow(line, '', 'the filename is missing')
  filename = printable(filename)
  numbers = []
  for name, place in zip(COLUMNS[1:], places[1:], strict=True):
    match = _NUMBER.fullmatch(fields[place])
    if match is None or int(match[1]) > MAX_COORDINATE:
      value = printable(fields[place][:20])
      return BadRow(line, filename, f'{name}={value} is no place in px: write whole numbers from 0')
    numbers.append(int(match[1]))
  return Row(line, filename, ((numbers[0], numbers[1]), (numbers[2], numbers[3])))


def known(corners: Iterable[Corner], size: int, height: int, width: int) -> np.ndarray:
  """uint8 [height, width, 1]: 0 in the boxes, 1 elsewhere.

  Raises:
    ValueError: a box does not lie within the picture; the message is one line.
  """
  shown = np.ones((height, width, 1), np.uint8)
  for number, (x, y) in enumerate(corners, start=1):
    if x + size > width or y + size > height:
      raise ValueError(
        f'box {number} at x={x}, y={y} with {size} px a side lies outside the {width}×{height} '
        'picture; correct it, or give --box_size'
      )
    shown[y : y + size, x : x + size] = 0
  return shown


def cut(picture: np.ndarray, corners: Iterable[Corner], size: int) -> np.ndarray:
  """What is in the boxes: [H, W, C] -> [boxes, size, size, C]."""
  return np.stack([picture[y : y + size, x : x + size] for x, y in corners])


def submission(filename: str, boxes: np.ndarray) -> Iterator[str]:
  """The lines of one picture, a block of text for each box.

  Args:
    filename: as the table of masks spells it.
    boxes: float32 [boxes, size, size, 3] in [0, 1].
  """
  quote = '"' if re.search(r'[",\r\n]', filename) else ''
  stem = filename.replace('"', '""') if quote else filename
  for number, box in enumerate(boxes, start=1):
    values = map(str, box.astype(np.float32).ravel())
    yield ''.join(
      f'{quote}{stem}_{number}_{pixel}{quote},{value}\n' for pixel, value in enumerate(values)
    )


def table(rows: Iterable[tuple[str, Iterable[Corner]]]) -> str:
  """A table of masks, as `read` takes it: (filename, corners) of each picture."""
  lines = [','.join(COLUMNS)]
  for filename, corners in rows:
    quoted = '"' + filename.replace('"', '""') + '"' if re.search('[",]', filename) else filename
    lines.append(','.join([quoted, *(str(n) for corner in corners for n in corner)]))
  return '\n'.join(lines) + '\n'
