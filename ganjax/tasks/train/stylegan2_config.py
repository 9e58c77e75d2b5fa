"""Settings and configuration of `train_generator`."""

import dataclasses
from typing import ClassVar, Literal, Self

from ganjax.tasks.config import (
  WithInception,
  WithTruncation,
  config_from_flags,
  require_batch_size,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting
from ganjax.tasks.train.training_config import TrainingConfig, WithPictures

KIMG = 1000
ADA_KIMG, ADA_KIMG_FROM_WEIGHTS = 500, 100  # as the paper's authors' own programs


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainGeneratorConfig(WithInception, WithTruncation, WithPictures, TrainingConfig):
  """One run of `train_generator`."""

  HEADING: ClassVar[str] = 'StyleGAN2'
  DEFAULTS: ClassVar = {'num_steps': 100_000, 'learning_rate': 0.0025}

  save_every: int  # steps; no flag: --evaluate_every says it in pictures
  channel_base: int = setting('A layer of N px has channel_base / N channels …', 16384, lower=8)
  channel_max: int = setting('… and so many at most.', 512, lower=1)
  z_dim: int = setting('Size of z and w.', 512, lower=1)
  mapping_layers: int = setting('Layers from z to w.', 8, lower=1)
  class_conditional: bool = setting('Every folder of --input is a class.', False)
  augmentation: Literal['ada', 'fixed', 'none'] = setting(
    "'ada' adapts its probability to how far the discriminator overfits.", 'ada'
  )
  augmentation_probability: float = setting('At first, or always if fixed.', 0.0, lower=0, upper=1)
  ada_target: float = setting(
    'r_t, the mean sign of logits on photographs.', 0.6, lower=-1, upper=1
  )
  ada_kimg: float | None = setting(
    'Thousands of images in which the probability may rise from 0 to 1. '
    f'Default: {ADA_KIMG}, or {ADA_KIMG_FROM_WEIGHTS} with --init_from.',
    None,
    lower=0.001,
  )
  r1_gamma: float | None = setting(
    'Weight of R1. Default: 0.0002 · side² / batch_size.', None, lower=0
  )
  r1_interval: int = setting('Steps between two uses of R1.', 16, lower=1)
  path_weight: float = setting('Weight of path lengths; 0 leaves them alone.', 2.0, lower=0)
  path_interval: int = setting('Steps between two uses of them.', 4, lower=1)
  style_mixing: float = setting('Share of images made of two styles.', 0.9, lower=0, upper=1)
  ema_kimg: float | None = setting(
    'Half-life of the averaged generator, thousands of images. Default: 10 / 32 of a batch.',
    None,
    lower=0.001,
  )
  evaluate_every: float = setting(
    'Thousands of images between two sheets of samples, exports and Fréchet distances.',
    20.0,
    lower=0.001,
  )
  frechet_pictures: int = setting(
    'So many generated faces and photographs are compared; 0 for none.', 1000, lower=0
  )
  bfloat16_from: int = setting(
    'With --precision=bfloat16, the resolution from which it holds, px: smaller '
    'ones take little time, are numerically delicate, and compute in float32.',
    32,
    lower=4,
  )
  terms: str = setting("For the weights' card: on what terms they may be used.", '')

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    require_input('a folder of photographs to learn from')
    if FLAGS.init_from is None and FLAGS.side is None:
      raise ConfigError('--side is missing: of the pictures to generate, px; or give --init_from')
    if FLAGS.side is not None and (FLAGS.side < 8 or FLAGS.side & (FLAGS.side - 1)):
      raise ConfigError(f'--side={FLAGS.side}: give a power of two, such as 64 or 128')
    if FLAGS.frechet_pictures == 1:
      raise ConfigError('--frechet_pictures=1: give 2 or more (1000 for steady figures), or 0')
    require_batch_size()
    config = config_from_flags(cls)
    every = max(round(config.evaluate_every * KIMG / config.batch_size), 1)
    return dataclasses.replace(config, save_every=every)
