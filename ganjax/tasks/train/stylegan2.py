"""Train a StyleGAN2 with adaptive augmentation (StyleGAN2-ADA), anew or from given weights."""

import contextlib
import dataclasses
import functools
from collections.abc import Container, Generator, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from ganjax import data, faces, training, weights
from ganjax.models.inception import Inception
from ganjax.runtime import devices, precision
from ganjax.tasks import console
from ganjax.tasks.config import ConfigError
from ganjax.tasks.train import stylegan2_plan
from ganjax.tasks.train.stylegan2_config import KIMG, TrainGeneratorConfig
from ganjax.tasks.train.training_config import BUNDLED
from ganjax.tasks.train.training_run import WEIGHTS, Run, intervals, opened, progress
from ganjax.training.stylegan2 import dataset, frechet, sample_sheets, trainer, training_plan
from ganjax.weights import Networks, trained

BEST = 'best.safetensors'  # of the lowest Fréchet distance: Inception's where there is one
SHOWN = 32, 8  # pictures in a sheet of samples, and in a row
LOOKED_AT = 64  # photographs that say where faces lie
FRECHET = 'frechet_distance'  # of dlib's descriptors, × 1000
FRECHET_INCEPTION = 'frechet_inception'


def run(config: TrainGeneratorConfig) -> int:
  """Trains; returns the number of pictures that could not be read."""
  with opened(config) as opened_run:
    pictures = training.Pictures(config.input)
    classes = dataset.folders(pictures) if config.class_conditional else ()
    given = _given(config)
    inception = weights.load_inception(config.inception) if config.inception else None
    plan = stylegan2_plan.plan(config, given, len(classes))
    mesh = devices.data_mesh(trainer.DEVICES, devices.devices_for(plan.num_chunks))
    _check_batch(plan, mesh.size)
    side = plan.generator.resolution
    learn = dataset.reader(pictures, side, classes)

    def on_failure(index: int, error: data.ImageError) -> None:
      opened_run.fail(pictures.entry(index), error)

    feed = training.Feed(
      learn,
      len(pictures),
      config.batch_size,
      config.seed,
      threads=config.threads,
      on_failure=on_failure,
    )
    judge = _Quality(config, learn, len(pictures), given, inception)
    start = _start(config, plan, given)
    state = opened_run.restored(devices.replicate(mesh, start))
    if opened_run.store is not None:
      _print_beginning(config, opened_run, len(pictures), side, mesh.size)
    with contextlib.closing(_batches(feed, plan, mesh, opened_run.first)) as batches:
      _train(config, opened_run, plan, mesh, state, batches, judge)
    return _print_summary(config, opened_run)


def _given(config: TrainGeneratorConfig) -> Networks | None:
  """The networks to begin with."""
  if config.init_from is None:
    return None
  networks = weights.load(None if config.init_from == BUNDLED else config.init_from)
  if config.side not in (None, networks.resolution):
    raise ConfigError(
      f'--side={config.side}: {config.init_from} makes pictures of {networks.resolution} px; '
      'leave --side out'
    )
  return networks


def _check_batch(plan: training_plan.StyleGAN2Plan, num_devices: int) -> None:
  unit = plan.chunk_size * num_devices
  if plan.batch_size % unit:
    raise ConfigError(
      f'--batch_size={plan.batch_size}: must be a multiple of {unit} ({plan.chunk_size} pictures '
      f'that share statistics × {num_devices} devices)'
    )


def _start(config: TrainGeneratorConfig, plan: training_plan.StyleGAN2Plan, given: Networks | None):
  probability = 0.0 if config.augmentation == 'none' else config.augmentation_probability
  if given is None:
    return training_plan.init(plan, probability=probability)
  return training_plan.init(plan, given.generator, given.discriminator, probability)


def _batches(
  feed: training.Feed, plan: training_plan.StyleGAN2Plan, mesh: Mesh, first: int
) -> Generator[training_plan.Batch, None, None]:
  """The feed's batches, in chunks, on the devices."""
  with contextlib.closing(feed.batches(first)) as batches:
    for batch in batches:
      chunks = jax.tree.map(lambda x: x.reshape(-1, plan.chunk_size, *x.shape[1:]), batch)
      yield devices.split(mesh, training_plan.Batch(*chunks), PartitionSpec(trainer.DEVICES))


def _train(
  config: TrainGeneratorConfig,
  opened_run: Run,
  plan: training_plan.StyleGAN2Plan,
  mesh: Mesh,
  state: training_plan.StyleGAN2State,
  batches: Iterator[training_plan.Batch],
  judge: '_Quality',
) -> None:
  def sample(done: int, state: training_plan.StyleGAN2State) -> None:
    if opened_run.store is None:
      return
    networks = training_plan.networks(plan, jax.device_get(state))
    generator, _ = networks
    pictures = list(sample_sheets.samples(generator, SHOWN[0], config.truncation_psi, config.seed))
    opened_run.write_image(done, 'samples', sample_sheets.sheet(pictures, SHOWN[1]))
    _export(config, opened_run, networks, judge, done)
    opened_run.write_curves()

  def log(done: int, means: dict[str, float]) -> None:
    kimg = done * config.batch_size / KIMG
    opened_run.write_measured(done, {**means, 'kimg': kimg}, config.batch_size)

  if config.init_from is not None and not opened_run.first:
    sample(0, state)  # what training must improve on
  with progress(config, opened_run.first, 'sign_real') as advance:
    training.run(
      functools.partial(trainer.step, plan, mesh),
      state,
      opened_run.first,
      batches,
      intervals(config),
      opened_run.checkpoints,
      training.Hooks(log, sample, advance),
    )


