"""The flags of `deep_prior` and the configuration that they make."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from ganjax import degradations
from ganjax.inversion import deep_prior, sweeps
from ganjax.models.hourglass import PAPER, HourglassConfig, plain_config
from ganjax.tasks.config import FLAGS, Config, ConfigError, config_from_flags, require_input

SMALLEST_SIDE = 32  # px
DEFAULTS = {
  'degradation': 'noise(sigma=0.098)',  # 25 / 255
  'num_steps': 1500,
  'learning_rate': 0.01,
}
# What --sweep can vary, besides parameters of the degradation.
VARIED: dict[str, Callable[[str], Any]] = {
  'network': str,
  'prior_loss': str,
  'stopping': str,
  'input_noise': float,
  'perturbation': float,
  'averaging': float,
  'learning_rate': float,
  'num_steps': int,
  'seed': int,
}
EXAMPLE = 'network=2-single,2-double; input_noise=0.1,0.5'


@dataclasses.dataclass(frozen=True)
class DeepPriorTaskConfig(Config):
  """One run of `deep_prior`."""

  input: str
  degradation: str
  assumed_degradation: str | None
  already_degraded: bool
  truth: str | None
  network: str
  prior_loss: deep_prior.Loss
  input_noise: float
  perturbation: float
  averaging: float
  stopping: deep_prior.Rule
  restarts: int
  sweep: str
  max_side: int
  num_steps: int
  learning_rate: float
  seed: int
  batch_size: int
  save_every: int


def define_flags() -> None:
  """Declares the flags of `deep_prior`."""
  flags.DEFINE_string(
    'network',
    'paper',
    "deep_prior: 'paper' (five levels with skip connections), or DEPTH-single, DEPTH-double for "
    "one or two convolutions a level, such as 2-double; '-skip' adds skip connections.",
  )
  flags.DEFINE_enum('prior_loss', 'l2', deep_prior.LOSSES, 'deep_prior: what is minimised.')
  flags.DEFINE_float(
    'input_noise',
    0.1,
    "deep_prior: σ of the network's fixed input; 'paper' has a uniform one between 0 and this.",
  )
  flags.DEFINE_float('perturbation', 1 / 30, 'deep_prior: σ of what is added to it at each step.')
  flags.DEFINE_float('averaging', 0.99, 'deep_prior: of the running mean of outputs; 0 for none.')
  flags.DEFINE_enum(
    'stopping',
    'last',
    deep_prior.RULES,
    "deep_prior: whose step's picture is taken: the last one's, that at which the outputs vary "
    "least ('variance'), or the first that is as near to the input as its noise allows ('noise').",
  )
  flags.DEFINE_integer(
    'max_side', 512, 'deep_prior: larger pictures are reduced to it, px.', lower_bound=SMALLEST_SIDE
  )


def from_flags() -> DeepPriorTaskConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  return configuration()


def configuration(**given: Any) -> DeepPriorTaskConfig:
  """A configuration whose fields are `given`, or else what the flags or defaults say.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  require_input()
  chosen = {
    name: value if getattr(FLAGS, name) is None else getattr(FLAGS, name)
    for name, value in DEFAULTS.items()
  }
  config = config_from_flags(DeepPriorTaskConfig, **{**chosen, **given})
  if config.truth and not config.already_degraded:
    raise ConfigError('--truth: goes with --already_degraded; otherwise the input is the truth')
  if config.already_degraded and config.assumed_degradation:
    raise ConfigError('--assumed_degradation: with --already_degraded write it as --degradation')
  for setting in settings(config):
    check(with_setting(config, setting))
  return config


def settings(config: DeepPriorTaskConfig) -> list[dict[str, str]]:
  """The combinations of --sweep; one that changes nothing where there is none."""
  return sweeps.settings(sweeps.axes(config.sweep)) if config.sweep else [{}]


def with_setting(config: DeepPriorTaskConfig, setting: dict[str, str]) -> DeepPriorTaskConfig:
  """The run that one combination stands for.

  Raises:
    ConfigError: a value is not of its flag's kind.
    SweepError: a name is neither of `VARIED` nor a parameter of the degradation.
  """
  if not setting:
    return config
  changes: dict[str, Any] = {}
  for name in setting.keys() & VARIED.keys():
    try:
      changes[name] = VARIED[name](setting[name])
    except ValueError:
      raise ConfigError(f'--sweep: {name}={setting[name]}: is no number') from None
  base = degradations.parse(config.degradation)
  changes['degradation'] = str(sweeps.degradation(base, setting, tuple(VARIED)))
  return dataclasses.replace(config, **changes)


def check(config: DeepPriorTaskConfig) -> None:
  """Raises ConfigError where a value makes no sense."""
  network(config.network)
  for name, choices in (('prior_loss', deep_prior.LOSSES), ('stopping', deep_prior.RULES)):
    if getattr(config, name) not in choices:
      raise ConfigError(f'{name}={getattr(config, name)}: is none of {", ".join(choices)}')
  if config.num_steps < 1 or config.learning_rate <= 0 or not 0 <= config.averaging < 1:
    raise ConfigError('num_steps must be 1 or more, learning_rate above 0, averaging in [0, 1)')
  if min(config.input_noise, config.perturbation) < 0:
    raise ConfigError('input_noise and perturbation must be 0 or more')
  assumed = degradations.parse(config.assumed_degradation or config.degradation)
  if '?' in config.degradation and not config.already_degraded:
    raise ConfigError(
      f"--degradation={config.degradation}: cannot be done with a '?'; "
      "add --already_degraded, or leave the '?' to --assumed_degradation"
    )
  if assumed.measured(np.zeros((SMALLEST_SIDE, SMALLEST_SIDE, 3), np.float32)).unknown:
    raise ConfigError(f"{assumed}: deep_prior can measure noise, but find no other '?'; name it")
  if config.stopping == 'noise' and not noises(assumed):
    raise ConfigError(
      f'--stopping=noise: {assumed} has no noise; write for example | noise(sigma=?)'
    )


def noises(pipeline: degradations.Pipeline) -> list[degradations.GaussianNoise]:
  """The white noises of a degradation."""
  return [o for o in pipeline.operators if isinstance(o, degradations.GaussianNoise)]


def network(name: str) -> HourglassConfig:
  """The architecture that --network names.

  Raises:
    ConfigError: there is none of that name.
  """
  if name == 'paper':
    return PAPER
  depth, _, kind = name.partition('-')
  kinds = {'single': (False, 0), 'double': (True, 0)}
  kinds |= {'single-skip': (False, 4), 'double-skip': (True, 4)}
  if not depth.isdecimal() or not 1 <= int(depth) <= 8 or kind not in kinds:
    raise ConfigError(
      f'--network={name}: write paper, or such as 2-single, 4-double, 4-double-skip'
    )
  return plain_config(int(depth), *kinds[kind])
