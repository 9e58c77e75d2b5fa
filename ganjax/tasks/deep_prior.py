"""Deep prior: restores any picture with an untrained network, in one way or in many."""

import itertools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax import data, degradations, inversion, report
from ganjax.inversion import deep_prior, image_key, sampled, stack
from ganjax.pixels import to_bytes, to_float
from ganjax.runtime import programs
from ganjax.tasks import console, result_grid
from ganjax.tasks.deep_prior_config import SMALLEST_SIDE, DeepPriorTaskConfig
from ganjax.tasks.deep_prior_results import DegradedPhoto, Restored, write, write_sweep
from ganjax.tasks.deep_prior_study import network, noises, settings, with_setting


class Fitted(NamedTuple):
  """What came of one network."""

  fit: inversion.Restoration  # without a leading axis
  frames: list[tuple[int, np.ndarray]]
  seconds: float


def run(config: DeepPriorTaskConfig) -> int:
  """Restores every picture of the input; returns the number of failures."""
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(), config.overwrite) as store:
    for batch in _batches(_damaged(store, items, config), config.batch_size):
      restored = iter(_restore([damaged for variants in batch for damaged in variants], config))
      for variants in batch:
        own = [next(restored) for _ in variants]
        if config.sweep:
          write_sweep(store, config, variants, own)
        else:
          write(store, config, variants[0], own[0])
    if not config.sweep:
      result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _damaged(
  store: data.Store, items: list[data.Item], config: DeepPriorTaskConfig
) -> Iterator[list[DegradedPhoto]]:
  """The pictures that still need work, in every combination; failures go to the store."""
  truths = {item.name: item.path for item in data.find(config.truth)} if config.truth else {}
  variants = [with_setting(config, setting) for setting in settings(config)]
  for item in items:
    source = str(item.path)
    if store.source_is_complete(source):
      continue
    try:
      photo = _read(item.path, config.max_side)
      yield [_damage(item, photo, variant, truths) for variant in variants]
    except (data.ImageError, degradations.DegradationError) as error:
      store.add_failure(source, item.name, error)


def _read(path: pathlib.Path, max_side: int) -> np.ndarray:
  photo = data.decode(path)
  # A network that is fitted to every pixel would be fitted to whatever stands in for glass.
  with Image.open(path) as file:
    if 'A' in file.getbands() or 'transparency' in file.info:
      raise data.ImageError(f'{path}: has an alpha channel; save it without transparency first')
  if min(photo.shape[:2]) < SMALLEST_SIDE:
    raise data.ImageError(f'{path}: smaller than {SMALLEST_SIDE} px; enlarge it first')
  image = Image.fromarray(photo)
  image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
  return np.asarray(image)


