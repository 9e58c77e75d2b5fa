"""The operators that specs can name. Each one's own file registers it, a user's files likewise."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from ganjax.degradations.pipeline import Operator

ARGUMENT_KINDS = (int, float, str)


class Entry(NamedTuple):
  """How an operator is built from its spec."""

  build: Callable[..., Operator]
  arguments: Mapping[str, type]
  unknown: Mapping[str, Any]
  repeatable: Collection[str]
  usage: tuple[str, ...]


OPERATORS: dict[str, Entry] = {}


def register(
  name: str,
  build: Callable[..., Operator],
  arguments: Mapping[str, type] | None = None,
  *,
  unknown: Mapping[str, Any] | None = None,
  repeatable: Collection[str] = (),
  usage: str = '',
) -> None:
  """Makes an operator known to `parse`, and so to every task and to `ganjax.restore`.

  The same module may register a name again, as notebooks do; the last one holds.

  Args:
    name: what specs call it; a Python identifier.
    build: called with the arguments that a spec gives, by name; returns the operator (or a
      `Pipeline` of several) and raises DegradationError for values that do not go.
    arguments: argument -> int, float or str.
    unknown: arguments that may be `?` -> the stand-in that the operator is built with then. How
      they are found stands in the operator's `unknowns`.
    repeatable: arguments that may be given several times; `build` gets lists of them.
    usage: an example with all arguments and, behind two spaces, what a reader must know of them;
      a line each for several ways of calling it.

  Raises:
    ValueError: another module has the name; an argument is of another type, or is `unknown` or
      `repeatable` without being one.
  """
  arguments, unknown = dict(arguments or {}), dict(unknown or {})
  lines = tuple(usage.strip().splitlines()) or (f'{name}()',)
  entry = Entry(build, arguments, unknown, frozenset(repeatable), lines)
  _check(name, entry)
  OPERATORS[name] = entry


def _check(name: str, entry: Entry) -> None:
  if not name.isidentifier():
    raise ValueError(f'operator {name!r}: use letters, digits and _ for a name')
  before = OPERATORS.get(name)
  if before is not None and before.build.__module__ != entry.build.__module__:
    raise ValueError(f'operator {name!r} is already that of {before.build.__module__}')
  for argument, kind in entry.arguments.items():
    if kind not in ARGUMENT_KINDS:
      raise ValueError(f'{name}: {argument} is neither int, float nor str but {kind}')
  if strange := {*entry.unknown, *entry.repeatable} - entry.arguments.keys():
    raise ValueError(f'{name}: {", ".join(sorted(strange))}: no such argument')


def vocabulary() -> str:
  """All operators with their arguments, a line for each way of calling them."""
  rows = [
    _row(line, OPERATORS[name]) for name in sorted(OPERATORS) for line in OPERATORS[name].usage
  ]
  width = max(len(call) for call, _ in rows) + 2
  return '\n'.join((call.ljust(width) + told).rstrip() for call, told in rows)


def _row(line: str, entry: Entry) -> tuple[str, str]:
  """A call, and what is told of it."""
  call, _, told = line.strip().partition('  ')
  unknown = [argument for argument in entry.unknown if f'{argument}=' in line]
  return call, told + (f'; may be ?: {", ".join(unknown)}' if unknown else '')
