"""Reading run folders for the report. Everything in them is data: nothing is taken on trust."""

import math
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from ganjax.data.claim import is_output
from ganjax.data.store import StoreError, read_results
from ganjax.report.errors import ReportError


class Run(NamedTuple):
  """What one run folder says; `problem` is empty, or why it cannot be read."""

  folder: pathlib.Path
  config: dict
  results: list[dict]
  failures: list[dict]
  problem: str


class Mean(NamedTuple):
  """Means over `pictures` pictures; `before` is None where nothing was degraded."""

  before: float | None
  after: float
  pictures: int


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

  Pictures with both figures are preferred: means over different pictures would make a false gain.
  """
  pairs, alone = [], []
  for record in results:
    metrics = section(record, 'metrics')
    after, before = number(metrics.get(metric)), number(metrics.get(f'{metric}_degraded'))
    if after is not None and before is not None:
      pairs.append((before, after))
    elif after is not None:
      alone.append(after)
  if pairs:
    count = len(pairs)
    return Mean(sum(b for b, _ in pairs) / count, sum(a for _, a in pairs) / count, count)
  return Mean(None, sum(alone) / len(alone), len(alone)) if alone else None
