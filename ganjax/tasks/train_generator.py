"""Train a StyleGAN2 with adaptive augmentation (StyleGAN2-ADA), anew or from given weights."""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from jax.sharding import Mesh, PartitionSpec

from ganjax import data, faces, training, weights
from ganjax.adversarial import losses, photographs, quality, sampling, trainer
from ganjax.models.config import (
  DiscriminatorConfig,
  GeneratorConfig,
  MappingConfig,
  channel_widths,
)
from ganjax.tasks.config import FLAGS, ConfigError, read
from ganjax.tasks.training import WEIGHTS, Run, TrainingConfig, batch_size, opened, progress
from ganjax.weights import CropTemplate, Networks, trained
from ganjax.weights.networks import PRECISIONS

TASKS = ('train_generator',)

DEFAULTS = {'num_steps': 100_000, 'learning_rate': 0.0025}
BEST = 'best.safetensors'  # of the lowest Fréchet distance
BUNDLED = 'default'  # --init_from: the weights that come with ganjax
KIMG = 1000
ADA_KIMG, ADA_KIMG_FROM_WEIGHTS = 500, 100  # as the paper's authors' own programs
SHOWN = 32, 8  # pictures in a sheet of samples, and in a row
LOOKED_AT = 64  # photographs that say where faces lie
FRECHET = 'frechet_distance'


@dataclasses.dataclass(frozen=True)
class TrainGeneratorConfig(TrainingConfig):
  """One run of `train_generator`."""

  init_from: str | None
  side: int | None
  channel_base: int
  channel_max: int
  z_dim: int
  mapping_layers: int
  class_conditional: bool
  mirror: bool
  augmentation: str
  augmentation_probability: float
  ada_target: float
  ada_kimg: float | None
  r1_gamma: float | None
  r1_interval: int
  path_weight: float
  path_interval: int
  style_mixing: float
  ema_kimg: float | None
  truncation_psi: float
  evaluate_every: float
  frechet_pictures: int
  terms: str


def define_flags() -> None:
  """Declares the flags of `train_generator`."""
  flags.DEFINE_string(
    'init_from',
    None,
    'train_generator: weights to begin with (transfer learning): a file made by ports.stylegan2 or '
    f"by this task, or '{BUNDLED}' for the bundled ones. Default: begin at random.",
  )
  flags.DEFINE_integer(
    'channel_base', 16384, 'train_generator: a layer of N px has channel_base / N channels …', 8
  )
  flags.DEFINE_integer('channel_max', 512, 'train_generator: … and so many at most.', 1)
  flags.DEFINE_integer('z_dim', 512, 'train_generator: size of z and w.', 1)
  flags.DEFINE_integer('mapping_layers', 8, 'train_generator: layers from z to w.', 1)
  flags.DEFINE_bool(
    'class_conditional', False, 'train_generator: every folder of --input is a class.'
  )
  flags.DEFINE_enum(
    'augmentation',
    'ada',
    ('ada', 'fixed', 'none'),
    "train_generator: 'ada' adapts its probability to how far the discriminator overfits.",
  )
  flags.DEFINE_float(
    'augmentation_probability', 0.0, 'train_generator: at first, or always if fixed.', 0, 1
  )
  flags.DEFINE_float(
    'ada_target', 0.6, 'train_generator: r_t, the mean sign of logits on photographs.', -1, 1
  )
  flags.DEFINE_float(
    'ada_kimg',
    None,
    'train_generator: thousands of pictures in which the probability may rise from 0 to 1. '
    f'Default: {ADA_KIMG}, or {ADA_KIMG_FROM_WEIGHTS} with --init_from.',
    0.001,
  )
  flags.DEFINE_float(
    'r1_gamma', None, 'train_generator: weight of R1. Default: 0.0002 · side² / batch_size.', 0
  )
  flags.DEFINE_integer('r1_interval', 16, 'train_generator: steps between two uses of R1.', 1)
  flags.DEFINE_float(
    'path_weight', 2.0, 'train_generator: weight of path lengths; 0 leaves them alone.', 0
  )
  flags.DEFINE_integer('path_interval', 4, 'train_generator: steps between two uses of them.', 1)
  flags.DEFINE_float(
    'style_mixing', 0.9, 'train_generator: share of pictures made of two styles.', 0, 1
  )
  flags.DEFINE_float(
    'ema_kimg',
    None,
    'train_generator: half-life of the averaged generator, thousands of pictures. '
    'Default: 10 / 32 of a batch.',
    0.001,
  )
  flags.DEFINE_float(
    'evaluate_every',
    20.0,
    'train_generator: thousands of pictures between two sheets of samples, exports and '
    'Fréchet distances.',
    0.001,
  )
  flags.DEFINE_integer(
    'frechet_pictures',
    1000,
    'train_generator: so many generated faces and photographs are compared; 0 for none.',
    0,
  )
  flags.DEFINE_string(
    'terms', '', "train_generator: for the weights' card: on what terms they may be used."
  )


