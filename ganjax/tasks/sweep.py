"""Sweep: every combination of hyperparameters and degradation parameters, for each face."""

import itertools
import pathlib
from typing import Any

import jax
import numpy as np

from ganjax import data, degradations, inversion, metrics, report, weights
from ganjax.inversion import sweeps
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.faces import Face, reduced, unfinished
from ganjax.tasks import console, sweep_results
from ganjax.tasks.restore import damage
from ganjax.tasks.sweep_config import SweepConfig


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
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    size = pipeline.output_shape(side, side)[0] if config.already_degraded else side
    found = unfinished(store, items, config.align, networks.template, size)
    first = next(found, None)
    if first is not None:
      prior = inversion.make_prior(networks, perceptual)
      for face in itertools.chain([first], found):
        _sweep(config, store, prior, axes, face)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


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
  base = inversion.make_problem(
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
      inversion.stages(config.chosen_preset()),
      inversion.stack(problems),
      lambda progress: bar.show(progress.step, np.asarray(progress.terms.loss)),
    )
  pictures = to_bytes(np.asarray(result.image))
  entries = [
    _entry(setting, damaged.truth, picture, result, i)
    for i, (setting, picture) in enumerate(zip(settings, pictures, strict=True))
  ]
  best = entries[sweep_results.best_of(entries)]
  files = sweep_results.write(store, face.name, axes, list(pictures), entries)
  files['degraded'] = store.write_image('degraded', face.name, to_bytes(damaged.target))
  files['photo'] = store.write_image('photos', face.name, reduced(face.photo))
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', face.name, damaged.truth)
  store.add_result(
    {
      'name': face.name,
      'source': face.source,
      'num_results': face.num_results,
      'task': config.task,
      **damaged.record,
      'files': files,
      'metrics': {name: best[name] for name in ('psnr', 'ssim') if name in best},
      'best': best['setting'],
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
