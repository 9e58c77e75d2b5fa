"""Evaluate: every task × level × method over a folder, and tables of how well each does."""

import csv
import dataclasses
import io
import pathlib
from typing import Any, NamedTuple

import numpy as np

from ganjax import data, faces, inversion, metrics, weights
from ganjax.pixels import to_float
from ganjax.restoration.measure import enlarged
from ganjax.runtime import programs
from ganjax.tasks import align, deep_prior, deep_prior_config, levels, restore, restore_config
from ganjax.tasks.config import FacesConfig
from ganjax.tasks.deep_prior_config import DeepPriorTaskConfig
from ganjax.tasks.evaluate_config import DEEP_PRIOR, DEFAULT_LEVEL, METHODS, EvaluateConfig
from ganjax.tasks.restore_config import RESTORATIONS, RestoreConfig

COLUMNS = ('psnr', 'ssim', 'lpips', 'perceptual', 'identity', 'frechet', 'fidelity', 'images_per_s')
MEASURES = ('psnr', 'ssim', 'lpips', 'perceptual', 'identity', 'fidelity')  # those of one picture


class Cell(NamedTuple):
  """All pictures of one task, level and method."""

  line: dict[str, Any]  # of the table
  pictures: list[dict[str, Any]]  # a line for each whose truth is known


def run(config: EvaluateConfig) -> int:
  """Runs what is missing, and writes the table; returns the number of failures."""
  networks = weights.load(config.weights, config.precision)
  distances = {}
  if networks.discriminator is not None:
    distances['perceptual'] = inversion.load_perceptual('discriminator', networks)
  if config.perceptual != 'discriminator':
    distances['lpips'] = inversion.load_perceptual(config.perceptual, networks, config.precision)
  failures, cells = align.run(_aligning(config)), []
  for task, level, spec in _conditions(config):
    found: list[Cell] = []
    for method in config.methods:
      one = _one(config, task, level, spec, method)
      print(f'{task} {level} {method}: {spec}')
      failures += (restore if isinstance(one, RestoreConfig) else deep_prior).run(one)
      pictures = _pictures(one)
      if not found and task != 'invert':
        found.append(_cell(task, level, 'degraded', pictures, 'degraded', distances))
      found.append(_cell(task, level, method, pictures, 'restored', distances))
      if any('completed' in picture for picture in pictures):
        whole = f'{method} (completed)'
        found.append(_cell(task, level, whole, pictures, 'completed', distances))
      programs.clear_caches_near_map_limit()  # every method has programs of its own
    cells += found
    _write(pathlib.Path(config.output), cells)  # whatever comes, these are there
  print(markdown([cell.line for cell in cells]))
  print(f'tables: {config.output}/table.md, table.csv, and pictures.csv with a line for each')
  return failures


def _write(folder: pathlib.Path, cells: list[Cell]) -> None:
  lines = [cell.line for cell in cells]
  pictures = [line for cell in cells for line in cell.pictures]
  (folder / 'table.md').write_text(markdown(lines), 'utf-8')
  (folder / 'table.csv').write_text(_csv(['n', *COLUMNS], lines), 'utf-8')
  (folder / 'pictures.csv').write_text(_csv(['name', *MEASURES], pictures), 'utf-8')


def _conditions(config: EvaluateConfig) -> list[tuple[str, str, str]]:
  """(task, level, degradation) in order; compositions have one level."""
  found = []
  for task in config.tasks:
    if task in levels.COMPOSED:
      found.append((task, 'M', levels.COMPOSED[task]))
      continue
    for level in config.levels:
      own = RESTORATIONS[task].get('degradation', '')
      spec = own if level == DEFAULT_LEVEL else levels.LEVELS.get(task, {}).get(level, own)
      if (task, spec) not in {(t, s) for t, _, s in found}:
        found.append((task, level, spec))
  return found


def _aligning(config: EvaluateConfig) -> FacesConfig:
  """The run that crops the faces, once for all cells."""
  shared = {field.name: getattr(config, field.name) for field in dataclasses.fields(FacesConfig)}
  return FacesConfig(**{**shared, 'task': 'align', 'output': f'{config.output}/faces'})


