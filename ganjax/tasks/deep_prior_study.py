"""What `deep_prior` is to do: its combinations of settings, and the networks that they name."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ganjax import degradations
from ganjax.inversion import sweeps
from ganjax.models.hourglass import PAPER, HourglassConfig, plain_config
from ganjax.restoration import holes
from ganjax.tasks.deep_prior_config import SMALLEST_SIDE, DeepPriorTaskConfig
from ganjax.tasks.settings import ConfigError, settings_of

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
  for name in ('prior_loss', 'stopping'):
    choices = settings_of(DeepPriorTaskConfig)[name].choices
    if getattr(config, name) not in choices:
      raise ConfigError(f'{name}={getattr(config, name)}: is none of {", ".join(choices)}')
  if config.num_steps < 1 or config.learning_rate <= 0 or not 0 <= config.averaging < 1:
    raise ConfigError('num_steps must be 1 or more, learning_rate above 0, averaging in [0, 1)')
  if min(config.input_noise, config.perturbation) < 0:
    raise ConfigError('input_noise and perturbation must be 0 or more')
  assumed = degradations.parse(config.assumed_degradation or config.degradation)
  if '?' in config.degradation and config.degrade_first:
    raise ConfigError(
      f"--degradation={config.degradation}: cannot be done with a '?'; "
      "leave --degrade_first out, or leave the '?' to --assumed_degradation"
    )
  if not config.degrade_first:
    holes.refuse_drawn(assumed)
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
