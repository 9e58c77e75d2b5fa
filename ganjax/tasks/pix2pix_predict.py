"""Pix2pix: applies a trained network, and scores what it answers."""

import itertools
import pathlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ganjax import data, degradations, report
from ganjax.data.decode import printable
from ganjax.data.names import is_picture
from ganjax.inversion import image_key
from ganjax.pix2pix import cases, conditions, masks
from ganjax.pix2pix.cases import Case
from ganjax.restoration import holes, result_grid
from ganjax.restoration.result import Result
from ganjax.tasks import console
from ganjax.tasks.pix2pix_predict_config import Pix2pixPredictConfig
from ganjax.tasks.settings import ConfigError
from ganjax.weights import pix2pix
from ganjax.weights.pix2pix import Translator

MASKS, SUBMISSION = 'masks.csv', 'submission.csv'


class Work(NamedTuple):
  """One picture and what it is called."""

  case: Case
  item: data.Item
  order: int  # of the rows of tables
  filename: str  # in tables


def run(config: Pix2pixPredictConfig) -> int:
  """Restores every picture of the input; returns the number of failures."""
  translator = pix2pix.load(config.weights, config.precision)
  maker = _Maker(config, translator)
  with data.Store.open(config.output, config.record(translator.sha256), config.overwrite) as store:
    work = maker.work(store)
    while batch := list(itertools.islice(work, config.batch_size)):
      _restore(config, store, translator, batch)
    _write_tables(store, config)
    result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    _print_scores(store)
    return console.print_summary(config.task, store, path)


class _Maker:
  """Makes cases of the input, one after another; failures go to the store."""

  def __init__(self, config: Pix2pixPredictConfig, translator: Translator):
    """Raises ConfigError where nothing says what the condition is."""
    self._config, self._side = config, translator.side
    self._items = data.find(config.input)
    truths = data.find(config.truth) if config.truth else []
    self._truths = {item.name: item for item in truths}
    self._table = masks.read_masks(config.masks) if config.masks else None
    given = config.truth or config.side_by_side or config.masks
    learnt = config.degradation or translator.degradation
    if config.degrade_first and not given and not learnt:
      raise ConfigError('this network learnt from pairs: give --truth or --side_by_side')
    self._pipeline = degradations.parse(learnt) if config.degrade_first and not given else None
    self._holes = _mask(config)
    # A network that fills holes must be told where they are, unless the user insists.
    fills = bool(learnt) and degradations.parse(learnt).is_only_masks
    self._needs_holes = fills and not given and not config.already_degraded

  def work(self, store: data.Store) -> Iterator[Work]:
    """What still needs to be done."""
    if self._table is None:
      rows: Iterator[tuple[data.Item, masks.Row | None]] = ((item, None) for item in self._items)
    else:
      rows = self._rows(store, *self._table)
    for order, (item, row) in enumerate(rows):
      source = str(item.path)
      if store.source_is_complete(source):
        continue
      filename = row.filename if row else self._filename(item)
      try:
        yield Work(self._case(item, row), item, order, filename)
      except (data.ImageError, degradations.DegradationError) as error:
        store.add_failure(source, item.name, error)
      except ValueError as error:  # a row that does not fit its picture
        where = f'{self._config.masks}: line {row.line}: ' if row else ''
        store.add_failure(source, item.name, f'{where}{error}')

  def _rows(
    self, store: data.Store, rows: list[masks.Row], problems: list[masks.BadRow]
  ) -> Iterator[tuple[data.Item, masks.Row]]:
    """The rows of the table with their pictures."""
    for problem in problems:
      self._refuse(store, problem.line, problem.reason)
    places = _places(self._items)
    taken: dict[str, int] = {}
    for row in rows:
      found = _resolve(row.filename, places)
      if len(found) != 1:
        count = f'fits {len(found)} pictures' if found else 'no such picture'
        self._refuse(store, row.line, f'{row.filename}: {count} in {self._config.input}')
      elif (first := taken.setdefault(found[0].name, row.line)) != row.line:
        self._refuse(store, row.line, f'{row.filename}: the same picture as in line {first}')
      else:
        yield found[0], row

  def _filename(self, item: data.Item) -> str:
    """What tables call a picture: its path below the input folder."""
    root = pathlib.Path(self._config.input).expanduser()
    below = item.path.relative_to(root) if root.is_dir() else pathlib.Path(item.path.name)
    return printable(below.as_posix())

  def _refuse(self, store: data.Store, line: int, reason: str) -> None:
    store.add_failure(f'{self._config.masks}: line {line}', f'line-{line}', reason)

  def _case(self, item: data.Item, row: masks.Row | None) -> Case:
    picture, alpha = data.decode_with_alpha(item.path)
    if self._config.side_by_side:
      halves = conditions.split_halves(picture, self._config.side_by_side, str(item.path))
      return cases.conditioned(*halves, self._side)
    truth = self._truth(item)
    if row is not None:
      if truth is None and self._config.degrade_first:
        truth = picture
      return cases.boxed(picture, truth, row.corners, self._config.box_size, self._side)
    if self._pipeline is None:
      opaque = None if alpha is None else alpha == 255
      own = holes.of_photo(item.name, picture.shape[:2], opaque, [self._holes], side=None)
      if own.visible is not None:
        return cases.masked(picture, own.visible, truth, self._side)
      if self._needs_holes:
        raise degradations.DegradationError(holes.NOWHERE)
      return cases.conditioned(picture, truth, self._side)
    key = image_key(self._config.seed, item.name)
    return cases.degraded(picture, self._pipeline, key, self._side)

  def _truth(self, item: data.Item) -> np.ndarray | None:
    if not self._config.truth:
      return None
    if item.name not in self._truths:
      raise data.ImageError(f'{item.path}: has no picture of its name in {self._config.truth}')
    return data.decode(self._truths[item.name].path)


