"""Settings: the fields of configurations, which say what the command line needs to know of them.

A configuration is a frozen dataclass. A field that `setting` makes is a flag of the same name,
whose kind follows from the field's annotation: a Literal is a choice, a tuple a list. So a setting
is declared once, and `define_flags`, `given` and `tasks.help` read it there.
"""

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from absl import flags

from ganjax.errors import GanjaxError, closest

FLAGS = flags.FLAGS
_KEY = 'setting'


class ConfigError(GanjaxError):
  """A flag is missing, or its value makes no sense; the message names the flag and the remedy."""


@dataclasses.dataclass(frozen=True)
class Setting:
  """What a field says of itself, but for its default."""

  help: str
  choices: tuple[Any, ...] = ()
  lower: float | None = None
  upper: float | None = None
  flag: str = ''  # its name, where it is not the field's
  parser: 'NumberOrAuto | None' = dataclasses.field(default=None, compare=False)
  kind: type = str  # of the value, or of a list's items; follows from the annotation
  is_list: bool = False
  heading: str = ''  # under which help lists it


def setting(
  help: str,
  default: Any = dataclasses.MISSING,
  *,
  choices: Iterable[Any] = (),
  lower: float | None = None,
  upper: float | None = None,
  flag: str = '',
  parser: 'NumberOrAuto | None' = None,
) -> Any:
  """A field of a configuration that is a flag, too.

  Args:
    help: what the flag is for, with its unit.
    default: where no flag says otherwise; left out where tasks differ (`Config.defaults`).
    choices: the values that there are, where the annotation is no Literal of them all.
    lower: the least number.
    upper: the largest number.
    flag: its name, where it is not the field's.
    parser: reads the flag, where its kind does not follow from the annotation.
  """
  described = Setting(help, tuple(choices), lower, upper, flag, parser)
  return dataclasses.field(default=default, metadata={_KEY: described})


_settings: dict[
  type, Mapping[str, Setting]
] = {}  # help asks for those of all tasks again and again


def settings_of(kind: type) -> Mapping[str, Setting]:
  """The settings of a configuration, by field; those that all tasks share first."""
  if kind not in _settings:
    _settings[kind] = types.MappingProxyType(_read_settings(kind))
  return _settings[kind]


def _read_settings(kind: type) -> dict[str, Setting]:
  hints = get_type_hints(kind)
  return {
    field.name: _completed(field, hints[field.name], _heading(kind, field.name))
    for field in dataclasses.fields(kind)
    if _KEY in field.metadata
  }


def _heading(kind: type, name: str) -> str:
  """That of the class which declares a field."""
  owner = next(base for base in kind.__mro__ if name in inspect.get_annotations(base))
  return owner.__dict__.get('HEADING', '')


def _completed(field: dataclasses.Field, annotation: Any, heading: str) -> Setting:
  """A setting with what the field's name and annotation say."""
  described = field.metadata[_KEY]
  kind = _without_none(annotation)
  is_list = get_origin(kind) is tuple
  if is_list:
    kind = get_args(kind)[0]
  choices = described.choices
  if get_origin(kind) is Literal:
    choices = choices or get_args(kind)
    kind = type(choices[0])
  return dataclasses.replace(
    described,
    choices=choices,
    flag=described.flag or field.name,
    kind=kind,
    is_list=is_list,
    heading=heading,
  )


def _without_none(annotation: Any) -> Any:
  """What a value is, if it is not None."""
  if get_origin(annotation) not in (Union, types.UnionType):
    return annotation
  return next(option for option in get_args(annotation) if option is not types.NoneType)


class _ChoiceParser(flags.ArgumentParser):
  """One of some values."""

  def __init__(self, choices: tuple[Any, ...]):
    self._choices = {str(choice): choice for choice in choices}

  def parse(self, argument: Any) -> Any:
    """Raises ValueError where the value is none of the choices."""
    if str(argument) not in self._choices:
      raise ValueError(_none_of(str(argument), self._choices))
    return self._choices[str(argument)]

  def flag_type(self) -> str:
    """What absl calls the kind of such a flag."""
    return 'string enum'


def _none_of(word: str, choices: Iterable[str]) -> str:
  """What is said of a word that is none of the choices."""
  close = closest(word, choices)
  if close:
    return f'is none of the choices: did you mean {close}?'
  return f'is none of {", ".join(choices)}'


class NumberOrAuto(flags.ArgumentParser):
  """A number from `lower` on, or 'auto'."""

  AUTO = 'auto'

  def __init__(self, kind: Callable[[str], float], lower: float, values: str):
    self._kind, self._lower, self.values = kind, lower, f'{values}, or {self.AUTO}'

  def parse(self, argument: Any) -> Any:
    """Raises ValueError where the value is neither."""
    if argument == self.AUTO:
      return argument
    try:
      number = self._kind(str(argument))
    except ValueError:
      raise ValueError(f'give {self.values}') from None
    if not self._lower <= number < float('inf'):
      raise ValueError(f'give {self.values}')
    return number

  def flag_type(self) -> str:
    """What absl calls the kind of such a flag."""
    return self.values


def define_flags(kinds: Iterable[type]) -> None:
  """Declares the flags of configurations, each of them once; None until it is given.

  Raises:
    ValueError: two configurations declare one flag, and differ in more than its default.
  """
  known: dict[str, Setting] = {}
  for kind in kinds:
    for described in settings_of(kind).values():
      if known.setdefault(described.flag, described) != described:
        raise ValueError(f'--{described.flag} is declared twice: give {kind} that of the others')
  for described in known.values():
    _define(described)


def _define(described: Setting) -> None:
  name, text = described.flag, described.help
  if described.kind is bool:
    flags.DEFINE_boolean(name, None, text)
  elif described.is_list:
    flags.DEFINE_list(name, None, text)
  else:
    flags.DEFINE(_parser(described), name, None, text, serializer=flags.ArgumentSerializer())


def _parser(described: Setting) -> flags.ArgumentParser:
  if described.parser is not None:
    return described.parser
  if described.choices:
    return _ChoiceParser(described.choices)
  bounds: tuple[Any, Any] = described.lower, described.upper
  if described.kind is int:
    return flags.IntegerParser(*bounds)
  if described.kind is float:
    return flags.FloatParser(*bounds)
  return flags.ArgumentParser()


def given(kind: type) -> dict[str, Any]:
  """Field -> value, of the flags of a configuration that the command line gives.

  Raises:
    ConfigError: an item of a list makes no sense.
  """
  values = {name: (own, FLAGS[own.flag].value) for name, own in settings_of(kind).items()}
  return {
    name: _items(own, value) if own.is_list else value
    for name, (own, value) in values.items()
    if value is not None
  }


def _items(described: Setting, parts: list[str]) -> tuple[Any, ...]:
  """A list's values."""
  flag = described.flag
  if described.kind is int:
    return parse_numbers(flag, parts)
  if described.kind is float:
    try:
      return tuple(float(part) for part in parts)
    except ValueError:
      raise ConfigError(f'--{flag}={",".join(parts)}: give numbers, such as 0,0.5,1') from None
  for part in parts:
    if described.choices and part not in described.choices:
      raise ConfigError(f'--{flag}: {part} {_none_of(part, described.choices)}')
  return tuple(parts)


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