def from_flags() -> TrainGeneratorConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  if not FLAGS.input:
    raise ConfigError('--input is missing: a folder of photographs to learn from')
  if FLAGS.init_from is None and FLAGS.side is None:
    raise ConfigError('--side is missing: of the pictures to generate, px; or give --init_from')
  if FLAGS.side is not None and (FLAGS.side < 8 or FLAGS.side & (FLAGS.side - 1)):
    raise ConfigError(f'--side={FLAGS.side}: give a power of two, such as 64 or 128')
  if FLAGS.frechet_pictures == 1:
    raise ConfigError('--frechet_pictures=1: give 2 or more (1000 for steady figures), or 0')
  size = batch_size()
  chosen: dict[str, Any] = {
    name: value if getattr(FLAGS, name) is None else getattr(FLAGS, name)
    for name, value in DEFAULTS.items()
  }
  every = max(round(FLAGS.evaluate_every * KIMG / size), 1)
  return read(TrainGeneratorConfig, **chosen, batch_size=size, save_every=every)


def run(config: TrainGeneratorConfig) -> int:
  """Trains; returns the number of pictures that could not be read."""
  with opened(config) as opened_run:
    mesh = training.data_mesh(trainer.DEVICES)
    pictures = training.Pictures(config.input)
    classes = photographs.folders(pictures) if config.class_conditional else ()
    given = _given(config)
    plan = _plan(config, given, len(classes))
    _check_batch(plan, mesh.size)
    side = plan.generator.resolution
    learn = photographs.reader(pictures, side, classes)

    def on_failure(index: int, error: data.ImageError) -> None:
      entry = pictures.entry(index)
      opened_run.fail(entry.source, entry.name, str(error).removeprefix(f'{entry.source}: '))

    feed = training.Feed(
      learn,
      len(pictures),
      config.batch_size,
      config.seed,
      threads=config.threads,
      on_failure=on_failure,
    )
    judge = _Judge(config, learn, len(pictures), given)
    start = _start(config, plan, given)
    state = opened_run.restored(training.replicate(mesh, start))
    if opened_run.store is not None:
      _say(config, opened_run, len(pictures), side)
    with contextlib.closing(_batches(feed, plan, mesh, opened_run.first)) as batches:
      _train(config, opened_run, plan, mesh, state, batches, judge)
    return _summarise(config, opened_run)


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


def _plan(config: TrainGeneratorConfig, given: Networks | None, classes: int) -> trainer.Plan:
  generator, discriminator = _architectures(config, given, classes)
  if generator.c_dim != classes:
    raise ConfigError(
      f'{config.init_from}: has {generator.c_dim} classes, --input has {classes} '
      '(see --class_conditional)'
    )
  adaptive = config.augmentation == 'ada'
  default_ada = ADA_KIMG if given is None else ADA_KIMG_FROM_WEIGHTS
  gamma = losses.r1_weight(generator.resolution, config.batch_size)
  ema_kimg = config.batch_size * 10 / 32 if config.ema_kimg is None else config.ema_kimg
  return trainer.Plan(
    generator,
    discriminator,
    config.batch_size,
    r1_gamma=gamma if config.r1_gamma is None else config.r1_gamma,
    r1_interval=config.r1_interval,
    path_weight=config.path_weight,
    path_interval=config.path_interval if config.path_weight else 0,
    style_mixing=config.style_mixing,
    learning_rate=config.learning_rate,
    ema_half_life=ema_kimg * KIMG,
    ema_ramp_up=0.05 if given is None else None,  # given weights are worth remembering
    mirror=config.mirror,
    augment=config.augmentation != 'none',
    augment_target=config.ada_target if adaptive else None,
    augment_rise=round((default_ada if config.ada_kimg is None else config.ada_kimg) * KIMG),
    seed=config.seed,
    dtype=PRECISIONS[config.precision],
  )


