"""Settings of `deep_prior` and the configuration that they make."""

import dataclasses
from typing import Any, ClassVar

from ganjax.choices import PriorLoss, Stopping
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
  require_input,
)
from ganjax.tasks.settings import ConfigError, setting

SMALLEST_SIDE = 32  # px


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
    'degradation': 'noise(sigma=0.098)',  # 25 / 255
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
    "Whose step's picture is taken: the last one's, that at which the outputs vary least "
    "('variance'), or the first that is as near to the input as its noise allows ('noise').",
    'last',
  )
  max_side: int = setting('Larger pictures are reduced to it, px.', 512, lower=SMALLEST_SIDE)

  @classmethod
  def from_flags(cls) -> 'DeepPriorTaskConfig':
    """See `Config.from_flags`."""
    return configuration()


def configuration(**given: Any) -> DeepPriorTaskConfig:
  """A configuration whose fields are `given`, or else what the flags or defaults say.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  from ganjax.tasks import deep_prior_study  # which needs JAX; the settings do without

  require_input()
  config = config_from_flags(DeepPriorTaskConfig, **given)
  if config.truth and not config.already_degraded:
    raise ConfigError('--truth: goes with --already_degraded; otherwise the input is the truth')
  if config.already_degraded and config.assumed_degradation:
    raise ConfigError('--assumed_degradation: with --already_degraded write it as --degradation')
  for combination in deep_prior_study.settings(config):
    deep_prior_study.check(deep_prior_study.with_setting(config, combination))
  return config
