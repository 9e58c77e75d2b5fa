"""Settings and configuration of `evaluate`, and the methods that it knows."""

import dataclasses
from typing import Any, ClassVar, Self

from ganjax.tasks import levels
from ganjax.tasks.config import WithInception
from ganjax.tasks.restore_config import (
  INIT_AVERAGE,
  RESTORATIONS,
  RestoreConfig,
  configuration,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting

# The optimisation as published: Adam 0.1, noise maps of unit variance, noise on w; no pixel term.
PUBLISHED: dict[str, Any] = {
  'noise_maps': 'optimised',
  'learning_rate': 0.1,
  'noise_reg_weight': 1e5,
  'w_noise': 0.05,
  'pixel_weight': 0.0,
  'latent_dist_reg_weight': 0.0,
  'init': INIT_AVERAGE,
}
# Method -> (preset, or None for the task's own; what differs from the task's defaults).
METHODS: dict[str, tuple[str | None, dict[str, Any]]] = {
  'ganjax': (None, {}),
  'encoder': (None, {'num_steps': 0, 'space': 'w_plus'}),  # one pass, and no step
  'projector': ('projector', {}),
  'projector_w': ('projector', {**PUBLISHED, 'space': 'w'}),
  'projector_w_plus': ('projector', {**PUBLISHED, 'space': 'w_plus'}),
  'robust': ('robust', {}),
  'robust_published': ('robust_published', {}),
}
DEEP_PRIOR = 'deep_prior'  # a method without a preset: the task of that name
DEFAULT_LEVEL = 'default'


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig(WithInception, RestoreConfig):
  """One run of `evaluate`: the runs that it consists of differ from it in a few fields."""

  HEADING: ClassVar[str] = 'Measuring'
  ALSO: ClassVar = (DEEP_PRIOR, f'--methods={DEEP_PRIOR}')

  tasks: tuple[str, ...] = setting(
    'What is measured.',
    tuple(task for task in RESTORATIONS if task != 'restore'),
    choices=(*RESTORATIONS, *levels.COMPOSED),
  )
  levels: tuple[str, ...] = setting(
    f"How heavy the damage is; {DEFAULT_LEVEL} is the task's own.",
    (DEFAULT_LEVEL,),
    choices=(DEFAULT_LEVEL, *levels.NAMES),
  )
  methods: tuple[str, ...] = setting(
    'What is compared.', ('ganjax', 'projector_w'), choices=(*METHODS, DEEP_PRIOR)
  )

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if FLAGS.already_degraded or FLAGS.degradation:
      raise ConfigError(
        '--degradation, --already_degraded: evaluate degrades clean pictures by --tasks and '
        '--levels'
      )
    return configuration(cls, 'invert', degrade_first=True)