def _damage(
  item: data.Item,
  photo: np.ndarray,
  config: DeepPriorTaskConfig,
  truths: dict[str, pathlib.Path],
) -> DegradedPhoto:
  """Degrades one picture, unless it came degraded; always in the same way."""
  pipeline = degradations.parse(config.degradation)
  done, true_key = sampled(pipeline, item.name, config.seed)
  factor = _factor(pipeline)
  if config.already_degraded:
    target = to_float(photo)
    height, width = (n * factor for n in photo.shape[:2])
    done.check(height, width)
    truth = _truth(item, truths, height, width) if truths else None
  else:
    # What the factor of a down-sampling does not divide is cut off.
    height, width = (n // factor * factor for n in photo.shape[:2])
    truth = photo[:height, :width]
    target = done.true(to_float(truth), true_key)
  record = {'degradation': str(done)}
  if config.assumed_degradation:
    done, _ = sampled(degradations.parse(config.assumed_degradation), item.name, config.seed)
    if done.output_shape(height, width) != target.shape[:2]:
      raise degradations.DegradationError(f'--assumed_degradation={done}: gives another size')
  if done.unknown:
    done = done.measured(target)
    record['estimate'] = str(done)
  return DegradedPhoto(item, config, done.observed(target), target, truth, height, width, record)


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


def _batches(
  found: Iterator[list[DegradedPhoto]], size: int
) -> Iterator[list[list[DegradedPhoto]]]:
  """Groups of neighbours of one size."""
  for _, alike in itertools.groupby(found, lambda variants: variants[0].target.shape):
    while batch := list(itertools.islice(alike, size)):
      yield batch


def _restore(wanted: Sequence[DegradedPhoto], config: DeepPriorTaskConfig) -> list[Restored]:
  """Fits networks to everything in a batch; those of one architecture and size together."""
  jobs = [(damaged, restart) for damaged in wanted for restart in range(config.restarts)]
  kinds: dict[tuple, list[int]] = {}
  for i, (damaged, _) in enumerate(jobs):
    operators = tuple(type(operator) for operator in damaged.degradation.operators)
    kinds.setdefault((_solver(damaged), damaged.target.shape, operators), []).append(i)
  fitted: dict[int, Fitted] = {}
  for kind in kinds.values():
    for start in range(0, len(kind), config.batch_size):
      part = kind[start : start + config.batch_size]
      fitted |= zip(part, _fit([jobs[i] for i in part], config), strict=True)
    programs.clear_caches_near_map_limit()  # every kind has programs of its own
  in_order = iter([fitted[i] for i in range(len(jobs))])
  return [_mean([next(in_order) for _ in range(config.restarts)]) for _ in wanted]


def _mean(fitted: list[Fitted]) -> Restored:
  images = np.stack([one.fit.image for one in fitted])
  deviation = np.mean(np.std(images, axis=0), axis=2) / 2 if len(fitted) > 1 else None
  first = fitted[0]
  seconds = sum(one.seconds for one in fitted)
  return Restored(to_bytes(np.mean(images, axis=0)), deviation, first.fit, first.frames, seconds)


def _solver(damaged: DegradedPhoto) -> deep_prior.DeepImagePrior:
  config = damaged.config
  architecture = network(config.network)
  return deep_prior.DeepImagePrior(
    architecture, config.prior_loss, damaged.height, damaged.width, config.stopping
  )


def _fit(jobs: list[tuple[DegradedPhoto, int]], config: DeepPriorTaskConfig) -> list[Fitted]:
  """Fits one network to each of some pictures of one kind."""
  frames: list[tuple[int, np.ndarray]] = []
  started = time.monotonic()
  names = [damaged.item.name for damaged, _ in jobs]
  most = max(damaged.config.num_steps for damaged, _ in jobs)
  with console.steps(config.task, names, most) as bar:

    def on_progress(progress: inversion.Progress) -> None:
      bar.show(progress.step, np.asarray(progress.terms.loss))
      if config.save_every:
        frames.append((progress.step, to_bytes(progress.render())))

    fit = inversion.run(
      (),
      (_solver(jobs[0][0]),),
      stack([_problem(damaged, restart) for damaged, restart in jobs]),
      on_progress,
      config.save_every or inversion.CHUNK_STEPS,
    )
  seconds = (time.monotonic() - started) / len(jobs)
  return [
    Fitted(
      jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), fit),
      [(step, pictures[i]) for step, pictures in frames],
      seconds,
    )
    for i in range(len(jobs))
  ]


def _problem(damaged: DegradedPhoto, restart: int) -> deep_prior.DeepPriorProblem:
  config = damaged.config
  sigma = sum(float(noise.sigma) ** 2 for noise in noises(damaged.degradation)) ** 0.5
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
  blank = np.zeros((damaged.height, damaged.width, 3), np.float32)
  return deep_prior.DeepPriorProblem(
    jnp.asarray(damaged.target),
    damaged.degradation.visible(*damaged.target.shape[:2]),
    jnp.asarray(blank if damaged.truth is None else to_float(damaged.truth)),
    damaged.degradation,
    hyper,
    image_key(config.seed + restart, damaged.item.name),
  )