def _architectures(
  config: TrainGeneratorConfig, given: Networks | None, classes: int
) -> tuple[GeneratorConfig, DiscriminatorConfig]:
  if given is not None:
    generator, channels = given.generator.config, given.generator.config.channels
    if given.discriminator is not None:
      return generator, given.discriminator.config
  else:
    assert config.side is not None, 'from_flags has seen to it'
    channels = channel_widths(config.side, config.channel_base, config.channel_max)
    mapping = MappingConfig(
      config.mapping_layers, config.z_dim, embed_features=config.z_dim if classes else 0
    )
    generator = GeneratorConfig(
      config.side, channels, mapping, z_dim=config.z_dim, c_dim=classes, w_dim=config.z_dim
    )
  width = channels[0] if classes else 0
  return generator, DiscriminatorConfig(
    generator.resolution,
    channels,
    MappingConfig(8, width, embed_features=width) if classes else None,
    c_dim=classes,
    cmap_dim=width,
  )


def _check_batch(plan: trainer.Plan, devices: int) -> None:
  unit = plan.chunk_size * devices
  if plan.batch_size % unit:
    raise ConfigError(
      f'--batch_size={plan.batch_size}: must be a multiple of {unit} ({plan.chunk_size} pictures '
      f'that share statistics × {devices} devices)'
    )


def _start(config: TrainGeneratorConfig, plan: trainer.Plan, given: Networks | None):
  probability = 0.0 if config.augmentation == 'none' else config.augmentation_probability
  begin = jax.jit(functools.partial(trainer.init, plan, probability=probability))
  if given is None:
    return begin()
  return begin(given.generator, given.discriminator)


def _batches(
  feed: training.Feed, plan: trainer.Plan, mesh: Mesh, first: int
) -> Generator[trainer.Batch, None, None]:
  """The feed's batches, in chunks, on the devices."""
  with contextlib.closing(feed.batches(first)) as batches:
    for batch in batches:
      chunks = jax.tree.map(lambda x: x.reshape(-1, plan.chunk_size, *x.shape[1:]), batch)
      yield training.split(mesh, trainer.Batch(*chunks), PartitionSpec(trainer.DEVICES))


def _train(
  config: TrainGeneratorConfig,
  opened_run: Run,
  plan: trainer.Plan,
  mesh: Mesh,
  state: trainer.State,
  batches: Iterator[trainer.Batch],
  judge: '_Judge',
) -> None:
  def step(state, batch, number):
    state, metrics = trainer.step(plan, mesh, state, batch)
    return state, trainer.measured(plan, metrics, number)

  def sample(done: int, state: trainer.State) -> None:
    if opened_run.store is None:
      return
    networks = trainer.networks(plan, jax.device_get(state))
    generator, _ = networks
    pictures = list(sampling.samples(generator, SHOWN[0], config.truncation_psi, config.seed))
    opened_run.write_image(done, 'samples', sampling.sheet(pictures, SHOWN[1]))
    _export(config, opened_run, networks, judge, done)
    opened_run.write_curves()

  def log(done: int, means: dict[str, float]) -> None:
    if opened_run.log is not None:
      means['pictures_per_second'] = means.pop('steps_per_second') * config.batch_size
      opened_run.log.add(done, {**means, 'kimg': done * config.batch_size / KIMG})

  if config.init_from is not None and not opened_run.first:
    sample(0, state)  # what training must improve on
  with progress(config, opened_run.first, 'sign_real') as advance:
    training.run(
      step,
      state,
      opened_run.first,
      batches,
      config.rhythm(),
      opened_run.checkpoints,
      training.Hooks(log, sample, advance),
    )


class _View(NamedTuple):
  """What photographs of aligned faces have in common."""

  landmarks: np.ndarray  # [68, 2], in shares of the side
  descriptors: np.ndarray  # [number, 128]


