"""CSVs as spreadsheet programs write them.

Excel, Numbers and LibreOffice part fields by commas, semicolons (where the comma is in decimals) or
tabs, write UTF-8 with and without a byte order mark, UTF-16 ("Unicode text") or Windows-1252, and
end lines as each system does.
"""

import codecs
import csv
import io
import os
from collections.abc import Sequence
from typing import NamedTuple

from ganjax.data.decode import printable
from ganjax.data.sources import SourceError

_DELIMITERS = ',;\t'
_SPREADSHEETS = b'PK\x03\x04', b'\xd0\xcf\x11\xe0'  # .xlsx, .ods and .numbers; .xls
_REMEDY = 'in the spreadsheet program, save it as CSV (UTF-8)'


class TableError(SourceError):
  """A CSV cannot be read; the message names the file and the remedy."""


class Line(NamedTuple):
  """One line that is not blank."""

  number: int  # in the file, from 1; of several that a quoted field spans, the last
  fields: list[str]  # without spaces around


class Table(NamedTuple):
  """What the lines under a header say."""

  columns: list[str]  # in lower case
  rows: list[tuple[int, dict[str, str]]]  # (line, column -> field); '' where there is none


def read_lines(path: str | os.PathLike) -> list[Line]:
  """The lines of a CSV that hold anything.

  Raises:
    TableError: it is missing, or no CSV.
  """
  shown = printable(os.fspath(path))
  try:
    with open(path, 'rb') as file:
      text = _text(file.read(), shown)
    return _lines(text)
  except OSError as error:
    raise TableError(f'{shown}: cannot be read ({error.strerror}); check the path') from None
  except csv.Error as error:
    raise TableError(f'{shown}: no CSV ({error}); {_REMEDY}') from None


def read_table(path: str | os.PathLike, needed: Sequence[str]) -> Table:
  """A CSV whose first line names its columns, in capitals or not.

  Args:
    path: the CSV.
    needed: columns that it must have, in lower case.

  Raises:
    TableError: it is missing, no CSV, lacks a column, or a line has more fields than the first.
  """
  shown = printable(os.fspath(path))
  header, *lines = read_lines(path) or [Line(1, [])]
  columns = [field.lower() for field in header.fields]
  if missing := [column for column in needed if column not in columns]:
    raise TableError(f'{shown}: has no column {" or ".join(missing)}; its first line names them')
  for number, fields in lines:
    if any(fields[len(columns) :]):
      raise TableError(
        f'{shown}: line {number}: {len(fields)} fields, but {len(columns)} columns; '
        'write a field that holds a comma in quotes'
      )
  blank = [''] * len(columns)
  rows = [(number, dict(zip(columns, fields + blank, strict=False))) for number, fields in lines]
  return Table(columns, rows)


def _text(data: bytes, shown: str) -> str:
  """What a file says, in whichever encoding."""
  if data.startswith(_SPREADSHEETS):
    raise TableError(f"{shown}: a spreadsheet program's own file, no CSV; {_REMEDY}")
  try:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
      text = data.decode('utf-16')
    else:
      text = data.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    try:
      text = data.decode('cp1252')
    except UnicodeDecodeError:
      raise TableError(f'{shown}: no text ({error.reason}); {_REMEDY}') from None
  if '\0' in text:
    raise TableError(f'{shown}: no text; {_REMEDY}')
  return text


def _lines(text: str) -> list[Line]:
  text = text.replace('\r\n', '\n').replace('\r', '\n')
  first, _, rest = text.partition('\n')
  skipped = 0
  if first.lower().startswith('sep=') and len(first) == 5:  # Excel's own way to say it
    delimiter, text, skipped = first[4], rest, 1
  else:
    delimiter = _delimiter(text)
  reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
  lines = [Line(reader.line_num + skipped, [field.strip() for field in row]) for row in reader]
  return [line for line in lines if any(line.fields)]


def _delimiter(text: str) -> str:
  """Of the delimiters that which parts the first line into most fields; a comma if none does."""
  first = next((line for line in text.splitlines() if line.strip(_DELIMITERS + ' ')), '')
  counts = {sign: len(next(csv.reader([first], delimiter=sign), [])) for sign in _DELIMITERS}
  return max(counts, key=lambda sign: counts[sign])
