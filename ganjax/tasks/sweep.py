"""Sweep: every combination of hyperparameters and degradation parameters, for each face."""

import dataclasses
import itertools
import pathlib
from typing import Any

import jax
import numpy as np
from absl import flags

from ganjax import data, degradations, inversion, metrics, report, weights
from ganjax.data.pixels import to_bytes, to_float
from ganjax.inversion import sweeps
from ganjax.tasks import console, restore_config
from ganjax.tasks.config import FLAGS, ConfigError
from ganjax.tasks.faces import Face, reduced, unfinished
from ganjax.tasks.restore import damage, perceptual
from ganjax.tasks.restore_config import AUTO, RestoreConfig

TASKS = ('sweep',)

# Whose defaults hold where nothing else is said, by the degradation's first operator.
TASK_OF = {
  'blur': 'deblur',
  'grayscale': 'colorize',
  'mask': 'inpaint',
  'downsample': 'super_resolve',
  'noise': 'denoise',
  'jpeg': 'dejpeg',
  'identity': 'invert',
}


@dataclasses.dataclass(frozen=True)
class SweepConfig(RestoreConfig):
  """One run of `sweep`."""

  sweep: str


def define_flags() -> None:
  """Declares the flags of `sweep`."""
  flags.DEFINE_string(
    'sweep',
    '',
    f"What is varied: name=values; name=values, such as '{sweeps.EXAMPLE}'. Names are "
    "hyperparameters, or operator.parameter of the degradation (the restoration's idea of it).",
  )


def from_flags() -> SweepConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  if not FLAGS.degradation:
    raise ConfigError("--degradation is missing, such as --degradation='blur(variance=7)'")
  operator = FLAGS.degradation.partition('(')[0].partition('|')[0].strip()
  config = restore_config.configuration(SweepConfig, TASK_OF.get(operator, 'restore'))
  if config.restarts > 1 or config.latent_dist_reg_weight == AUTO or '?' in config.degradation:
    raise ConfigError("--sweep: leave out --restarts, 'auto' and '?'; sweep their values instead")
  return config


def run(config: SweepConfig) -> int:
  """Sweeps over every face of the input; returns the number of failures."""
  pipeline = degradations.parse(config.degradation)
  axes = sweeps.axes(config.sweep)
  networks = weights.load(config.weights, config.precision)
  side = networks.resolution
  base = degradations.parse(config.assumed_degradation or config.degradation)
  for setting in sweeps.settings(axes):  # all mistakes come to light before the work begins
    sweeps.degradation(base, setting).check(side, side)
    sweeps.hyper(config.hyper(), setting)
  lpips = perceptual(config)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    size = pipeline.output_shape(side, side)[0] if config.already_degraded else side
    found = unfinished(store, items, config.align, networks.template, size)
    first = next(found, None)
    if first is not None:
      prior = inversion.prior(networks, lpips)
      for face in itertools.chain([first], found):
        _sweep(config, store, prior, axes, face)
    path = report.write_report(pathlib.Path(config.output))
    return console.summarise(config.task, store, path)


def _sweep(
  config: SweepConfig,
  store: data.Store,
  prior: inversion.Prior,
  axes: list[sweeps.Axis],
  face: Face,
) -> None:
  """Runs all combinations of one face as one batch; writes its files and its record."""
  damaged = damage(face, degradations.parse(config.degradation), config)
  settings = sweeps.settings(axes)
  base = inversion.problem(
    prior, damaged.target, damaged.degradation, face.name, config.seed, config.hyper()
  )
  sample_key, _ = jax.random.split(jax.random.fold_in(base.key, 2))
  problems = [
    sweeps.problem(
      base,
      sweeps.degradation(damaged.degradation, setting).sample(sample_key),
      sweeps.hyper(config.hyper(), setting),
    )
    for setting in settings
  ]
  with console.steps('sweep', [face.name], max(int(p.hyper.num_steps) for p in problems)) as bar:
    result = inversion.run(
      prior,
      config.chosen_preset(),
      inversion.stack(problems),
      lambda progress: bar.show(progress.step, np.asarray(progress.terms.loss)),
    )
  pictures = to_bytes(np.asarray(result.image))
  entries = [
    _entry(setting, damaged.truth, picture, result, i)
    for i, (setting, picture) in enumerate(zip(settings, pictures, strict=True))
  ]
  merit = 'psnr' if damaged.truth is not None else 'misfit'
  scores = np.array([entry[merit] for entry in entries])
  best = int(np.argmax(scores) if merit == 'psnr' else np.argmin(scores))
  files = _write(store, face.name, axes, pictures, entries, merit, best)
  files['degraded'] = store.write_image('degraded', face.name, to_bytes(damaged.target))
  files['photo'] = store.write_image('photos', face.name, reduced(face.photo))
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', face.name, damaged.truth)
  for i, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
    entry['file'] = store.write_image(f'combinations/{face.name}', f'{i:04d}', picture)
  store.add_result(
    {
      'name': face.name,
      'source': face.source,
      'num_results': face.num_results,
      'task': config.task,
      **damaged.record,
      'files': files,
      'metrics': {name: entries[best][name] for name in ('psnr', 'ssim') if name in entries[best]},
      'best': entries[best]['setting'],
      'sweep': entries,
    }
  )


def _entry(
  setting: dict, truth: np.ndarray | None, picture: np.ndarray, result: Any, i: int
) -> dict:
  """One combination's line: its setting, and how well it did."""
  last = float(result.terms.perceptual[i, -1] + result.terms.pixel[i, -1])
  entry = {'setting': setting, 'misfit': last, 'loss': float(result.loss[i, -1])}
  if truth is not None:
    image, whole = to_float(picture), to_float(truth)
    entry |= {'psnr': float(metrics.psnr(image, whole)), 'ssim': float(metrics.ssim(image, whole))}
  return entry


def _write(
  store: data.Store,
  name: str,
  axes: list[sweeps.Axis],
  pictures: np.ndarray,
  entries: list[dict],
  merit: str,
  best: int,
) -> dict[str, str]:
  """Writes the table, the heat map and the best picture; returns their paths."""
  *others, last = axes
  rows = [_label(setting) for setting in sweeps.settings(others)] if others else ['']
  columns = [f'{last.name}={value}' for value in last.values]
  width = len(columns)
  place = divmod(best, width)
  captions = [
    report.quality_caption(entry['psnr'], entry['ssim'])
    if merit == 'psnr'
    else f'misfit {entry["misfit"]:.3g}'
    for entry in entries
  ]
  by_row = range(0, len(entries), width)
  table = report.picture_table(
    [list(pictures[i : i + width]) for i in by_row],
    rows,
    columns,
    [captions[i : i + width] for i in by_row],
    place,
  )
  values = np.array([entry[merit] for entry in entries]).reshape(-1, width)
  title = f'{name}: PSNR in dB' if merit == 'psnr' else f'{name}: misfit (no truth to compare with)'
  heat = report.heat_map(values, rows, list(last.values), f'{title}, by {last.name}', place)
  return {
    'restored': store.write_image('restored', name, pictures[best]),
    'sweep': store.write_bytes(f'sweep/{name}.png', data.encode_png(table)),
    'heatmap': store.write_bytes(f'heatmap/{name}.png', heat),
  }


def _label(setting: dict[str, str]) -> str:
  return ', '.join(f'{name}={value}' for name, value in setting.items())
