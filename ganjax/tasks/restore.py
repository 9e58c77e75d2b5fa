"""Invert and restore: deblur, colorize, inpaint, super_resolve, denoise, dejpeg, restore."""

import itertools
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from ganjax import data, degradations, faces, inversion, metrics, report, weights
from ganjax.inversion import selection
from ganjax.inversion.problem import Problem
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.faces import Face, reduced, unfinished
from ganjax.tasks import console, result_grid
from ganjax.tasks.config import ConfigError
from ganjax.tasks.restore_config import AUTO, RestoreConfig


class DegradedFace(NamedTuple):
  """A face and what the optimisation gets to see of it."""

  face: Face
  degradation: degradations.Pipeline  # as assumed; with unknown parameters until they are found
  target: np.ndarray  # [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [side, side, 3]; None if the input came degraded
  record: dict  # what is worth telling about the degradation


class Restored(NamedTuple):
  """What came out for one face."""

  restoration: inversion.Restoration  # of this face alone
  frames: list[tuple[int, np.ndarray]]  # (step, uint8 picture)
  record: dict  # what is worth telling about how it was chosen
  deviation: np.ndarray | None = None  # [side, side], where restarts disagree


def run(config: RestoreConfig) -> int:
  """Restores every face of the input; returns the number of failures."""
  pipeline = degradations.parse(config.degradation)
  assumed = degradations.parse(config.assumed_degradation or config.degradation)
  networks = weights.load(config.weights, config.precision)
  side = networks.resolution
  pipeline.check(side, side)
  _check_assumption(pipeline, assumed, side)
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    size = pipeline.output_shape(side, side)[0] if config.already_degraded else side
    found = unfinished(store, items, config.align, networks.template, size)
    first = next(found, None)
    if first is not None:
      prior = inversion.make_prior(networks, perceptual)
      for batch in _batches(itertools.chain([first], found), config.batch_size):
        damaged = [damage(face, pipeline, config) for face in batch]
        _restore_batch(config, store, prior, damaged, networks.sha256)
    result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _check_assumption(
  done: degradations.Pipeline, assumed: degradations.Pipeline, side: int
) -> None:
  """Raises ConfigError where the assumption gives pictures of another size, or none."""
  if not assumed.candidates(side, side):
    raise ConfigError(f'{assumed}: no value of what is unknown fits pictures of {side} px')
  shapes = [pipeline.output_shape(side, side) for pipeline in (done, assumed)]
  if shapes[0] != shapes[1]:
    raise ConfigError(f'--assumed_degradation={assumed}: gives another size than {done}')


def _batches(found: Iterable[Face], size: int) -> Iterator[list[Face]]:
  found = iter(found)
  while batch := list(itertools.islice(found, size)):
    yield batch


def damage(face: Face, pipeline: degradations.Pipeline, config: RestoreConfig) -> DegradedFace:
  """Degrades one face, unless it came degraded; the same face always in the same way."""
  done, true_key = inversion.sampled(pipeline, face.name, config.seed)
  picture = to_float(face.crop.image)
  if config.already_degraded:
    return DegradedFace(face, done, picture, None, {'degradation': str(done)})
  target = done.true(picture, true_key)
  record = {'degradation': str(done)}
  if config.assumed_degradation is None:
    return DegradedFace(face, done, target, face.crop.image, record)
  assumed, _ = inversion.sampled(
    degradations.parse(config.assumed_degradation), face.name, config.seed
  )
  return DegradedFace(face, assumed, target, face.crop.image, record)


def _identified(
  prior: inversion.Prior, batch: list[DegradedFace], config: RestoreConfig
) -> list[DegradedFace]:
  """Finds the unknown parameters of the batch's degradations."""
  if not any(damaged.degradation.unknown for damaged in batch):
    return batch
  names = [damaged.face.name for damaged in batch]
  with console.steps('identify', names, inversion.IDENTIFY_STEPS) as bar:
    found = inversion.identify(
      prior,
      np.stack([damaged.target for damaged in batch]),
      [damaged.degradation for damaged in batch],
      names,
      config.seed,
      lambda progress: bar.show(progress.step, np.asarray(progress.terms.loss)),
    )
  return [
    damaged._replace(
      degradation=one.degradation,
      record={**damaged.record, 'estimate': str(one.degradation), 'race': one.losses},
    )
    for damaged, one in zip(batch, found, strict=True)
  ]


def _problems(
  prior: inversion.Prior, damaged: DegradedFace, config: RestoreConfig
) -> list[Problem]:
  """What is inverted for one face: one problem, or several to choose from."""
  one = inversion.make_problem(
    prior, damaged.target, damaged.degradation, damaged.face.name, config.seed, config.hyper()
  )
  if config.latent_dist_reg_weight == AUTO:
    return selection.with_weights(one)
  return selection.restarts(prior, one, config.restarts)


