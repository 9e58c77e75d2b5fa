"""Pix2pix: trains a network that answers a condition with a picture."""

import contextlib
import functools
import math
from collections.abc import Generator, Iterator

import jax
import numpy as np
from jax.sharding import PartitionSpec

from ganjax import data, degradations, training
from ganjax.models.patchgan import PATCHES, PatchGANConfig
from ganjax.models.unet import UNetConfig
from ganjax.pix2pix import conditions, predict
from ganjax.pixels import to_bytes
from ganjax.runtime import devices, precision
from ganjax.tasks.config import ConfigError
from ganjax.tasks.train.pix2pix_config import Pix2pixTrainConfig
from ganjax.tasks.train.training_config import BUNDLED
from ganjax.tasks.train.training_run import WEIGHTS, Run, opened, print_summary, train
from ganjax.training.feed import MAX_NEIGHBOURS
from ganjax.training.pix2pix import examples, trainer
from ganjax.weights import pix2pix

LARGEST_SIDE = 256  # that is chosen without being asked for
SHOWN = 8  # examples in a picture of samples


def run(config: Pix2pixTrainConfig) -> int:
  """Trains; returns the number of pictures that could not be read."""
  with opened(config) as opened_run:
    # One per host of CPUs: with several, each core would update all the weights by itself.
    mesh = devices.data_mesh(trainer.DEVICES, devices.devices_for(jax.process_count()))
    _check_batch(config, mesh.size)
    pictures = training.Pictures(config.input)
    given = _given(config)
    side = given.side if given else config.side or _side(pictures, config)
    plan = _plan(config, side, given)
    jitter = examples.Jitter(config.jitter, config.mirror)
    learn, count = _reader(config, pictures, side, jitter)
    show, _ = _reader(config, pictures, side, None)

    def on_failure(index: int, error: data.ImageError) -> None:
      opened_run.fail(pictures.entry(index), error)

    feed = training.Feed(
      learn, count, config.batch_size, config.seed, threads=config.threads, on_failure=on_failure
    )
    shown = training.Feed(show, count, SHOWN, config.seed + 1, share=(0, 1))
    start = trainer.init(plan, given.unet if given else None)
    state = opened_run.restored(devices.replicate(mesh, start))
    _print_beginning(config, opened_run, count, side, mesh.size)
    with contextlib.closing(_batches(feed, mesh, config.accumulate, opened_run.first)) as batches:
      _train(config, opened_run, plan, mesh, state, batches, shown)
    return print_summary(config, opened_run)


def _given(config: Pix2pixTrainConfig) -> pix2pix.Translator | None:
  """The U-Net to begin with."""
  if config.init_from is None:
    return None
  given = pix2pix.load(None if config.init_from == BUNDLED else config.init_from)
  if config.side not in (None, given.side):
    raise ConfigError(
      f'--side={config.side}: {config.init_from} is for {given.side} px; leave --side out'
    )
  return given


def _check_batch(config: Pix2pixTrainConfig, num_devices: int) -> None:
  if config.batch_size % (num_devices * config.accumulate):
    raise ConfigError(
      f'--batch_size={config.batch_size}: must be a multiple of {num_devices} devices × '
      f'{config.accumulate} parts (--accumulate)'
    )


def _side(pictures: training.Pictures, config: Pix2pixTrainConfig) -> int:
  """The largest power of two that the first picture holds, of those that can be used.

  Raises:
    SourceError: many in a row cannot.
  """
  for index in range(min(len(pictures), MAX_NEIGHBOURS)):
    try:
      picture = pictures.read(index)
      if config.side_by_side:
        source = pictures.entry(index).source
        picture, _ = conditions.split_halves(picture, config.side_by_side, source)
      return min(LARGEST_SIDE, 2 ** int(math.log2(min(picture.shape[:2]))))
    except data.ImageError as error:
      last = error
  raise data.SourceError(f'none of the first pictures can be used; {last}')


