"""Deep prior: restores any picture with an untrained network, in one way or in many."""

import itertools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax import data, degradations, faces, inversion, report
from ganjax.inversion import deep_prior, image_key, stack
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration import degrade, holes, result_grid
from ganjax.restoration.faces import reduced
from ganjax.restoration.result import Result
from ganjax.runtime import programs
from ganjax.tasks import console
from ganjax.tasks.deep_prior_config import SMALLEST_SIDE, DeepPriorTaskConfig
from ganjax.tasks.deep_prior_results import Fitted, Job, keep_sweep, result
from ganjax.tasks.deep_prior_study import network, noises, settings, with_setting


def run(config: DeepPriorTaskConfig) -> int:
  """Restores every picture of the input; returns the number of failures."""
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(), config.overwrite) as store:
    for batch in _batches(_jobs(store, items, config), config.batch_size):
      results = iter(_restore([job for variants in batch for job in variants], config))
      for variants in batch:
        own = [next(results) for _ in variants]
        if config.sweep:
          keep_sweep(store, config, variants, own)
        else:
          own[0].keep(store, config.task)
    if not config.sweep:
      result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _jobs(
  store: data.Store, items: list[data.Item], config: DeepPriorTaskConfig
) -> Iterator[list[Job]]:
  """The photos that still need work, in every combination; failures go to the store."""
  truths = {item.name: item.path for item in data.find(config.truth)} if config.truth else {}
  variants = [with_setting(config, setting) for setting in settings(config)]
  for item in items:
    source = str(item.path)
    if store.source_is_complete(source):
      continue
    try:
      photo, opaque = _read(item.path, config)
      small = reduced(photo, config.max_side)
      yield [_job(item, small, _holes(item, photo, opaque, v), v, truths) for v in variants]
    except (data.ImageError, degradations.DegradationError) as error:
      store.add_failure(source, item.name, error)


def _read(path: pathlib.Path, config: DeepPriorTaskConfig) -> tuple[np.ndarray, np.ndarray | None]:
  """A photo, and where it is opaque, if not everywhere."""
  photo, alpha = data.decode_with_alpha(path)
  if alpha is not None and config.degrade_first:
    # A network that is fitted to every pixel would be fitted to whatever stands in for glass.
    raise data.ImageError(f'{path}: has an alpha channel; save it without transparency first')
  if min(photo.shape[:2]) < SMALLEST_SIDE:
    raise data.ImageError(f'{path}: smaller than {SMALLEST_SIDE} px; enlarge it first')
  return photo, None if alpha is None else alpha == 255


def _holes(
  item: data.Item, photo: np.ndarray, opaque: np.ndarray | None, config: DeepPriorTaskConfig
) -> holes.Holes:
  specs = filter(None, (config.degradation, config.assumed_degradation))
  pipelines = map(degradations.parse, specs)
  return holes.of_photo(item.name, photo.shape[:2], opaque, pipelines, side=None)


