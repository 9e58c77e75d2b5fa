"""Settings of `deep_prior` and the configuration that they make."""

import dataclasses
from typing import Any, ClassVar

from ganjax.choices import PriorLoss, Stopping
from ganjax.restoration.defaults import with_masks
from ganjax.tasks.config import (
  Config,
  WithAssumption,
  WithBatchSize,
  WithInput,
  WithProgress,
  WithRestarts,
  WithSeed,
  WithSteps,
  WithSweep,
  WithTruth,
  config_from_flags,
  is_degraded_first,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting

SMALLEST_SIDE = 32  # px
# What is done to a clean picture where nothing is said (25 / 255), and what happened to another.
STUDIED, AS_IT_IS, MASK = 'noise(sigma=0.098)', 'noise(sigma=?)', 'mask()'


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepPriorTaskConfig(
  WithProgress,
  WithSweep,
  WithRestarts,
  WithSteps,
  WithTruth,
  WithAssumption,
  WithBatchSize,
  WithSeed,
  Config,
  WithInput,
):
  """One run of `deep_prior`."""

  HEADING: ClassVar[str] = 'The deep image prior'
  DEFAULTS: ClassVar = {
    'degradation': AS_IT_IS,
    'num_steps': 1500,
    'learning_rate': 0.01,
  }

  network: str = setting(
    "'paper' (five levels with skip connections), or DEPTH-single, DEPTH-double for one or two "
    "convolutions a level, such as 2-double; '-skip' adds skip connections.",
    'paper',
  )
  prior_loss: PriorLoss = setting('What is minimised.', 'l2')
  input_noise: float = setting(
    "σ of the network's fixed input; 'paper' has a uniform one between 0 and this.", 0.1
  )
  perturbation: float = setting('σ of what is added to it at each step.', 1 / 30)
  averaging: float = setting('Of the running mean of outputs; 0 for none.', 0.99)
  stopping: Stopping = setting(
    "Whose step's image is taken: the last one's, that at which the outputs vary least "
    "('variance'), or the first that is as near to the input as its noise allows ('noise').",
    'last',
  )
  max_side: int = setting('Larger photos are reduced to it, px.', 512, lower=SMALLEST_SIDE)

  @classmethod
  def from_flags(cls) -> 'DeepPriorTaskConfig':
    """See `Config.from_flags`."""
    return configuration()


def configuration(degrade_first: bool = False, **given: Any) -> DeepPriorTaskConfig:
  """A configuration whose fields are `given`, or else what the flags or defaults say.

  Args:
    degrade_first: whether the input is clean, where no flag says so.
    **given: fields.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  from ganjax.tasks import deep_prior_study  # which needs JAX; the settings do without

  require_input()
  is_study = bool(FLAGS.assumed_degradation or (FLAGS.sweep and not FLAGS.truth))
  first = is_degraded_first(degrade_first or is_study)
  spec = given.pop('degradation', None) or FLAGS.degradation
  if spec is None:
    spec = STUDIED if first else AS_IT_IS
    spec = MASK if FLAGS.mask else spec
  spec = with_masks(spec, FLAGS.mask, FLAGS.invert_mask)
  config = config_from_flags(
    DeepPriorTaskConfig, degradation=spec, degrade_first=first, already_degraded=None, **given
  )
  if config.truth and config.degrade_first:
    raise ConfigError('--truth: not together with --degrade_first, whose input is the truth')
  if not config.degrade_first and config.assumed_degradation:
    raise ConfigError('--assumed_degradation: goes with --degrade_first; write it as --degradation')
  for combination in deep_prior_study.settings(config):
    deep_prior_study.check(deep_prior_study.with_setting(config, combination))
  return config
