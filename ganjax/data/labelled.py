"""What is said about pictures: their classes, by folder or CSV, and scores by name."""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ganjax.data.names import name_of
from ganjax.data.sources import Item, SourceError, find
from ganjax.data.tables import read_table


class Labelled(NamedTuple):
  """One picture, its class, and 'train', 'validation' or '' where the input does not say."""

  item: Item
  label: str
  split: str


def find_labelled(path: str | os.PathLike) -> list[Labelled]:
  """Lists pictures with their classes.

  Args:
    path: a folder whose sub-folders are named after the classes; or a CSV whose first line names
      its columns: `filename` (relative to the CSV's own folder), `label`, and, if wanted, `split`
      (`train` or `validation`). Lines without a label are left out; labels that differ in
      capitals alone are one class, spelt as in its first line.

  Raises:
    SourceError: nothing is there, columns or labels are missing, lines contradict each other, or
      there is but one class.
  """
  path = pathlib.Path(path)
  if not path.exists():
    raise SourceError(f'{path}: no such folder or CSV; check the path')
  found = _of_folder(path) if path.is_dir() else _of_csv(path)
  classes = sorted({labelled.label for labelled in found})
  if len(classes) < 2:
    held = f'only the class {classes[0]!r}' if classes else 'no labels'
    raise SourceError(f'{path}: holds {held}; at least two classes are needed')
  return found


def _of_folder(folder: pathlib.Path) -> list[Labelled]:
  found = []
  for item in find(folder):
    parts = item.path.relative_to(folder).parts
    if len(parts) < 2:
      raise SourceError(f'{item.path}: lies in no class folder; move it into one')
    found.append(Labelled(item, parts[0], ''))
  return found


def _of_csv(path: pathlib.Path) -> list[Labelled]:
  spelt: dict[str, str] = {}
  found: dict[str, tuple[int, Labelled]] = {}
  for line, row in read_table(path, ('filename', 'label')).rows:
    if not row['label']:
      continue
    if not row['filename']:
      raise SourceError(f'{path}: line {line}: names no file; fill in the column filename')
    split = row.get('split', '').lower()
    if split not in ('', 'train', 'validation'):
      raise SourceError(f'{path}: line {line}: split {split!r} is neither train nor validation')
    item = Item(name_of(row['filename']), path.parent / row['filename'])
    label = spelt.setdefault(row['label'].casefold(), row['label'])
    labelled = Labelled(item, label, split)
    first, known = found.setdefault(os.path.normpath(item.path), (line, labelled))
    if known[1:] != labelled[1:]:
      raise _contradiction(path, row['filename'], first, line)
  return [labelled for _, labelled in found.values()]


def _contradiction(path: str | os.PathLike, name: str, first: int, second: int) -> SourceError:
  return SourceError(
    f'{path}: lines {first} and {second} contradict each other on {name}; delete one of them'
  )


def read_scores(path: str, names: Sequence[str], target: str | None) -> np.ndarray:
  """How sure it is that each of some names has an attribute.

  Args:
    path: a CSV whose first line names its columns: `name`, and `score` (positive for those that
      have it) or `label` (two classes).
    names: whose scores are wanted.
    target: the label that means having it; None for the last one in alphabetical order.

  Returns:
    [N]: scores, or ±1 of labels; NaN for names that are not listed.

  Raises:
    SourceError: it cannot be read, columns or classes are missing, or it lists none of the names.
  """
  columns, rows = read_table(path, ('name',))
  if not {'label', 'score'} & set(columns):
    raise SourceError(f'{path}: needs the columns name and label, or name and score')
  scores = _numbers(path, rows) if 'score' in columns else _signs(path, rows, target)
  by_name: dict[str, float] = {}
  lines: dict[str, int] = {}
  for line, name, score in scores:
    first = lines.setdefault(name, line)
    if by_name.setdefault(name, score) != score:
      raise _contradiction(path, name, first, line)
  if not by_name.keys() & set(names):
    raise SourceError(f'{path}: names none of the latents, such as {names[0]}')
  return np.array([by_name.get(name, np.nan) for name in names])


_Rows = list[tuple[int, dict[str, str]]]
_Scores = list[tuple[int, str, float]]  # line, name, score


def _numbers(path: str, rows: _Rows) -> _Scores:
  """The column `score`; many spreadsheets write decimals with a comma."""
  found: _Scores = []
  for line, row in rows:
    try:
      if row['score']:
        found.append((line, row['name'], float(row['score'].replace(',', '.'))))
    except ValueError:
      raise SourceError(
        f'{path}: line {line}: {row["score"]!r} is no score; write a number'
      ) from None
  return found


def _signs(path: str, rows: _Rows, target: str | None) -> _Scores:
  """±1 of the column `label`, whatever its capitals."""
  classes = sorted({row['label'].casefold() for _, row in rows if row['label']})
  wanted = target.casefold() if target else classes[-1] if classes else ''
  if len(classes) != 2 or wanted not in classes:
    raise SourceError(f'{path}: needs two classes, one of them --target_class; has {classes}')
  return [
    (line, row['name'], 1.0 if row['label'].casefold() == wanted else -1.0)
    for line, row in rows
    if row['label']
  ]