def _job(
  item: data.Item,
  photo: np.ndarray,
  own: holes.Holes,
  config: DeepPriorTaskConfig,
  truths: dict[str, pathlib.Path],
) -> Job:
  """Degrades one photo, unless it came degraded; always in the same way."""
  given = degradations.parse(config.degradation)
  factor = _factor(given)
  if config.degrade_first:
    # What the factor of a down-sampling does not divide is cut off.
    height, width = (n // factor * factor for n in photo.shape[:2])
    photo = photo[:height, :width]
  else:
    height, width = (n * factor for n in photo.shape[:2])
    given.check(height, width)
  quad = faces.full_quad(np.broadcast_to(0, own.shape))
  pipeline = own.within(given, quad, height, width)
  if config.degrade_first:
    assumed = config.assumed_degradation and own.within(
      degradations.parse(config.assumed_degradation), quad, height, width
    )
    degraded = degrade.degrade(photo, pipeline, item.name, config.seed, assumed or None)
  else:
    degraded = degrade.as_it_is(photo, pipeline, item.name, config.seed)
  record: dict[str, Any] = {'degradation': str(given)}
  if own.notes:
    record['notes'] = list(own.notes)
  degraded = degraded._replace(record=record)
  if truths:
    degraded = degraded._replace(truth=_truth(item, truths, height, width))
  known = degraded.degradation
  if known.output_shape(height, width) != degraded.target.shape[:2]:
    raise degradations.DegradationError(f'--assumed_degradation={known}: gives another size')
  if known.unknown:
    degraded = degraded.identified(known.measured(degraded.target))
  seen = degraded.degradation.observed(degraded.target)
  return Job(item, config, degraded._replace(degradation=seen), height, width)


def _truth(item: data.Item, truths: dict[str, pathlib.Path], height: int, width: int) -> np.ndarray:
  if item.name not in truths:
    raise data.ImageError(f'{item.path}: --truth holds no picture called {item.name}')
  truth = data.decode(truths[item.name])
  if abs(truth.shape[0] * width - truth.shape[1] * height) > max(truth.shape[:2]):
    raise data.ImageError(f'{item.path}: {truths[item.name]} has other proportions')
  if truth.shape[:2] != (height, width):  # it was reduced to --max_side, too
    truth = np.asarray(Image.fromarray(truth).resize((width, height), Image.Resampling.LANCZOS))
  return truth


def _factor(pipeline: degradations.Pipeline) -> int:
  """By how much it shrinks a side."""
  probe = 64**3
  return probe // pipeline.output_shape(probe, probe)[0]


def _batches(found: Iterator[list[Job]], size: int) -> Iterator[list[list[Job]]]:
  """Groups of neighbours of one size."""
  for _, alike in itertools.groupby(found, lambda variants: variants[0].degraded.target.shape):
    while batch := list(itertools.islice(alike, size)):
      yield batch


def _restore(jobs: Sequence[Job], config: DeepPriorTaskConfig) -> list[Result]:
  """Fits networks to everything in a batch; those of one architecture and size together."""
  wanted = [(job, restart) for job in jobs for restart in range(config.restarts)]
  kinds: dict[tuple, list[int]] = {}
  for i, (job, _) in enumerate(wanted):
    operators = tuple(type(operator) for operator in job.degraded.degradation.operators)
    kinds.setdefault((_solver(job), job.degraded.target.shape, operators), []).append(i)
  fitted: dict[int, Fitted] = {}
  for kind in kinds.values():
    for start in range(0, len(kind), config.batch_size):
      part = kind[start : start + config.batch_size]
      fitted |= zip(part, _fit([wanted[i] for i in part], config), strict=True)
    programs.clear_caches_near_map_limit()  # every kind has programs of its own
  in_order = iter([fitted[i] for i in range(len(wanted))])
  return [result(job, _mean([next(in_order) for _ in range(config.restarts)])) for job in jobs]


def _mean(fitted: list[Fitted]) -> Fitted:
  images = np.stack([one.image for one in fitted])
  return fitted[0]._replace(
    image=np.mean(images, axis=0),
    seconds=sum(one.seconds for one in fitted),
    deviation=np.mean(np.std(images, axis=0), axis=2) / 2 if len(fitted) > 1 else None,
  )


def _solver(job: Job) -> deep_prior.DeepImagePrior:
  config = job.config
  architecture = network(config.network)
  return deep_prior.DeepImagePrior(
    architecture, config.prior_loss, job.height, job.width, config.stopping
  )


def _fit(wanted: list[tuple[Job, int]], config: DeepPriorTaskConfig) -> list[Fitted]:
  """Fits one network to each of some photos of one kind."""
  frames: list[tuple[int, np.ndarray]] = []
  started = time.monotonic()
  names = [job.item.name for job, _ in wanted]
  most = max(job.config.num_steps for job, _ in wanted)
  with console.steps(config.task, names, most) as show:

    def on_progress(progress: inversion.Progress) -> None:
      show(progress)
      if config.save_every:
        frames.append((progress.step, to_bytes(progress.render())))

    fit = inversion.run(
      (),
      (_solver(wanted[0][0]),),
      stack([_problem(job, restart) for job, restart in wanted]),
      on_progress,
      config.save_every or inversion.CHUNK_STEPS,
    )
  seconds = (time.monotonic() - started) / len(wanted)
  own = [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), fit) for i in range(len(wanted))]
  return [
    Fitted(one.image, one, [(step, images[i]) for step, images in frames], seconds)
    for i, one in enumerate(own)
  ]


def _problem(job: Job, restart: int) -> deep_prior.DeepPriorProblem:
  config, degraded = job.config, job.degraded
  sigma = sum(float(noise.sigma) ** 2 for noise in noises(degraded.degradation)) ** 0.5
  patience = {'last': 0, 'variance': max(1, config.num_steps // 2), 'noise': 1}
  hyper = deep_prior.DeepPriorHyper(
    num_steps=jnp.int32(config.num_steps),
    learning_rate=jnp.float32(config.learning_rate),
    input_noise=jnp.float32(config.input_noise),
    perturbation=jnp.float32(config.perturbation),
    averaging=jnp.float32(config.averaging),
    patience=jnp.int32(patience[config.stopping]),
    sigma=jnp.float32(sigma),
  )
  blank = np.zeros((job.height, job.width, 3), np.float32)
  return deep_prior.DeepPriorProblem(
    jnp.asarray(degraded.target),
    degraded.degradation.visible(*degraded.target.shape[:2]),
    jnp.asarray(blank if degraded.truth is None else to_float(degraded.truth)),
    degraded.degradation,
    hyper,
    image_key(config.seed + restart, job.item.name),
  )