class _Quality:
  """Measures generators against the photographs, once it is asked to."""

  def __init__(
    self,
    config: TrainGeneratorConfig,
    learn: dataset.Read,
    count: int,
    given: Networks | None,
    inception: Inception | None,
  ):
    self._config, self._given, self.count = config, given, count
    self._inception = inception
    self.init_sha256 = None if given is None else given.sha256
    order = np.random.default_rng(config.seed).permutation(count)
    self._places = order[: max(config.frechet_pictures, LOOKED_AT)].tolist()
    self._learn = learn

  @functools.cached_property
  def _by(self) -> dict[str, frechet.Distance]:
    """The distances that can be measured, by name."""
    count, found = self._config.frechet_pictures, {}
    if self._landmarks is not None:
      found[FRECHET] = frechet.of_faces(self._photographs(count), self._landmarks)
    if self._inception is not None:
      found[FRECHET_INCEPTION] = frechet.of_inception(self._photographs(count), self._inception)
    return found

  @functools.cached_property
  def _landmarks(self) -> np.ndarray | None:
    """Where the faces lie; None where photographs show none."""
    return frechet.mean_landmarks(self._photographs(LOOKED_AT))

  def _photographs(self, number: int) -> Iterator[np.ndarray]:
    for place in self._places[:number]:
      with contextlib.suppress(data.ImageError):  # the feed has told of it, or will
        yield self._learn(place, np.random.default_rng())[0]

  def distances(self, generator: Any) -> dict[str, float]:
    """The Fréchet distances; none where none is wanted, or nothing can be compared."""
    count = self._config.frechet_pictures
    if not count:
      return {}
    return {
      name: distance(sample_sheets.samples(generator, count, 1.0, self._config.seed))
      for name, distance in self._by.items()
    }

  @functools.cached_property
  def template(self) -> faces.Template:
    """How faces are cropped for the generator."""
    if self._given is not None:
      return self._given.template
    if self._landmarks is None:
      return faces.FFHQ
    return frechet.template(self._landmarks)


def _export(
  config: TrainGeneratorConfig,
  opened_run: Run,
  networks: tuple[Any, Any],
  judge: _Quality,
  done: int,
) -> None:
  """Writes both networks; those of the lowest distance under a name of their own, too."""
  if opened_run.store is None or opened_run.log is None:
    return
  distances = judge.distances(networks[0])
  earlier = opened_run.log.curves()
  if distances:
    opened_run.log.add(done, distances)
  card = _card(config, done, distances, judge)
  file = trained.to_bytes(*networks, judge.template, card)
  opened_run.store.write_bytes(WEIGHTS, file)
  name = _decisive(distances)
  if name and distances[name] <= min(earlier.get(name, ((), ()))[1], default=distances[name]):
    opened_run.store.write_bytes(BEST, file)


def _decisive(measured: Container[str]) -> str | None:
  """By which distance weights are the best."""
  return next((name for name in (FRECHET_INCEPTION, FRECHET) if name in measured), None)


def _card(
  config: TrainGeneratorConfig, done: int, distances: dict[str, float], judge: _Quality
) -> dict[str, Any]:
  """What people should know about the weights."""
  settings = dataclasses.asdict(config)
  kept = {
    *('init_from', 'augmentation', 'augmentation_probability', 'ada_target', 'ada_kimg'),
    *('r1_gamma', 'r1_interval', 'path_weight', 'path_interval', 'style_mixing', 'ema_kimg'),
    *('learning_rate', 'batch_size', 'mirror', 'seed', 'class_conditional', 'bfloat16_from'),
  }
  return {
    'trained_by': f'ganjax --task={config.task}',
    'pictures': judge.count,
    'kimg': done * config.batch_size / KIMG,
    **distances,
    'frechet_pictures': config.frechet_pictures,
    'terms': config.terms,
    'init_sha256': judge.init_sha256,
    'settings': {name: settings[name] for name in sorted(kept)},
    'precision': precision.resolved(config.precision),
  }


def _print_beginning(
  config: TrainGeneratorConfig, opened_run: Run, count: int, side: int, num_devices: int
) -> None:
  begun = f', from step {opened_run.first} on' if opened_run.first else ''
  source = f', beginning with {config.init_from}' if config.init_from else ''
  print(
    f'{config.task}: {count:,} photographs at {side} px{source}, {num_devices} device(s), '
    f'{config.num_steps:,} steps of {config.batch_size}{begun}'
  )


def _print_summary(config: TrainGeneratorConfig, opened_run: Run) -> int:
  if opened_run.store is None or opened_run.log is None:
    return 0
  print(f'{config.task}: done; weights: {opened_run.folder / WEIGHTS}')
  curves = opened_run.log.curves()
  if name := _decisive(curves):
    steps, values = curves[name]
    best = int(np.argmin(values))
    kimg = steps[best] * config.batch_size / KIMG
    print(f'lowest {name} {values[best]:.2f} at {kimg:g} kimg: {opened_run.folder / BEST}')
  return console.print_failures(opened_run.store)
