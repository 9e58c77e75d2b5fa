"""Configuration of `sweep`."""

import dataclasses
from typing import Self

from ganjax.restoration.defaults import TUNED_PRESET
from ganjax.tasks.config import WithSweep
from ganjax.tasks.restore_config import AUTO, RestoreConfig, configuration
from ganjax.tasks.settings import FLAGS, ConfigError

# Whose defaults hold where nothing else is said, by the degradation's first operator.
TASK_OF = {
  'blur': 'deblur',
  'grayscale': 'colorize',
  'mask': 'inpaint',
  'downsample': 'super_resolve',
  'noise': 'denoise',
  'jpeg': 'dejpeg',
  'identity': 'invert',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig(WithSweep, RestoreConfig):
  """One run of `sweep`."""

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if not FLAGS.degradation:
      raise ConfigError("--degradation is missing, such as --degradation='blur(variance=7)'")
    operator = FLAGS.degradation.partition('(')[0].partition('|')[0].strip()
    # One phase, in one space: what each number does is seen best there.
    preset = FLAGS.preset or TUNED_PRESET
    config = configuration(cls, TASK_OF.get(operator, 'restore'), preset, degrade_first=True)
    if config.restarts > 1 or config.latent_dist_reg_weight == AUTO or '?' in config.degradation:
      raise ConfigError("--sweep: leave out --restarts, 'auto' and '?'; sweep their values instead")
    if not config.num_steps:
      raise ConfigError('--num_steps=0: a sweep varies the search; give 1 step or more')
    return config
