"""Settings and configuration of `pix2pix_predict`."""

import dataclasses
from typing import ClassVar, Self

from ganjax.choices import Blend
from ganjax.tasks.config import (
  Config,
  WithBatchSize,
  WithInput,
  WithMask,
  WithPairs,
  WithPrecision,
  WithSeed,
  WithWeights,
  config_from_flags,
  is_degraded_first,
  require_batch_size,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pix2pixPredictConfig(
  WithPairs,
  WithMask,
  WithBatchSize,
  WithSeed,
  WithPrecision,
  WithWeights,
  Config,
  WithInput,
):
  """One run of `pix2pix_predict`; without a degradation that of the network holds."""

  HEADING: ClassVar[str] = 'Holes'
  DEFAULTS: ClassVar = {'degradation': None}

  masks: str | None = setting(
    'CSV that says which photos to restore and where their two holes are: '
    'filename, x1, y1, x2, y2 (top-left corners, px).',
    None,
  )
  box_size: int | None = setting(
    'Side of the boxes of --masks, px. Default: 75 at 256 px, and in proportion.', None, lower=1
  )
  blend: Blend = setting('How seams around holes are removed.', 'none')

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    require_input()
    if FLAGS.masks and (FLAGS.degradation or FLAGS.side_by_side):
      raise ConfigError('--masks says where holes are; leave --degradation and --side_by_side out')
    if FLAGS.box_size and not FLAGS.masks:
      raise ConfigError('--box_size belongs to --masks; with --degradation write mask(size=…)')
    if FLAGS.truth and FLAGS.side_by_side:
      raise ConfigError('--truth and --side_by_side exclude each other: name one')
    first = is_degraded_first()
    if FLAGS.degradation and not first:
      raise ConfigError(
        '--degradation: goes with --degrade_first; where holes are in pictures that have them, '
        '--mask or --masks says'
      )
    if FLAGS.mask and (first or FLAGS.masks or FLAGS.side_by_side):
      raise ConfigError(
        '--mask says where pictures have holes; leave --degrade_first, --masks and --side_by_side '
        'out'
      )
    require_batch_size()
    return config_from_flags(cls, degrade_first=first)
