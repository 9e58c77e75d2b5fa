"""Train an encoder for a generator: from a degraded face to its latent, in one pass."""

import contextlib
import dataclasses
import functools
import itertools
import math
from collections.abc import Generator, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from ganjax import data, inversion, training, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.runtime import devices, precision
from ganjax.tasks.config import ConfigError
from ganjax.tasks.train.encoder_config import TrainEncoderConfig
from ganjax.tasks.train.training_config import BUNDLED
from ganjax.tasks.train.training_run import Run, opened, print_summary, train
from ganjax.training.encoder import examples, plan, trainer
from ganjax.training.stylegan2 import dataset
from ganjax.weights import encoders

WEIGHTS = 'encoder.safetensors'
SHOWN = 16  # faces that are looked at whenever samples are due


def run(config: TrainEncoderConfig) -> int:
  """Trains; returns the number of photos that could not be read."""
  devices.disable_shardy()
  sha256 = weights.tensor_file.sha256(config.weights or weights.DEFAULT)
  with opened(config, sha256) as opened_run:
    networks = weights.load(config.weights, config.precision, init=INIT_AVERAGE)
    perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
    prior = inversion.make_prior(networks, perceptual)
    given = _given(config, networks)
    settings = _plan(config, networks, given)
    mesh = _mesh(settings)
    pictures = training.Pictures(config.input) if config.input else None
    shared = devices.replicate(mesh, trainer.Shared(prior, plan.statistics(prior)))
    state = opened_run.restored(devices.replicate(mesh, plan.init(settings, given)))
    count = 0 if pictures is None else len(pictures)
    _print_beginning(config, opened_run, settings, count, mesh.size)
    shown = _Shown(networks, settings, shared, pictures)
    batches = _batches(config, networks, settings, mesh, pictures, opened_run)
    with contextlib.closing(batches):
      _train(config, opened_run, settings, mesh, shared, state, batches, shown, count)
    return print_summary(config, opened_run, WEIGHTS)


def _given(config: TrainEncoderConfig, networks: weights.Networks) -> encoders.Encoder | None:
  """The encoder to begin with."""
  if config.init_from is None:
    return None
  path = encoders.BUNDLED if config.init_from == BUNDLED else config.init_from
  return encoders.load_encoder(path, networks.sha256)


def _plan(
  config: TrainEncoderConfig, networks: weights.Networks, given: encoders.Encoder | None
) -> plan.EncoderPlan:
  """What the flags ask for."""
  compared = round(config.compared * config.batch_size)
  photos = compared if config.input else 0
  if photos == config.batch_size:
    raise ConfigError(
      f'--compared={config.compared}: leaves no samples, whose latents are known; give less'
    )
  if config.input and not photos:
    raise ConfigError(
      f'--compared={config.compared}: leaves no photo of --input in a batch of '
      f'{config.batch_size}; give more, or leave --input out'
    )
  return plan.EncoderPlan(
    given.config if given else plan.architecture(networks.generator.config),
    config.num_steps,
    samples=config.batch_size - photos,
    photos=photos,
    rendered=compared - photos,
    learning_rate=config.learning_rate,
    latent_weight=config.latent_weight,
    image_weight=config.image_weight,
    perceptual_weight=config.perceptual_weight,
    consistency_weight=config.consistency_weight,
    prior_weight=config.prior_weight,
    spread_weight=config.spread_weight,
    ema_decay=config.ema_decay,
    seed=config.seed,
  )


def _mesh(settings: plan.EncoderPlan) -> Mesh:
  """The devices, which share photos, samples, and those that are compared.

  Raises:
    ConfigError: they cannot.
  """
  counts = settings.samples, settings.photos, settings.rendered
  mesh = devices.data_mesh(trainer.DEVICES, devices.devices_for(math.gcd(*counts)))
  if any(count % mesh.size for count in counts):
    raise ConfigError(
      f'--batch_size, --compared: {settings.samples} samples, {settings.photos} photos and '
      f'{settings.rendered} compared samples must be multiples of {mesh.size} devices'
    )
  return mesh