def _one(
  config: EvaluateConfig, task: str, level: str, spec: str, method: str
) -> RestoreConfig | DeepPriorTaskConfig:
  """The run of one cell."""
  own: dict[str, Any] = {
    'input': f'{config.output}/faces/aligned',
    'output': f'{config.output}/{task}-{level}-{method}',
    'save_every': 0,
  }
  if method == DEEP_PRIOR:
    return deep_prior_config.configuration(True, task=DEEP_PRIOR, degradation=spec, **own)
  preset, changes = METHODS[method]
  base = restore_config.configuration(
    RestoreConfig, task if task in RESTORATIONS else 'denoise', preset, spec, degrade_first=True
  )
  kind = task if task in RESTORATIONS else 'restore'
  return dataclasses.replace(base, task=kind, align='never', **own, **changes)


def _pictures(config: RestoreConfig | DeepPriorTaskConfig) -> list[dict]:
  """A run's results with their pictures."""
  folder = pathlib.Path(config.output)
  _, results, _ = data.read_results(folder)
  kinds = ('restored', 'completed', 'aligned', 'degraded')
  return [
    {
      **record,
      **{k: data.decode(folder / record['files'][k]) for k in kinds if k in record['files']},
    }
    for record in results
  ]


def _cell(
  task: str, level: str, method: str, pictures: list[dict], kind: str, distances: dict
) -> Cell:
  """One kind of a run's pictures: each one's measures, and what they are together."""
  head = {'task': task, 'level': level, 'method': method}
  measured = [_measured(p, kind, distances) for p in pictures if kind in p and 'aligned' in p]
  lines = [{**head, **values} for values, _ in measured]
  whole: dict[str, Any] = {name: _mean([line.get(name) for line in lines]) for name in MEASURES}
  whole['frechet'] = _frechet([pair for _, pair in measured if pair is not None])
  if lines and kind == 'restored':
    whole['images_per_s'] = len(pictures) / sum(p['seconds'] for p in pictures)
  return Cell({**head, 'n': len(pictures), **whole}, lines)


def _measured(
  picture: dict, kind: str, distances: dict
) -> tuple[dict[str, Any], tuple[np.ndarray, np.ndarray] | None]:
  """One picture's name and measures, and the descriptors of its face and the true one.

  Without identity and descriptors where no face is found in the truth.
  """
  truth = picture['aligned']
  shown = enlarged(picture[kind], *truth.shape[:2])
  values: dict[str, Any] = {'name': picture['name']}
  for name in ('psnr', 'ssim', 'fidelity'):
    values[name] = picture['metrics'].get(f'{name}{metrics.ENDINGS[kind]}')
  for name, distance in distances.items():
    values[name] = float(inversion.distance(distance, to_float(shown), to_float(truth)))
  face = faces.detect_largest(truth)
  if face is None:
    return values, None
  ours, theirs = faces.descriptor(shown, face), faces.descriptor(truth, face)
  values['identity'] = float(np.linalg.norm(ours - theirs))
  return values, (ours, theirs)


def _mean(values: list[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return float(np.mean(known)) if known else None


def _frechet(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float | None:
  """The Fréchet distance of the descriptors' distributions, × 1000."""
  if len(pairs) < 2:
    return None
  ours, theirs = (np.stack(column) for column in zip(*pairs, strict=True))
  return metrics.frechet(ours, theirs) / faces.FRECHET_UNIT


def _csv(columns: list[str], lines: list[dict]) -> str:
  file = io.StringIO()
  writer = csv.DictWriter(file, ['task', 'level', 'method', *columns], restval='')
  writer.writeheader()
  writer.writerows(lines)
  return file.getvalue()


def markdown(lines: list[dict]) -> str:
  """The table; columns without any value are left out."""
  columns = [c for c in COLUMNS if any(line.get(c) is not None for line in lines)]
  heads = ['task', 'level', 'method', 'n', *columns]
  rows = [f'| {" | ".join(heads)} |', '|' + '---|' * len(heads)]
  for line in lines:
    cells = [str(line[name]) for name in heads[:4]]
    cells += ['–' if line.get(c) is None else _figure(c, line[c]) for c in columns]
    rows.append(f'| {" | ".join(cells)} |')
  return '\n'.join(rows) + '\n'


def _figure(column: str, value: float) -> str:
  return f'{value:.2f}' if column in ('psnr', 'frechet', 'fidelity') else f'{value:.3f}'
