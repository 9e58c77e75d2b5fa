"""Flags and configuration of `train_generator`, and the plan that they make."""

import dataclasses
from typing import Any

from absl import flags

from ganjax.models.architecture import (
  DiscriminatorConfig,
  GeneratorConfig,
  MappingConfig,
  channel_widths,
)
from ganjax.runtime import precision
from ganjax.tasks.config import FLAGS, ConfigError, config_from_flags
from ganjax.tasks.train.training_run import TrainingConfig, batch_size
from ganjax.training.stylegan2 import formulas, training_plan
from ganjax.weights import Networks

DEFAULTS = {'num_steps': 100_000, 'learning_rate': 0.0025}
BUNDLED = 'default'  # --init_from: the weights that come with ganjax
KIMG = 1000
ADA_KIMG, ADA_KIMG_FROM_WEIGHTS = 500, 100  # as the paper's authors' own programs


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
  inception: str | None
  bfloat16_from: int
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
    'inception',
    None,
    'train_generator: Inception weights made by ports.inception: the Fréchet distance of its '
    'features is measured, too, and says which weights are best.',
  )
  flags.DEFINE_integer(
    'bfloat16_from',
    32,
    'train_generator: with --precision=bfloat16, the resolution from which it holds, px: smaller '
    'ones take little time, are numerically delicate, and compute in float32.',
    4,
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
  return config_from_flags(TrainGeneratorConfig, **chosen, batch_size=size, save_every=every)


def plan(
  config: TrainGeneratorConfig, given: Networks | None, classes: int
) -> training_plan.StyleGAN2Plan:
  """What the flags ask for.

  Args:
    given: the networks to begin with.
    classes: how many the photographs have; 0 for none.

  Raises:
    ConfigError: the given networks have other classes.
  """
  generator, discriminator = _architectures(config, given, classes)
  if generator.c_dim != classes:
    raise ConfigError(
      f'{config.init_from}: has {generator.c_dim} classes, --input has {classes} '
      '(see --class_conditional)'
    )
  adaptive = config.augmentation == 'ada'
  default_ada = ADA_KIMG if given is None else ADA_KIMG_FROM_WEIGHTS
  gamma = formulas.r1_weight(generator.resolution, config.batch_size)
  ema_kimg = config.batch_size * 10 / 32 if config.ema_kimg is None else config.ema_kimg
  return training_plan.StyleGAN2Plan(
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
    dtype=precision.dtype(config.precision),
    dtype_from=config.bfloat16_from,
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