def _restore_batch(
  config: RestoreConfig,
  store: data.Store,
  prior: inversion.Prior,
  batch: list[DegradedFace],
  weights_sha256: str,
) -> None:
  frames: list[tuple[int, np.ndarray]] = []
  started = time.monotonic()
  batch = _identified(prior, batch, config)
  groups = [_problems(prior, damaged, config) for damaged in batch]
  names = [damaged.face.name for damaged in batch]
  with console.steps(config.task, names, config.num_steps) as bar:

    def on_progress(progress: inversion.Progress) -> None:
      bar.show(progress.step, np.asarray(progress.terms.loss))
      if config.save_every and progress.step < config.num_steps:
        frames.append((progress.step, to_bytes(progress.render())))

    result = inversion.run(
      prior,
      inversion.stages(config.chosen_preset()),
      inversion.stack([problem for group in groups for problem in group]),
      on_progress,
      config.save_every or inversion.CHUNK_STEPS,
    )
  seconds = (time.monotonic() - started) / len(batch)
  frames.append((int(np.max(result.num_steps)), to_bytes(np.asarray(result.image))))
  first = 0
  for damaged, group in zip(batch, groups, strict=True):
    rows = slice(first, first + len(group))
    first += len(group)
    own = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf[rows]), result._replace(tuned=None))
    if result.tuned is not None:
      own = own._replace(tuned=result.tuned[rows])
    own_frames = [(step, pictures[rows]) for step, pictures in frames]
    restored = _chosen(prior, group, own, own_frames, config)
    record = _write(store, config, damaged, restored, weights_sha256)
    store.add_result({**record, 'seconds': round(seconds, 2)})


def _chosen(
  prior: inversion.Prior,
  problems: list[Problem],
  group: inversion.Restoration,
  frames: list[tuple[int, np.ndarray]],
  config: RestoreConfig,
) -> Restored:
  """The best of one face's inversions."""
  record: dict = {}
  deviation = None
  if config.latent_dist_reg_weight == AUTO:
    stacked = inversion.stack(problems)
    misfits = selection.misfits(prior, config.chosen_preset(), stacked, group.image)
    assert group.latent is not None
    best = selection.select_weight(prior, group.latent, misfits)
    record = {'latent_dist_reg_weight': selection.WEIGHT_GRID[best]}
  else:
    best = int(np.argmin(group.loss[:, -1]))
    if config.restarts > 1:
      record = {'restart': best, 'losses': group.loss[:, -1].tolist()}
      deviation = selection.deviation(np.asarray(group.image))
  one = jax.tree.map(lambda leaf: leaf[best], group._replace(tuned=None))
  if group.tuned is not None:
    one = one._replace(tuned=group.tuned[best : best + 1])
  return Restored(one, [(step, pictures[best]) for step, pictures in frames], record, deviation)


def _write(
  store: data.Store,
  config: RestoreConfig,
  damaged: DegradedFace,
  chosen: Restored,
  weights_sha256: str,
) -> dict:
  """Writes one face's files; returns its record."""
  result, frames = chosen.restoration, chosen.frames
  restored = frames[-1][1]
  face, name = damaged.face, damaged.face.name
  files = {'restored': store.write_image('restored', name, restored)}
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', name, damaged.truth)
  if config.task != 'invert':
    files['degraded'] = store.write_image('degraded', name, to_bytes(damaged.target))
  completed = _completed(damaged, restored)
  if completed is not None:
    files['completed'] = store.write_image('completed', name, completed)
  if face.is_cut:
    whole = restored if completed is None else completed
    pasted = faces.paste(face.photo, whole, face.crop.quad)
    files['pasted'] = store.write_image('pasted', name, pasted)
  files['photo'] = store.write_image('photos', name, reduced(face.photo))
  files['latent'] = store.write_array(
    'latents',
    name,
    latent=result.latent,
    **{f'noise.{key}': value for key, value in result.noise.items()},
    loss=result.loss,
    weights_sha256=weights_sha256,
    config_hash=store.config_hash,
    quad=face.crop.quad,
  )
  if result.tuned is not None:
    tuned = weights.to_bytes(result.tuned[0], weights.tuned.header(weights_sha256))
    files['tuned'] = store.write_bytes(f'tuned/{name}.safetensors', tuned)
  terms = {'total': result.loss, **result.terms._asdict()}
  curve = report.loss_curve(terms, int(result.settled_at), name)
  files['curve'] = store.write_bytes(f'curves/{name}.png', curve)
  if config.save_every:
    for step, frame in frames:
      store.write_image(f'progress/{name}', f'step_{step:05d}', frame)
    movie = report.animation([frame for _, frame in frames], [f'step {s}' for s, _ in frames])
    files['progress'] = store.write_bytes(f'progress/{name}.webp', movie)
  if chosen.deviation is not None:
    files['deviation'] = store.write_bytes(
      f'deviation/{name}.png', report.deviation_map(chosen.deviation)
    )
  return {
    'name': name,
    'source': face.source,
    'num_results': face.num_results,
    'task': config.task,
    **damaged.record,
    **chosen.record,
    'files': files,
    'metrics': _metrics(damaged, restored, completed, config),
    'loss': float(result.loss[-1]),
    'settled_at': int(result.settled_at),
    'num_steps': int(result.num_steps),
  }


def _completed(damaged: DegradedFace, restored: np.ndarray) -> np.ndarray | None:
  """The restored picture with what the input shows put back; None where that is not possible."""
  if not damaged.degradation.is_only_projections:
    return None
  return degradations.completed(damaged.degradation, damaged.target, restored)


def _metrics(
  damaged: DegradedFace, restored: np.ndarray, completed: np.ndarray | None, config: RestoreConfig
) -> dict[str, float]:
  """Fidelity to the input; PSNR and SSIM against the truth, where there is one."""
  _, key = inversion.degradation_keys(damaged.face.name, config.seed)
  again = damaged.degradation.true(to_float(restored), key)
  values = {'fidelity': float(metrics.psnr(again, damaged.target))}
  if damaged.truth is not None:
    pictures = {} if completed is None else {'completed': completed}
    pictures['restored'] = restored
    if config.task != 'invert':
      pictures['degraded'] = to_bytes(damaged.target)
    values |= metrics.against_truth(pictures, damaged.truth)
  return {name: round(value, 4) for name, value in values.items()}