def _batches(
  config: TrainEncoderConfig,
  networks: weights.Networks,
  settings: plan.EncoderPlan,
  mesh: Mesh,
  pictures: training.Pictures | None,
  opened_run: Run,
) -> Generator[jax.Array, None, None]:
  """The photos of every batch, on the devices; none of them without --input."""
  side = networks.resolution
  spec = PartitionSpec(trainer.DEVICES)
  if pictures is None:
    none = devices.split(mesh, np.zeros((0, side, side, 3), np.uint8), spec)
    yield from itertools.repeat(none)
    return

  def on_failure(index: int, error: data.ImageError) -> None:
    opened_run.fail(pictures.entry(index), error)

  feed = training.Feed(
    dataset.reader(pictures, side),
    len(pictures),
    settings.photos,
    config.seed,
    threads=config.threads,
    on_failure=on_failure,
  )
  with contextlib.closing(feed.batches(opened_run.first)) as batches:
    for photos, _ in batches:
      yield devices.split(mesh, photos, spec)


class _Shown:
  """The same few faces, looked at now and then: photos, or samples where there are none."""

  def __init__(
    self,
    networks: weights.Networks,
    settings: plan.EncoderPlan,
    shared: trainer.Shared,
    pictures: training.Pictures | None,
  ):
    # On the host: only one process looks.
    self._settings, self._shared, self._pictures = settings, jax.device_get(shared), pictures
    self._side, self.sha256 = networks.resolution, networks.sha256

  @functools.cached_property
  def _photos(self) -> np.ndarray | None:
    if self._pictures is None:
      return None
    read = dataset.reader(self._pictures, self._side)
    feed = training.Feed(read, len(self._pictures), SHOWN, self._settings.seed + 1, share=(0, 1))
    with contextlib.closing(feed.batches()) as batches:
      return next(batches)[0]

  def look(self, state: plan.EncoderState) -> examples.Looked:
    """What the averaged encoder makes of them."""
    return examples.look(
      self._settings, self._shared, jax.device_get(state.ema), self._photos, SHOWN
    )


def _train(
  config: TrainEncoderConfig,
  opened_run: Run,
  settings: plan.EncoderPlan,
  mesh: Mesh,
  shared: trainer.Shared,
  state: plan.EncoderState,
  batches: Iterator[jax.Array],
  shown: _Shown,
  count: int,
) -> None:
  def step(state, batch, number):
    del number
    return trainer.step(settings, mesh, shared, state, batch)

  def sample(done: int, state: plan.EncoderState) -> None:
    if opened_run.store is None or opened_run.log is None:
      return
    looked = shown.look(state)
    measured = {name: float(value) for name, value in looked.measured.items()}
    opened_run.log.add(done, measured)
    opened_run.write_image(done, 'samples', looked.sheet)
    encoder = plan.encoder(settings, jax.device_get(state.ema), jax.device_get(shared.statistics))
    card = _card(config, done, count, measured)
    opened_run.store.write_bytes(WEIGHTS, encoders.to_bytes(encoder, shown.sha256, card))
    opened_run.write_curves()

  train(config, opened_run, step, state, batches, sample, 'loss')


def _card(
  config: TrainEncoderConfig, done: int, count: int, measured: dict[str, float]
) -> dict[str, Any]:
  """What people should know about the weights."""
  settings = dataclasses.asdict(config)
  kept = {
    *('init_from', 'learning_rate', 'batch_size', 'compared', 'latent_weight', 'image_weight'),
    *('perceptual_weight', 'consistency_weight', 'prior_weight', 'spread_weight', 'seed'),
  }
  return {
    'trained_by': f'ganjax --task={config.task}',
    'steps': done,
    'of_steps': config.num_steps,
    'photos': count,
    **measured,
    'settings': {name: settings[name] for name in sorted(kept)},
    'precision': precision.resolved(config.precision),
  }


def _print_beginning(
  config: TrainEncoderConfig,
  opened_run: Run,
  settings: plan.EncoderPlan,
  count: int,
  num_devices: int,
) -> None:
  if opened_run.store is None:
    return
  begun = f', from step {opened_run.first} on' if opened_run.first else ''
  photos = f' and {settings.photos} of {count:,} photos' if count else ''
  print(
    f'{config.task}: at {settings.encoder.side} px, {num_devices} device(s), '
    f'{config.num_steps:,} steps of {settings.samples} samples{photos}{begun}'
  )
