"""What is said about pictures: their classes, by folder or CSV, and scores by name."""

import csv
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ganjax.data.names import name_of
from ganjax.data.sources import Item, SourceError, find


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
      (`train` or `validation`). Lines without a label are left out.

  Raises:
    SourceError: nothing is there, columns or labels are missing, or there is but one class.
  """
  path = pathlib.Path(path)
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
  try:
    with open(path, newline='', encoding='utf-8') as file:
      reader = csv.DictReader(file)
      columns = reader.fieldnames or []
      if missing := [c for c in ('filename', 'label') if c not in columns]:
        raise SourceError(
          f'{path}: has no column {" or ".join(missing)}; its first line names them'
        )
      rows = [row for row in reader if row['label']]
  except (OSError, UnicodeError, csv.Error) as error:
    raise SourceError(f'{path}: cannot be read as a folder or a CSV ({error})') from None
  found = []
  for row in rows:
    split = row.get('split') or ''
    if split not in ('', 'train', 'validation'):
      raise SourceError(f'{path}: split {split!r} is neither train nor validation')
    item = Item(name_of(row['filename']), path.parent / row['filename'])
    found.append(Labelled(item, row['label'], split))
  return found


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
  try:
    with open(path, newline='', encoding='utf-8') as file:
      rows = list(csv.DictReader(file))
  except (OSError, UnicodeError, csv.Error) as error:
    raise SourceError(f'{path}: cannot be read as a CSV ({error})') from None
  if not rows or 'name' not in rows[0] or not {'label', 'score'} & rows[0].keys():
    raise SourceError(f'{path}: needs the columns name and label, or name and score')
  if 'score' in rows[0]:
    try:
      by_name = {row['name']: float(row['score']) for row in rows if row['score']}
    except ValueError as error:
      raise SourceError(f'{path}: a score is no number ({error})') from None
  else:
    classes = sorted({row['label'] for row in rows if row['label']})
    if len(classes) != 2 or (target := target or classes[-1]) not in classes:
      raise SourceError(f'{path}: needs two classes, one of them --target_class; has {classes}')
    by_name = {row['name']: 1.0 if row['label'] == target else -1.0 for row in rows if row['label']}
  if not by_name.keys() & set(names):
    raise SourceError(f'{path}: names none of the latents, such as {names[0]}')
  return np.array([by_name.get(name, np.nan) for name in names])
