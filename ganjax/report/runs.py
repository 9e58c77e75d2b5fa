"""Reading run folders for the report. Everything in them is data: nothing is taken on trust."""

import math
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from ganjax.data.claim import is_output
from ganjax.data.store import StoreError, read_results
from ganjax.errors import ReportError
from ganjax.metrics import ENDINGS


class Run(NamedTuple):
  """What one run folder says; `problem` is empty, or why it cannot be read."""

  folder: pathlib.Path
  config: dict
  results: list[dict]
  failures: list[dict]
  problem: str


class Mean(NamedTuple):
  """Means over `pictures` pictures."""

  before: float | None  # None where nothing was degraded
  after: float
  pictures: int
  completed: bool  # whether `after` is about completed pictures alone


def find_runs(folder: pathlib.Path) -> list[pathlib.Path]:
  """`folder` itself, if it is a run, and its direct sub-folders that are, by name.

  Raises:
    ReportError: there is none.
  """
  candidates = [folder, *sorted(path for path in folder.glob('*') if path.is_dir())]
  runs = [path for path in candidates if is_output(path)]
  if not runs:
    raise ReportError(
      f'{folder}: no run found; give the --output folder of a run, or the folder that holds '
      'several of them'
    )
  return runs


def read_run(folder: pathlib.Path) -> Run:
  """Reads one run folder; a broken one says so, so that it does not cost the others' report."""
  try:
    return Run(folder, *read_results(folder), problem='')
  except StoreError as error:
    return Run(folder, {}, [], [], problem=str(error))


def number(value: object) -> float | None:
  """`value` if it is a finite number, else None."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return None
  try:
    value = float(value)
  except OverflowError:
    return None
  return value if math.isfinite(value) else None


def section(record: dict, key: str) -> dict:
  """The record's part `key` where that is an object, else an empty one."""
  part = record.get(key)
  return part if isinstance(part, dict) else {}


def mean(results: Iterable[dict], metric: str) -> Mean | None:
  """The metric's mean before and after, over the same pictures; None where no picture has it.

  What came out is the completed picture, where there is one. Pictures with both figures are
  preferred: means over different pictures would make a false gain.
  """
  found = []
  for record in results:
    figures = by_kind(section(record, 'metrics'), metric)
    kind = 'restored' if figures['completed'] is None else 'completed'
    if figures[kind] is not None:
      found.append((figures['degraded'], figures[kind], kind))
  found = [one for one in found if one[0] is not None] or found
  if not found:
    return None
  befores, afters, kinds = zip(*found, strict=True)
  before = None if befores[0] is None else sum(befores) / len(found)
  return Mean(before, sum(afters) / len(found), len(found), set(kinds) == {'completed'})


def by_kind(metrics: dict, metric: str) -> dict[str, float | None]:
  """What a record says of one metric: kind of picture -> figure, or None."""
  return {kind: number(metrics.get(f'{metric}{ending}')) for kind, ending in ENDINGS.items()}
