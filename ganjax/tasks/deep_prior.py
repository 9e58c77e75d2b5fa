"""Deep prior: restores any picture with an untrained network, in one way or in many."""

import itertools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax import data, degradations, metrics, report
from ganjax.data.pixels import to_bytes, to_float
from ganjax.inversion import image_key, stack, sweeps
from ganjax.priors import deep_prior
from ganjax.tasks import combinations, console
from ganjax.tasks.deep_prior_config import (
  SMALLEST_SIDE,
  DeepPriorTaskConfig,
  define_flags,
  from_flags,
  network,
  noises,
  of,
  settings,
)

__all__ = ['TASKS', 'define_flags', 'from_flags', 'run']

TASKS = ('deep_prior',)


class Damaged(NamedTuple):
  """A picture and what the network gets to see of it."""

  item: data.Item
  config: DeepPriorTaskConfig  # of this combination alone
  degradation: degradations.Pipeline  # as it is assumed to be
  target: np.ndarray  # [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [H, W, 3]
  height: int
  width: int
  record: dict[str, Any]  # what is worth telling about the degradation


class Restored(NamedTuple):
  """What came out, of one network or as the mean of several."""

  image: np.ndarray  # uint8 [H, W, 3]
  deviation: np.ndarray | None  # [H, W], between restarts, in units of the [0, 1] range
  fit: deep_prior.Fit  # of the first network, without a leading axis
  frames: list[tuple[int, np.ndarray]]  # (step, uint8 picture), of the first network
  seconds: float


class Fitted(NamedTuple):
  """What came of one network."""

  fit: deep_prior.Fit  # without a leading axis
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
          _write_sweep(store, config, variants, own)
        else:
          _write(store, config, variants[0], own[0])
    path = report.write_report(pathlib.Path(config.output))
    return console.summarise(config.task, store, path)


def _damaged(
  store: data.Store, items: list[data.Item], config: DeepPriorTaskConfig
) -> Iterator[list[Damaged]]:
  """The pictures that still need work, in every combination; failures go to the store."""
  truths = {item.name: item.path for item in data.find(config.truth)} if config.truth else {}
  variants = [of(config, setting) for setting in settings(config)]
  for item in items:
    source = str(item.path)
    if store.finished(source):
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
) -> Damaged:
  """Degrades one picture, unless it came degraded; always in the same way."""
  pipeline = degradations.parse(config.degradation)
  sample_key, true_key = jax.random.split(jax.random.fold_in(image_key(config.seed, item.name), 2))
  done = pipeline.sample(sample_key)
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
    done = degradations.parse(config.assumed_degradation).sample(sample_key)
    if done.output_shape(height, width) != target.shape[:2]:
      raise degradations.DegradationError(f'--assumed_degradation={done}: gives another size')
  if done.unknown:
    done = done.measured(target)
    record['estimate'] = str(done)
  return Damaged(item, config, done, target, truth, height, width, record)


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


def _batches(found: Iterator[list[Damaged]], size: int) -> Iterator[list[list[Damaged]]]:
  """Groups of neighbours of one size."""
  for _, alike in itertools.groupby(found, lambda variants: variants[0].target.shape):
    while batch := list(itertools.islice(alike, size)):
      yield batch


def _restore(wanted: Sequence[Damaged], config: DeepPriorTaskConfig) -> list[Restored]:
  """Fits networks to everything in a batch; those of one architecture and size together."""
  jobs = [(damaged, restart) for damaged in wanted for restart in range(config.restarts)]
  kinds: dict[tuple, list[int]] = {}
  for i, (damaged, _) in enumerate(jobs):
    operators = tuple(type(operator) for operator in damaged.degradation.operators)
    kinds.setdefault((_setup(damaged), damaged.target.shape, operators), []).append(i)
  fitted: dict[int, Fitted] = {}
  for kind in kinds.values():
    for start in range(0, len(kind), config.batch_size):
      part = kind[start : start + config.batch_size]
      fitted |= zip(part, _fit([jobs[i] for i in part], config), strict=True)
  in_order = iter([fitted[i] for i in range(len(jobs))])
  return [_mean([next(in_order) for _ in range(config.restarts)]) for _ in wanted]


