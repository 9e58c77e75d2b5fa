"""Evaluate: every task × level × method over a folder, and a table of how well each does."""

import csv
import dataclasses
import io
import pathlib
from typing import Any

import numpy as np
from absl import flags

from ganjax import data, faces, inversion, metrics, programs, weights
from ganjax.degradations import levels
from ganjax.pixels import to_float
from ganjax.tasks import align, deep_prior, deep_prior_config, restore, restore_config
from ganjax.tasks.config import FLAGS, ConfigError, FacesConfig
from ganjax.tasks.deep_prior_config import DeepPriorTaskConfig
from ganjax.tasks.restore_config import RESTORATIONS, RestoreConfig

TASKS = ('evaluate',)

# The optimisation as published: Adam 0.1, noise maps of unit variance, noise on w; no pixel term.
PUBLISHED: dict[str, Any] = {
  'noise_maps': 'optimised',
  'learning_rate': 0.1,
  'noise_reg_weight': 1e5,
  'w_noise': 0.05,
  'pixel_weight': 0.0,
  'latent_dist_reg_weight': 0.0,
}
# Method -> (preset, what differs from the task's defaults).
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
  'ganjax': ('projector', {}),
  'projector_w': ('projector', {**PUBLISHED, 'space': 'w'}),
  'projector_w_plus': ('projector', {**PUBLISHED, 'space': 'w_plus'}),
  'robust': ('robust', {}),
  'robust_published': ('robust_published', {}),
}
DEEP_PRIOR = 'deep_prior'  # a method without a preset: the task of that name
DEFAULT_LEVEL = 'default'
COLUMNS = ('psnr', 'ssim', 'lpips', 'perceptual', 'identity', 'frechet', 'fidelity', 'images_per_s')


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(RestoreConfig):
  """One run of `evaluate`: the runs that it consists of differ from it in a few fields."""

  tasks: tuple[str, ...]
  levels: tuple[str, ...]
  methods: tuple[str, ...]


def define_flags() -> None:
  """Declares the flags of `evaluate`."""
  measured = [task for task in RESTORATIONS if task != 'restore']
  known = ', '.join([*measured, *levels.COMPOSED])
  flags.DEFINE_list('tasks', measured, f'evaluate: what is measured, of {known}.')
  flags.DEFINE_list(
    'levels',
    [DEFAULT_LEVEL],
    f"evaluate: how heavy the damage is, of {DEFAULT_LEVEL} (the task's own), "
    f'{", ".join(levels.NAMES)}.',
  )
  flags.DEFINE_list(
    'methods', ['ganjax', 'projector_w'], f'evaluate: of {", ".join((*METHODS, DEEP_PRIOR))}.'
  )


def from_flags() -> EvaluateConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  known = {
    'tasks': [*RESTORATIONS, *levels.COMPOSED],
    'levels': [DEFAULT_LEVEL, *levels.NAMES],
    'methods': [*METHODS, DEEP_PRIOR],
  }
  for flag, values in known.items():
    if unknown := [value for value in getattr(FLAGS, flag) if value not in values]:
      raise ConfigError(f'--{flag}: {unknown[0]} is none of {", ".join(values)}')
  if FLAGS.already_degraded or FLAGS.degradation:
    raise ConfigError(
      '--degradation, --already_degraded: evaluate degrades clean pictures by --tasks and --levels'
    )
  return restore_config.configuration(
    EvaluateConfig,
    'invert',
    tasks=tuple(FLAGS.tasks),
    levels=tuple(FLAGS.levels),
    methods=tuple(FLAGS.methods),
  )


