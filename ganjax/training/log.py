"""What a training run measured: lines of JSON, and TensorBoard's event files."""

import json
import os
import pathlib
from typing import Any

import numpy as np

from ganjax.data import journal
from ganjax.runtime import extras

METRICS, EVENTS = 'metrics.jsonl', 'events'


class Log:
  """The measurements of one run, in one folder; a context manager.

  A run that goes on from an earlier step forgets what was measured after it.
  """

  def __init__(self, folder: str | os.PathLike, first: int):
    """Args:
    folder: made if missing; METRICS and EVENTS go there.
    first: how many steps the run has taken already.

    Raises:
      MissingPackageError: tensorboardX is not installed.
    """
    with extras.needs('train'):
      from tensorboardX import SummaryWriter  # other tasks do without it

    self._path = pathlib.Path(folder) / METRICS
    self._path.parent.mkdir(parents=True, exist_ok=True)
    self._lines = [line for line in journal.read_lines(self._path) if line['step'] <= first]
    text = ''.join(json.dumps(line) + '\n' for line in self._lines)
    journal.replace(self._path, text.encode(), self._path.parent)
    events = str(self._path.parent / EVENTS)
    self._writer = SummaryWriter(events, purge_step=first + 1 if first else None)

  def add(self, step: int, values: dict[str, float]) -> None:
    """Notes what was measured at `step`; numbers that are not finite become null."""
    line = journal.to_jsonable({'step': step, **values})
    journal.append(self._path, line)
    self._lines.append(line)
    for name, value in values.items():
      self._writer.add_scalar(name, value, step)

  def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Shows a picture in TensorBoard: uint8 [H, W, 3]."""
    self._writer.add_image(name, pixels, step, dataformats='HWC')

  def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (steps, values), of all that was ever measured."""
    return curves(self._lines)

  def close(self) -> None:
    """Writes what is not written yet."""
    self._writer.close()

  def __enter__(self) -> 'Log':
    return self

  def __exit__(self, *_: object) -> None:
    self.close()


def read(folder: str | os.PathLike) -> list[dict[str, Any]]:
  """The lines of a run's METRICS: 'step', and what was measured."""
  return journal.read_lines(pathlib.Path(folder) / METRICS)


def curves(lines: list[dict[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Name -> (steps, values); what a line lacks is left out."""
  names = dict.fromkeys(name for line in lines for name in line if name != 'step')
  found = {}
  for name in names:
    points = [(line['step'], line[name]) for line in lines if line.get(name) is not None]
    steps, values = zip(*points, strict=True) if points else ((), ())
    found[name] = (np.asarray(steps, np.int64), np.asarray(values, np.float64))
  return found