def _mask(config: Pix2pixPredictConfig) -> degradations.Pipeline:
  """The holes that --mask tells; none where it is not given."""
  if not config.mask:
    return degradations.Pipeline(())
  inverted = None if config.invert_mask is None else int(config.invert_mask)
  return degradations.Pipeline.of(degradations.FileMask.create(config.mask, inverted))


def _places(items: list[data.Item]) -> dict[str, list[data.Item]]:
  """Pictures by the end of their path, and by that without its extension."""
  places: dict[str, list[data.Item]] = {}
  for item in items:
    parts = item.path.parts
    for start in range(len(parts)):
      tail = pathlib.PurePath(*parts[start:])
      for key in {tail.as_posix(), tail.with_suffix('').as_posix()}:
        places.setdefault(printable(key), []).append(item)
  return places


def _resolve(filename: str, places: dict[str, list[data.Item]]) -> list[data.Item]:
  """The pictures that a table's name can mean: exactly, or with another extension."""
  if found := places.get(filename):
    return found
  stem, dot, _ = filename.rpartition('.')
  return places.get(stem, []) if dot and is_picture(filename) else []


def _restore(
  config: Pix2pixPredictConfig, store: data.Store, translator: Translator, batch: list[Work]
) -> None:
  """Restores one batch and writes its files."""
  started = time.monotonic()
  completed = cases.answer(translator.unet, [work.case for work in batch], config.blend)
  seconds = (time.monotonic() - started) / len(batch)
  for work, image in zip(batch, completed, strict=True):
    _keep(config, store, work, image, round(seconds, 3))


def _keep(
  config: Pix2pixPredictConfig, store: data.Store, work: Work, completed: np.ndarray, seconds: float
) -> None:
  """Writes one picture's files and its record; `completed` is float32 [H, W, 3] in [0, 1]."""
  name, case = work.item.name, work.case
  images = {'restored': np.rint(completed * 255).astype(np.uint8), 'degraded': case.degraded}
  if case.truth is not None:
    images['aligned'] = case.truth
  files = {}
  if case.corners:
    boxes = masks.cut(completed, case.corners, case.size)
    files['boxes'] = store.write_array('boxes', name, values=boxes)
  result = Result(
    name=name,
    source=str(work.item.path),
    images=images,
    metrics=cases.scores(case, completed),
    record={'order': work.order, 'filename': work.filename, 'corners': case.corners},
    seconds=seconds,
  )
  result.keep(store, config.task, files=files, digits=6)


def _write_tables(store: data.Store, config: Pix2pixPredictConfig) -> None:
  """The boxes' pixels, and where the boxes were, if nobody said so before."""
  boxed = sorted((r for r in store.results if r.get('corners')), key=lambda r: r['order'])
  if not boxed:
    return

  def lines() -> Iterator[bytes]:
    yield f'{masks.HEADER}\n'.encode()
    for record in boxed:
      with np.load(store.folder / record['files']['boxes']) as file:
        for block in masks.submission(record['filename'], file['values']):
          yield block.encode()

  store.write_bytes(SUBMISSION, lines())
  if not config.masks and all(len(record['corners']) == 2 for record in boxed):
    table = masks.table((record['filename'], record['corners']) for record in boxed)
    store.write_bytes(MASKS, table.encode())


def _print_scores(store: data.Store) -> None:
  """The means over all pictures of what was measured in holes."""
  values = [result.get('metrics', {}) for result in store.results]
  parts = []
  for name, label in (('mse_holes', 'MSE'), ('psnr_holes', 'PSNR'), ('ssim_holes', 'SSIM')):
    found = [value[name] for value in values if value.get(name) is not None]
    if found:
      parts.append(f'{label} {np.mean(found):.5g}')
  if parts:
    print(f'in the holes: {", ".join(parts)}')
