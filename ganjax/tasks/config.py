"""What tasks share of the command line: common flags, and frozen configurations made of flags."""

import dataclasses
from typing import Any, TypeVar

from absl import flags

from ganjax.errors import GanjaxError
from ganjax.faces import Mode
from ganjax.runtime.precision import AUTO, PRECISIONS

FLAGS = flags.FLAGS
BATCH_AUTO = 'auto'


class ConfigError(GanjaxError):
  """A flag is missing, or its value makes no sense; the message names the flag and the remedy."""


@dataclasses.dataclass(frozen=True)
class Config:
  """One run, all defaults filled in. Fields are the flags of the same names.

  Each task family adds its own.
  """

  task: str
  output: str
  overwrite: bool

  def record(self, weights_sha256: str = '') -> dict[str, Any]:
    """What config.json keeps: the flags, and which weights they stand for."""
    return {**dataclasses.asdict(self), 'weights_sha256': weights_sha256}


@dataclasses.dataclass(frozen=True)
class FacesConfig(Config):
  """A run over photographs of faces."""

  input: str
  weights: str | None
  align: Mode


class _BatchSizeParser(flags.ArgumentParser):
  """A positive whole number, or 'auto'."""

  def parse(self, argument: str | int) -> str | int:
    if argument == BATCH_AUTO:
      return BATCH_AUTO
    if not str(argument).isdecimal() or int(argument) < 1:
      raise ValueError(f'give a positive number, or {BATCH_AUTO}')
    return int(argument)

  def flag_type(self) -> str:
    return 'int'


def define_flags() -> None:
  """Declares the flags that several families read."""
  flags.DEFINE_string('input', '', 'A picture, a folder of pictures (with sub-folders), or a glob.')
  flags.DEFINE_string(
    'truth',
    None,
    'Folder of true pictures of the same names: what pix2pix_train learns to make of its input; '
    'what deep_prior and pix2pix_predict measure against, where the input came degraded.',
  )
  flags.DEFINE_string('output', 'out', 'Folder for everything that a run writes.')
  flags.DEFINE_bool('overwrite', False, 'Replace the results of another configuration.')
  flags.DEFINE_string(
    'weights', None, 'Generator: a file made by ports.stylegan2. Default: the bundled 128 px faces.'
  )
  flags.DEFINE_enum(
    'precision',
    AUTO,
    list(PRECISIONS),
    'Of the networks: float32 (really, on every device), tf32 (a GPU rounds what it multiplies to '
    '10 bits), bfloat16 (convolutions to 7 bits; the latent, the losses and the optimiser stay '
    'float32). Default: float32 on a CPU, bfloat16 on accelerators.',
  )
  flags.DEFINE_integer('seed', 0, "For all randomness; with a picture's name it fixes the result.")
  flags.DEFINE(
    _BatchSizeParser(),
    'batch_size',
    8,
    "Pictures that are optimised together; --task=bulk also takes 'auto': as many as fit.",
    serializer=flags.ArgumentSerializer(),
  )
  flags.DEFINE_enum(
    'align',
    'auto',
    ('auto', 'always', 'never'),
    "Whether faces are found and cropped: 'auto' passes aligned squares through.",
  )
  flags.DEFINE_list('seeds', ['0-15'], 'Samples: seeds and ranges, such as 1,5,10-20.')
  flags.DEFINE_float(
    'truncation_psi', 0.7, 'Of samples: 0 for the average face, 1 for all variety.'
  )


C = TypeVar('C', bound=Config)


def config_from_flags(kind: type[C], **chosen: Any) -> C:
  """A configuration whose fields are `chosen`, or else the flags of the same names."""
  names = {field.name for field in dataclasses.fields(kind)}
  values: dict[str, Any] = {name: getattr(FLAGS, name) for name in names - chosen.keys()}
  return kind(**values, **chosen)


def require_input() -> None:
  """Raises ConfigError where --input is missing."""
  if not FLAGS.input:
    raise ConfigError(f'--input is missing: a picture, a folder or a glob for --task={FLAGS.task}')


def parse_seeds(parts: list[str]) -> tuple[int, ...]:
  """['1', '5-7'] -> (1, 5, 6, 7).

  Raises:
    ConfigError: a part is neither a number nor a rising range.
  """
  return parse_numbers('seeds', parts)


def parse_numbers(flag: str, parts: list[str]) -> tuple[int, ...]:
  """Numbers and ranges of a flag: ['1', '5-7'] -> (1, 5, 6, 7).

  Raises:
    ConfigError: a part is neither a number nor a rising range.
  """
  numbers: list[int] = []
  for part in parts:
    first, _, last = part.partition('-')
    if not first.isdecimal() or not (last or first).isdecimal() or part.endswith('-'):
      raise ConfigError(f'--{flag}: {part!r} is neither a number nor a range such as 3-7')
    if int(last or first) < int(first):
      raise ConfigError(f'--{flag}: {part!r} runs backwards')
    numbers.extend(range(int(first), int(last or first) + 1))
  return tuple(numbers)
