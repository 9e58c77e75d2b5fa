"""The configuration of `pix2pix_train`, and the flags that give it."""

import dataclasses
from typing import Any

from absl import flags

from ganjax.models.patchgan import PATCHES
from ganjax.models.unet import NORMS, Norm
from ganjax.tasks.config import FLAGS, ConfigError, config_from_flags
from ganjax.tasks.train.training_run import TrainingConfig, batch_size
from ganjax.training.pix2pix import examples, losses

DEFAULTS = {'degradation': 'mask(boxes=2)', 'num_steps': 40_000, 'learning_rate': 2e-4}
LARGEST_SIDE = 256  # that is chosen without being asked for


@dataclasses.dataclass(frozen=True)
class Pix2pixTrainConfig(TrainingConfig):
  """One run of `pix2pix_train`."""

  degradation: str
  truth: str | None
  side_by_side: examples.Order | None
  side: int | None
  jitter: float
  mirror: bool
  unet_width: int
  unet_max_width: int
  norm: Norm
  patch: int
  patchgan_width: int
  gan_loss: losses.GanLoss
  l1_weight: float
  adam_b1: float
  decay_from: float
  dropout: float
  ema_decay: float
  accumulate: int


def define_flags() -> None:
  """Declares the flags of `pix2pix_train`."""
  flags.DEFINE_enum(
    'side_by_side',
    None,
    ('ab', 'ba'),
    'pix2pix: every picture has two halves; a is the condition, b the truth.',
  )
  flags.DEFINE_integer(
    'side',
    None,
    'Training: pictures are brought to this side, px, a power of two. Default (pix2pix): the '
    f'largest one within the first picture, {LARGEST_SIDE} at most.',
    4,
  )
  flags.DEFINE_float(
    'jitter', 286 / 256, "pix2pix_train: the picture's side over that of the window cut from it.", 1
  )
  flags.DEFINE_bool('mirror', True, 'Training: mirror every other picture.')
  flags.DEFINE_integer('unet_width', 64, "pix2pix_train: channels of the U-Net's first level.", 1)
  flags.DEFINE_integer('unet_max_width', 512, 'pix2pix_train: channels of a level at most.', 1)
  flags.DEFINE_enum('norm', 'batch', list(NORMS), 'pix2pix_train: normalisation.')
  flags.DEFINE_enum(
    'patch',
    '70',
    [str(patch) for patch in PATCHES],
    'pix2pix_train: side of the patches that the discriminator judges, px.',
  )
  flags.DEFINE_integer(
    'patchgan_width', 64, "pix2pix_train: channels of the discriminator's first layer.", 1
  )
  flags.DEFINE_enum(
    'gan_loss', 'lsgan', list(losses.ADVERSARIES), 'pix2pix_train: adversarial loss.'
  )
  flags.DEFINE_float('l1_weight', 100.0, 'pix2pix_train: of the L1 distance to the truth.', 0)
  flags.DEFINE_float('adam_b1', 0.5, "pix2pix_train: Adam's β₁.", 0, 0.999)
  flags.DEFINE_float(
    'decay_from', 0.5, 'pix2pix_train: share of the steps after which the rate falls to 0.', 0, 1
  )
  flags.DEFINE_float('dropout', 0.5, 'pix2pix_train: share of activations dropped.', 0, 0.9)
  flags.DEFINE_float(
    'ema_decay', 0.999, 'pix2pix_train: of the moving average of weights.', 0, 0.99999
  )
  flags.DEFINE_integer(
    'accumulate', 1, 'pix2pix_train: a batch is worked off in so many parts, for less memory.', 1
  )


def from_flags() -> Pix2pixTrainConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  if not FLAGS.input:
    raise ConfigError('--input is missing: a folder of pictures to learn from')
  chosen: dict[str, Any] = {
    name: value if getattr(FLAGS, name) is None else getattr(FLAGS, name)
    for name, value in DEFAULTS.items()
  }
  if FLAGS.truth and FLAGS.side_by_side:
    raise ConfigError('--truth and --side_by_side exclude each other: name one')
  if (FLAGS.truth or FLAGS.side_by_side) and FLAGS.degradation:
    raise ConfigError('--degradation makes conditions of clean pictures; these have conditions')
  if FLAGS.side is not None and FLAGS.side & (FLAGS.side - 1):
    raise ConfigError(f'--side={FLAGS.side}: give a power of two, such as 128 or 256')
  if '?' in chosen['degradation']:
    raise ConfigError(f"--degradation={chosen['degradation']}: pix2pix cannot learn '?'; name it")
  if FLAGS.truth or FLAGS.side_by_side:
    chosen['degradation'] = ''
  size = batch_size()
  if size % FLAGS.accumulate:
    raise ConfigError(
      f'--accumulate={FLAGS.accumulate}: does not divide --batch_size={size}; choose one that does'
    )
  return config_from_flags(Pix2pixTrainConfig, **chosen, patch=int(FLAGS.patch), batch_size=size)
