"""Settings and configuration of `pix2pix_train`."""

import dataclasses
from typing import Any, ClassVar, Self

from ganjax.choices import GanLoss, Norm, Patch
from ganjax.tasks.config import (
  WithDegradation,
  WithPairs,
  config_from_flags,
  require_batch_size,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting
from ganjax.tasks.train.training_config import TrainingConfig, WithAveraging, WithPictures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pix2pixTrainConfig(WithAveraging, WithPictures, WithPairs, WithDegradation, TrainingConfig):
  """One run of `pix2pix_train`."""

  HEADING: ClassVar[str] = 'Pix2pix'
  DEFAULTS: ClassVar = {
    'degradation': 'mask(boxes=2)',
    'num_steps': 40_000,
    'learning_rate': 2e-4,
  }

  jitter: float = setting(
    "The image's side over that of the window cut from it.", 286 / 256, lower=1
  )
  unet_width: int = setting("Channels of the U-Net's first level.", 64, lower=1)
  unet_max_width: int = setting('Channels of a level at most.', 512, lower=1)
  norm: Norm = setting('Normalisation.', 'batch')
  patch: Patch = setting('Side of the patches that the discriminator judges, px.', 70)
  patchgan_width: int = setting("Channels of the discriminator's first layer.", 64, lower=1)
  gan_loss: GanLoss = setting('Adversarial loss.', 'lsgan')
  l1_weight: float = setting('Of the L1 distance to the truth.', 100.0, lower=0)
  adam_b1: float = setting("Adam's β₁.", 0.5, lower=0, upper=0.999)
  decay_from: float = setting(
    'Share of the steps after which the rate falls to 0.', 0.5, lower=0, upper=1
  )
  dropout: float = setting('Share of activations dropped.', 0.5, lower=0, upper=0.9)
  accumulate: int = setting('A batch is worked off in so many parts, for less memory.', 1, lower=1)

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    require_input('a folder of pictures to learn from')
    paired = FLAGS.truth or FLAGS.side_by_side
    if FLAGS.truth and FLAGS.side_by_side:
      raise ConfigError('--truth and --side_by_side exclude each other: name one')
    if paired and FLAGS.degradation:
      raise ConfigError('--degradation makes conditions of clean pictures; these have conditions')
    if FLAGS.side is not None and FLAGS.side & (FLAGS.side - 1):
      raise ConfigError(f'--side={FLAGS.side}: give a power of two, such as 128 or 256')
    require_batch_size()
    chosen: dict[str, Any] = {'degradation': ''} if paired else {}
    config = config_from_flags(cls, **chosen)
    if '?' in config.degradation:
      raise ConfigError(f"--degradation={config.degradation}: pix2pix cannot learn '?'; name it")
    if config.batch_size % config.accumulate:
      raise ConfigError(
        f'--accumulate={config.accumulate}: does not divide --batch_size={config.batch_size}; '
        'choose one that does'
      )
    return config