def run(config: EvaluateConfig) -> int:
  """Runs what is missing, and writes the table; returns the number of failures."""
  networks = weights.load(config.weights, config.precision)
  lpips = restore.perceptual(config)
  distances = {'perceptual': inversion.prior(networks).perceptual} if networks.discriminator else {}
  if lpips is not None:
    distances['lpips'] = inversion.prior(networks, lpips).perceptual
  failures, lines = align.run(_aligning(config)), []
  for task, level, spec in _conditions(config):
    cell: list[dict] = []
    for method in config.methods:
      one = _one(config, task, level, spec, method)
      print(f'{task} {level} {method}: {spec}')
      failures += (restore if isinstance(one, RestoreConfig) else deep_prior).run(one)
      pictures = _pictures(one)
      if not cell and task != 'invert':
        cell.append(_line(task, level, 'degraded', pictures, 'degraded', distances))
      cell.append(_line(task, level, method, pictures, 'restored', distances))
      if any('completed' in picture for picture in pictures):
        whole = f'{method} (completed)'
        cell.append(_line(task, level, whole, pictures, 'completed', distances))
      programs.forget_if_many()  # every method has programs of its own
    lines += cell
    _write_table(pathlib.Path(config.output), lines)  # whatever comes, these lines are there
  print(markdown(lines))
  print(f'table: {config.output}/table.md, {config.output}/table.csv')
  return failures


def _write_table(folder: pathlib.Path, lines: list[dict]) -> None:
  (folder / 'table.csv').write_text(_csv(lines), 'utf-8')
  (folder / 'table.md').write_text(markdown(lines), 'utf-8')


def _conditions(config: EvaluateConfig) -> list[tuple[str, str, str]]:
  """(task, level, degradation) in order; compositions have one level."""
  found = []
  for task in config.tasks:
    if task in levels.COMPOSED:
      found.append((task, 'M', levels.COMPOSED[task]))
      continue
    for level in config.levels:
      own = RESTORATIONS[task].degradation
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
    return deep_prior_config.configuration(task=DEEP_PRIOR, degradation=spec, **own)
  preset, changes = METHODS[method]
  base = restore_config.configuration(
    RestoreConfig, task if task in RESTORATIONS else 'denoise', preset, spec
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


def _line(
  task: str, level: str, method: str, pictures: list[dict], kind: str, distances: dict
) -> dict:
  """One line of the table: means over the pictures."""
  line: dict[str, Any] = {'task': task, 'level': level, 'method': method, 'n': len(pictures)}
  usable = [p for p in pictures if kind in p and 'aligned' in p]
  if not usable:
    return line
  for name in ('psnr', 'ssim', 'fidelity'):
    values = [p['metrics'].get(f'{name}{metrics.ENDINGS[kind]}') for p in usable]
    line[name] = _mean([v for v in values if v is not None])
  shown = [metrics.enlarged(p[kind], *p['aligned'].shape[:2]) for p in usable]
  truths = [p['aligned'] for p in usable]
  for name, distance in distances.items():
    line[name] = _mean([_distance(distance, a, b) for a, b in zip(shown, truths, strict=True)])
  line |= _identity(shown, truths)
  if kind == 'restored':
    line['images_per_s'] = len(pictures) / sum(p['seconds'] for p in pictures)
  return line


def _mean(values: list[float]) -> float | None:
  return float(np.mean(values)) if values else None


def _distance(distance, a: np.ndarray, b: np.ndarray) -> float:
  """A perceptual distance between two uint8 pictures of one size."""
  return float(inversion.distance(distance, to_float(a), to_float(b)))


def _identity(shown: list[np.ndarray], truths: list[np.ndarray]) -> dict[str, float | None]:
  """Mean distance of descriptors, and the Fréchet distance of their distributions, × 1000."""
  pairs = []
  for picture, truth in zip(shown, truths, strict=True):
    found = faces.detect(truth)
    if found:
      largest = max(found, key=lambda face: float(np.ptp(face[:, 0])))
      pairs.append((faces.descriptor(picture, largest), faces.descriptor(truth, largest)))
  if not pairs:
    return {'identity': None, 'frechet': None}
  ours, theirs = (np.stack(column) for column in zip(*pairs, strict=True))
  distance = float(np.mean(np.linalg.norm(ours - theirs, axis=1)))
  return {
    'identity': distance,
    'frechet': metrics.frechet(ours, theirs) / faces.FRECHET_UNIT if len(pairs) > 1 else None,
  }


def _csv(lines: list[dict]) -> str:
  file = io.StringIO()
  writer = csv.DictWriter(file, ['task', 'level', 'method', 'n', *COLUMNS], restval='')
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