def _plan(
  config: Pix2pixTrainConfig, side: int, given: pix2pix.Translator | None
) -> trainer.Pix2PixPlan:
  judge = PatchGANConfig(
    config.patch, config.patchgan_width, 8 * config.patchgan_width, config.norm
  )
  if judge.logits(side) < 1:
    fitting = [patch for patch in PATCHES if PatchGANConfig(patch).logits(side) > 0]
    raise ConfigError(
      f'--patch={config.patch}: too large for pictures of {side} px; one of {fitting} fits'
    )
  return trainer.Pix2PixPlan(
    given.unet.config if given else _architecture(config, side),
    judge,
    num_steps=config.num_steps,
    gan_loss=config.gan_loss,
    l1_weight=config.l1_weight,
    learning_rate=config.learning_rate,
    adam_b1=config.adam_b1,
    decay_from=config.decay_from,
    dropout=config.dropout,
    ema_decay=config.ema_decay,
    seed=config.seed,
    dtype=precision.dtype(config.precision),
  )


def _architecture(config: Pix2pixTrainConfig, side: int) -> UNetConfig:
  depth = int(math.log2(side))
  return UNetConfig(depth, config.unet_width, config.unet_max_width, config.norm)


def _reader(
  config: Pix2pixTrainConfig,
  pictures: training.Pictures,
  side: int,
  jitter: examples.Jitter | None,
) -> tuple[examples.Read, int]:
  """What reads one example, and how many there are."""
  if config.truth:
    return examples.paired(pictures, training.Pictures(config.truth), side, jitter)
  if config.side_by_side:
    return examples.side_by_side(pictures, config.side_by_side, side, jitter), len(pictures)
  pipeline = degradations.parse(config.degradation)
  pipeline.check(side, side)
  return examples.degraded(pictures, pipeline, side, jitter), len(pictures)


def _batches(
  feed: training.Feed, mesh: jax.sharding.Mesh, parts: int, first: int
) -> Generator[trainer.Batch, None, None]:
  """The feed's batches, in parts, on the devices."""
  spec = PartitionSpec(None, trainer.DEVICES)
  with contextlib.closing(feed.batches(first)) as batches:
    for batch in batches:
      folded = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)
      yield devices.split(mesh, trainer.Batch(*folded), spec)


def _train(
  config: Pix2pixTrainConfig,
  opened_run: Run,
  plan: trainer.Pix2PixPlan,
  mesh: jax.sharding.Mesh,
  state: trainer.Pix2PixState,
  batches: Iterator[trainer.Batch],
  shown: training.Feed,
) -> None:
  def step(state, batch, number):
    del number
    return trainer.step(plan, mesh, state, batch)

  picked = functools.cache(lambda: next(shown.batches()))

  def sample(done: int, state: trainer.Pix2PixState) -> None:
    if opened_run.store is None:
      return
    unet = trainer.network(plan, jax.device_get(state))
    example = picked()
    restored = predict.predict(unet, example.condition)
    kept = np.where(example.known > 0, example.condition, to_bytes(restored))
    table = np.concatenate([example.condition, kept, example.truth], axis=1)
    opened_run.write_image(done, 'samples', np.concatenate(list(table), axis=1))
    _export(config, opened_run, unet, plan, done)
    opened_run.write_curves()

  train(config, opened_run, step, state, batches, sample, 'l1')


def _export(config: Pix2pixTrainConfig, opened_run: Run, unet, plan, done: int) -> None:
  """Writes the averaged generator, for `pix2pix_predict`."""
  if opened_run.store is None:
    return
  about = {
    'training': {
      **{name: getattr(config, name) for name in ('init_from', 'gan_loss', 'l1_weight')},
      **{name: getattr(config, name) for name in ('learning_rate', 'batch_size', 'dropout')},
      **{name: getattr(config, name) for name in ('ema_decay', 'seed')},
      'steps': done,
      'of_steps': config.num_steps,
    }
  }
  side = 2**plan.generator.depth
  opened_run.store.write_bytes(WEIGHTS, pix2pix.to_bytes(unet, side, config.degradation, about))


def _print_beginning(
  config: Pix2pixTrainConfig, opened_run: Run, count: int, side: int, num_devices: int
) -> None:
  if opened_run.store is None:
    return
  begun = f', from step {opened_run.first} on' if opened_run.first else ''
  print(
    f'{config.task}: {count:,} pictures at {side} px, {num_devices} device(s), '
    f'{config.num_steps:,} steps of {config.batch_size}{begun}'
  )
