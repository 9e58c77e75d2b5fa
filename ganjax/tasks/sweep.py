"""Sweep: every combination of hyperparameters and degradation parameters, for each face."""

import pathlib

import numpy as np

from ganjax import data, inversion, metrics, report, weights
from ganjax.inversion import sweeps
from ganjax.inversion.problem import Problem, beginning_with
from ganjax.models.encoder import Encoder
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.degrade import Degraded, drawn
from ganjax.restoration.faces import Face, unfinished
from ganjax.restoration.result import Result
from ganjax.restoration.solve import Method
from ganjax.restoration.whole_photos import WholePhotos
from ganjax.tasks import console, sweep_results
from ganjax.tasks.restore import method_of
from ganjax.tasks.sweep_config import SweepConfig


def run(config: SweepConfig) -> int:
  """Sweeps over every face of the input; returns the number of failures."""
  method = method_of(config)
  axes = sweeps.axes(config.sweep)
  networks = weights.load(config.weights, config.precision, init=config.init)
  method.check(networks.resolution)
  side = networks.resolution
  for setting in sweeps.settings(axes):  # all mistakes come to light before the work begins
    sweeps.degradation(method.assumed or method.degradation, setting).check(side, side)
    sweeps.hyper(config.hyper(), setting)
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  items = data.find(config.input)
  record = config.record(networks.sha256, networks.encoder_sha256)
  with data.Store.open(config.output, record, config.overwrite) as store:
    prior, whole = None, WholePhotos()
    for face in unfinished(store, items, method.search(networks, config.align, config.box)):
      prior = prior or inversion.make_prior(networks, perceptual)
      _sweep(store, prior, networks.encoder, method, axes, face, whole)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _sweep(
  store: data.Store,
  prior: inversion.Prior,
  encoder: Encoder | None,
  method: Method,
  axes: list[sweeps.Axis],
  face: Face,
  whole: WholePhotos,
) -> None:
  """Runs all combinations of one face as one batch; writes its files and its record."""
  degraded = method.degrade(face, prior.generator.config.resolution)
  settings = sweeps.settings(axes)
  found = _solve(prior, encoder, method, face, degraded, settings)
  restored = to_bytes(np.asarray(found.image))
  entries = [
    _entry(setting, degraded.truth, image, found, i)
    for i, (setting, image) in enumerate(zip(settings, restored, strict=True))
  ]
  files = whole.keep_copy(store, face)
  files |= sweep_results.write(store, face.name, axes, list(restored), entries)
  index = sweep_results.best_of(entries)
  best = entries[index]
  images = {'restored': restored[index], 'degraded': to_bytes(degraded.target)}
  if degraded.truth is not None:
    images['aligned'] = degraded.truth
  result = Result(
    name=face.name,
    source=face.source,
    images=images,
    metrics={name: best[name] for name in ('psnr', 'ssim') if name in best},
    record={**degraded.record, 'best': best['setting'], 'sweep': entries},
    num_results=face.num_faces,
  )
  result.keep(store, method.task, files=files, digits=None)


def _solve(
  prior: inversion.Prior,
  encoder: Encoder | None,
  method: Method,
  face: Face,
  degraded: Degraded,
  settings: list[dict[str, str]],
) -> inversion.Restoration:
  """All combinations of one face, [N] leading every leaf."""
  side = prior.generator.config.resolution
  base = method.problem(prior, face, degraded, encoder)
  assumed = method.assumed or method.degradation

  def problem(setting: dict[str, str]) -> Problem:
    own = face.located(sweeps.degradation(assumed, setting), side)
    known, _ = drawn(own, face.name, method.seed)
    made = sweeps.problem(base, known, sweeps.hyper(method.hyper, setting))
    return made if encoder is None else beginning_with(encoder, made, side)

  problems = [problem(setting) for setting in settings]
  most = max(int(problem.hyper.num_steps) for problem in problems)
  with console.steps('sweep', [face.name], most) as show:
    return inversion.run(prior, inversion.stages_of(method.preset), inversion.stack(problems), show)


def _entry(
  setting: dict,
  truth: np.ndarray | None,
  image: np.ndarray,
  result: inversion.Restoration,
  i: int,
) -> dict:
  """One combination's line: its setting, and how well it did."""
  last = float(result.terms.perceptual[i, -1] + result.terms.pixel[i, -1])
  entry = {'setting': setting, 'misfit': last, 'loss': float(result.loss[i, -1])}
  if truth is not None:
    pair = to_float(image), to_float(truth)
    entry |= {'psnr': float(metrics.psnr(*pair)), 'ssim': float(metrics.ssim(*pair))}
  return entry