class _Judge:
  """Measures generators against the photographs, once it is asked to."""

  def __init__(
    self,
    config: TrainGeneratorConfig,
    learn: photographs.Read,
    count: int,
    given: Networks | None,
  ):
    self._config, self._given, self.count = config, given, count
    self.init_sha256 = None if given is None else given.sha256
    order = np.random.default_rng(config.seed).permutation(count)
    self._places = order[: max(config.frechet_pictures, LOOKED_AT)].tolist()
    self._learn = learn

  @functools.cached_property
  def _view(self) -> _View | None:
    """None where photographs show no faces."""
    landmarks = quality.mean_landmarks(itertools.islice(self._photographs(), LOOKED_AT))
    if landmarks is None:
      return None
    chosen = itertools.islice(self._photographs(), self._config.frechet_pictures)
    return _View(landmarks, quality.descriptors(list(chosen), landmarks))

  def _photographs(self) -> Iterator[np.ndarray]:
    for place in self._places:
      with contextlib.suppress(data.ImageError):  # the feed has told of it, or will
        yield self._learn(place, np.random.default_rng())[0]

  def distance(self, generator: Any) -> float | None:
    """The Fréchet distance; None where it is not wanted, or there are no faces."""
    count = self._config.frechet_pictures
    if not count or self._view is None:
      return None
    pictures = sampling.samples(generator, count, 1.0, self._config.seed)
    generated = quality.descriptors(pictures, self._view.landmarks)
    return quality.distance(generated, self._view.descriptors)

  @functools.cached_property
  def template(self) -> CropTemplate:
    """How faces are cropped for the generator."""
    if self._given is not None:
      return self._given.template
    landmarks = quality.mean_landmarks(itertools.islice(self._photographs(), LOOKED_AT))
    if landmarks is None:
      return CropTemplate(**dataclasses.asdict(faces.FFHQ))
    return quality.template(landmarks)


def _export(
  config: TrainGeneratorConfig,
  opened_run: Run,
  networks: tuple[Any, Any],
  judge: _Judge,
  done: int,
) -> None:
  """Writes both networks; those of the lowest distance under a name of their own, too."""
  if opened_run.store is None or opened_run.log is None:
    return
  distance = judge.distance(networks[0])
  earlier = opened_run.log.curves().get(FRECHET, ((), ()))[1]
  if distance is not None:
    opened_run.log.add(done, {FRECHET: distance})
  card = _card(config, done, distance, judge)
  file = trained.to_bytes(*networks, judge.template, card)
  opened_run.store.write_bytes(WEIGHTS, file)
  if distance is not None and distance <= min(earlier, default=distance):
    opened_run.store.write_bytes(BEST, file)


def _card(
  config: TrainGeneratorConfig, done: int, distance: float | None, judge: _Judge
) -> dict[str, Any]:
  """What people should know about the weights."""
  settings = dataclasses.asdict(config)
  kept = {
    *('init_from', 'augmentation', 'augmentation_probability', 'ada_target', 'ada_kimg'),
    *('r1_gamma', 'r1_interval', 'path_weight', 'path_interval', 'style_mixing', 'ema_kimg'),
    *('learning_rate', 'batch_size', 'mirror', 'precision', 'seed', 'class_conditional'),
  }
  return {
    'trained_by': f'ganjax --task={config.task}',
    'pictures': judge.count,
    'kimg': done * config.batch_size / KIMG,
    FRECHET: distance,
    'frechet_pictures': config.frechet_pictures,
    'terms': config.terms,
    'init_sha256': judge.init_sha256,
    'settings': {name: settings[name] for name in sorted(kept)},
  }


def _say(config: TrainGeneratorConfig, opened_run: Run, count: int, side: int) -> None:
  begun = f', from step {opened_run.first} on' if opened_run.first else ''
  source = f', beginning with {config.init_from}' if config.init_from else ''
  print(
    f'{config.task}: {count:,} photographs at {side} px{source}, {jax.device_count()} device(s), '
    f'{config.num_steps:,} steps of {config.batch_size}{begun}'
  )


def _summarise(config: TrainGeneratorConfig, opened_run: Run) -> int:
  if opened_run.store is None or opened_run.log is None:
    return 0
  print(f'{config.task}: done; weights: {opened_run.folder / WEIGHTS}')
  steps, values = opened_run.log.curves().get(FRECHET, ((), ()))
  if len(values):
    best = int(np.argmin(values))
    kimg = steps[best] * config.batch_size / KIMG
    print(
      f'lowest Fréchet distance {values[best]:.2f} at {kimg:g} kimg: {opened_run.folder / BEST}'
    )
  failures = opened_run.store.failures
  for failure in failures:
    print(f'failed: {failure["source"]}: {failure["reason"]}')
  return len(failures)