def _mean(fitted: list[Fitted]) -> Restored:
  images = np.stack([one.fit.image for one in fitted])
  deviation = np.mean(np.std(images, axis=0), axis=2) / 2 if len(fitted) > 1 else None
  first = fitted[0]
  seconds = sum(one.seconds for one in fitted)
  return Restored(to_bytes(np.mean(images, axis=0)), deviation, first.fit, first.frames, seconds)


def _setup(damaged: Damaged) -> deep_prior.Setup:
  config = damaged.config
  architecture = network(config.network)
  return deep_prior.Setup(
    architecture, config.prior_loss, damaged.height, damaged.width, config.stopping
  )


def _fit(jobs: list[tuple[Damaged, int]], config: DeepPriorTaskConfig) -> list[Fitted]:
  """Fits one network to each of some pictures of one kind."""
  frames: list[tuple[int, np.ndarray]] = []
  started = time.monotonic()
  names = [damaged.item.name for damaged, _ in jobs]
  most = max(damaged.config.num_steps for damaged, _ in jobs)
  with console.steps(config.task, names, most) as bar:

    def on_progress(progress: deep_prior.Progress) -> None:
      bar.show(progress.step, progress.loss)
      if config.save_every:
        frames.append((progress.step, to_bytes(progress.images())))

    fit = deep_prior.run(
      _setup(jobs[0][0]),
      stack([_problem(damaged, restart) for damaged, restart in jobs]),
      on_progress,
      config.save_every or deep_prior.CHUNK_STEPS,
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


def _problem(damaged: Damaged, restart: int) -> deep_prior.Problem:
  config = damaged.config
  sigma = sum(float(noise.sigma) ** 2 for noise in noises(damaged.degradation)) ** 0.5
  patience = {'last': 0, 'variance': max(1, config.num_steps // 2), 'noise': 1}
  hyper = deep_prior.Hyper(
    num_steps=jnp.int32(config.num_steps),
    learning_rate=jnp.float32(config.learning_rate),
    input_noise=jnp.float32(config.input_noise),
    perturbation=jnp.float32(config.perturbation),
    averaging=jnp.float32(config.averaging),
    patience=jnp.int32(patience[config.stopping]),
    sigma=jnp.float32(sigma),
  )
  blank = np.zeros((damaged.height, damaged.width, 3), np.float32)
  return deep_prior.Problem(
    jnp.asarray(damaged.target),
    damaged.degradation.visible(*damaged.target.shape[:2]),
    jnp.asarray(blank if damaged.truth is None else to_float(damaged.truth)),
    _model(damaged),
    hyper,
    image_key(config.seed + restart, damaged.item.name),
  )


def _model(damaged: Damaged) -> degradations.Pipeline:
  """What is done to the network's output; it leaves white noise out by itself."""
  operators = damaged.degradation.operators
  kept = tuple(o for o in operators if not isinstance(o, degradations.GaussianNoise))
  return degradations.Pipeline(kept) if kept else degradations.parse('identity()')


def _write(
  store: data.Store, config: DeepPriorTaskConfig, damaged: Damaged, restored: Restored
) -> None:
  """Writes one picture's files and its record."""
  name, fit = damaged.item.name, restored.fit
  files = {
    'restored': store.write_image('restored', name, restored.image),
    **_inputs(store, damaged),
    'curve': store.write_bytes(f'curves/{name}.png', _curve(damaged, fit)),
  }
  if damaged.degradation.is_only_masks:
    files['completed'] = store.write_image('completed', name, _completed(damaged, restored.image))
  if restored.deviation is not None:
    drawn = report.deviation_map(restored.deviation)
    files['deviation'] = store.write_bytes(f'deviation/{name}.png', drawn)
  if restored.frames:
    pictures = [frame for _, frame in restored.frames]
    movie = report.animation(pictures, [f'step {step}' for step, _ in restored.frames])
    files['progress'] = store.write_bytes(f'progress/{name}.webp', movie)
  store.add_result(
    {
      'name': name,
      'source': str(damaged.item.path),
      'task': config.task,
      **damaged.record,
      'files': files,
      'metrics': _metrics(damaged, restored.image),
      'loss': float(fit.loss[-1]),
      'settled_at': int(fit.chosen_at),
      'num_steps': int(fit.num_steps),
      'seconds': round(restored.seconds, 2),
    }
  )


def _inputs(store: data.Store, damaged: Damaged) -> dict[str, str]:
  name = damaged.item.name
  files = {'degraded': store.write_image('degraded', name, to_bytes(damaged.target))}
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', name, damaged.truth)
  return files


def _curve(damaged: Damaged, fit: deep_prior.Fit) -> bytes:
  curves = {'total': fit.loss}
  if np.isfinite(fit.variance).any():
    curves['variance of outputs'] = fit.variance
  psnr = None if damaged.truth is None else fit.psnr
  return report.loss_curve(curves, int(fit.chosen_at), damaged.item.name, psnr, 'taken')


def _write_sweep(
  store: data.Store,
  config: DeepPriorTaskConfig,
  variants: list[Damaged],
  restored: list[Restored],
) -> None:
  """Writes one picture's table, heat map and curves, and its record."""
  name = variants[0].item.name
  entries: list[dict[str, Any]] = []
  for i, (setting, damaged, one) in enumerate(
    zip(settings(config), variants, restored, strict=True)
  ):
    curve = store.write_bytes(f'curves/{name}/{i:04d}.png', _curve(damaged, one.fit))
    entries.append(
      {
        'setting': setting,
        'misfit': _misfit(damaged, one.image),
        **_metrics(damaged, one.image),
        'settled_at': int(one.fit.chosen_at),
        'num_steps': int(one.fit.num_steps),
        'seconds': round(one.seconds, 2),
        'curve': curve,
      }
    )
  files = combinations.write(
    store, name, sweeps.axes(config.sweep), [one.image for one in restored], entries
  )
  best = combinations.best_of(entries)
  store.add_result(
    {
      'name': name,
      'source': str(variants[best].item.path),
      'task': config.task,
      **variants[best].record,
      'files': {**files, **_inputs(store, variants[best])},
      'metrics': _metrics(variants[best], restored[best].image),
      'best': entries[best]['setting'],
      'sweep': entries,
    }
  )


def _completed(damaged: Damaged, restored: np.ndarray) -> np.ndarray:
  """The input's own pixels, and the restored ones in its holes; uint8."""
  visible = np.asarray(damaged.degradation.visible(damaged.height, damaged.width)) > 0
  return np.where(visible, to_bytes(damaged.target), restored)


def _misfit(damaged: Damaged, image: np.ndarray) -> float:
  """The mean squared difference of what is visible, of values in [0, 1]."""
  degraded = _model(damaged).model(jnp.asarray(to_float(image)), jax.random.key(0))
  visible = damaged.degradation.visible(*damaged.target.shape[:2])
  target = jnp.asarray(damaged.target)
  return float(deep_prior.distance('l2', degraded, target, visible)) / 4


def _metrics(damaged: Damaged, restored: np.ndarray) -> dict[str, float]:
  """PSNR and SSIM against the truth, where it is known; the degraded picture's beside them."""
  if damaged.truth is None:
    return {}
  truth = to_float(damaged.truth)
  size = (damaged.width, damaged.height)
  shown = Image.fromarray(to_bytes(damaged.target)).resize(size, Image.Resampling.NEAREST)
  values = {}
  for suffix, picture in (('', restored), ('_degraded', np.asarray(shown))):
    values[f'psnr{suffix}'] = metrics.psnr(to_float(picture), truth)
    values[f'ssim{suffix}'] = metrics.ssim(to_float(picture), truth)
  if damaged.degradation.is_only_masks:
    whole = to_float(_completed(damaged, restored))
    values |= {'psnr_completed': metrics.psnr(whole, truth)}
    values |= {'ssim_completed': metrics.ssim(whole, truth)}
  return {key: round(float(value), 4) for key, value in values.items()}
