"""Reads a degradation from its spec, such as `blur(kernel_size=25, variance=7) | grayscale`.

    spec     = operator { '|' operator }
    operator = name [ '(' [ argument { ',' argument } ] ')' ]
    argument = name '=' value
    value    = a word, or text in quotes, or '?' for what is not known

Nothing is evaluated. The vocabulary is what has been registered; `registry.vocabulary()` lists it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pipeline import Operator, Pipeline
from ganjax.degradations.registry import OPERATORS
from ganjax.errors import closest

UNKNOWN = object()
EXAMPLE = 'blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)'


def parse(spec: str) -> Pipeline:
  """Reads a spec; its operators are applied left to right.

  Arguments are named, and each has a value of its own where it is left out. `?` in place of a value
  leaves it open, to be found with the image, where the operator knows how. `vocabulary()` lists
  the operators, their arguments, and which may be unknown.

  Args:
    spec: operators joined with `|`. A mask may mix boxes, strokes, pixels and a file.

  Raises:
    DegradationError: the spec does not follow the grammar, or a value is of the wrong kind or out
      of range; the message names the piece and the remedy. What needs the size of the picture is
      left to `Pipeline.check`.
  """
  tokens = _tokens(spec)
  operators: list[Operator] = []
  unknown: list[tuple[int, str]] = []
  while True:
    built, names = _operator(tokens)
    unknown.extend((len(operators), name) for name in names)
    operators.extend(built)
    if not tokens:
      return Pipeline(tuple(operators), tuple(unknown))
    sign = tokens.pop(0)
    if sign != '|':
      raise DegradationError(
        f"unexpected '{sign}' after '{operators[-1]}': join operators with '|', "
        f'for example: {EXAMPLE}'
      )


_TOKEN = re.compile(r"""\s*(?: ('[^'\n]*'|"[^"\n]*") | ([^\s|(),='"]+) | ([|(),=]) )""", re.VERBOSE)


def _tokens(spec: str) -> list[str]:
  """Splits into quoted texts (still quoted), words and signs."""
  tokens = []
  text = spec.strip()
  if not text:
    raise DegradationError(f'the degradation is empty: write for example {EXAMPLE}')
  position = 0
  while position < len(text):
    match = _TOKEN.match(text, position)
    if not match:
      piece = text[position:].strip().splitlines()[0]
      raise DegradationError(f'the quote in {piece} is never closed: close it on the same line')
    tokens.append(match.group().strip())
    position = match.end()
  return tokens


def _operator(tokens: list[str]) -> tuple[tuple[Operator, ...], list[str]]:
  """Takes one operator off the front of the tokens; with the names of what is unknown in it."""
  name = tokens.pop(0) if tokens else ''
  if not name or name in '|(),=':
    found = f"before '{name}'" if name else 'at the end'
    raise DegradationError(f'an operator is missing {found}: write for example {EXAMPLE}')
  if name not in OPERATORS:
    raise DegradationError(f"unknown operator '{name}'{_hint(name, sorted(OPERATORS))}")
  arguments: dict[str, Any] = {}
  if tokens and tokens[0] == '(':
    tokens.pop(0)
    arguments = _arguments(name, tokens)
  unknown = [argument for argument, value in arguments.items() if value is UNKNOWN]
  for argument in unknown:
    arguments[argument] = OPERATORS[name].unknown[argument]
  return Pipeline.of(OPERATORS[name].build(**arguments)).operators, unknown


def _arguments(operator: str, tokens: list[str]) -> dict[str, Any]:
  """Takes `name=value, …)` off the front of the tokens; the bracket is open."""
  arguments: dict[str, Any] = {}
  repeatable = OPERATORS[operator].repeatable
  if tokens and tokens[0] == ')':
    tokens.pop(0)
    return arguments
  while True:
    name, text = _argument(operator, tokens)
    if name in arguments and name not in repeatable:
      raise DegradationError(f'{operator}: {name} is given twice: keep one')
    value = _value(operator, name, text)
    arguments[name] = [*arguments.get(name, []), value] if name in repeatable else value
    sign = tokens.pop(0) if tokens else ''
    if sign == ')':
      return arguments
    if sign != ',':
      raise _unbalanced(operator, sign)


def _value(operator: str, name: str, text: str) -> Any:
  if text != '?':
    return _READERS[OPERATORS[operator].arguments[name]](f'{operator}: {name}', text)
  if name not in OPERATORS[operator].unknown:
    raise DegradationError(f'{operator}: {name}=? cannot be found by looking: give it')
  return UNKNOWN


def _argument(operator: str, tokens: list[str]) -> tuple[str, str]:
  """Takes `name=value` off the front of the tokens; the name is one that the operator knows."""
  known = OPERATORS[operator].arguments
  if not tokens or tokens[0] in '|(),=':
    raise _unbalanced(operator, tokens[0] if tokens else '')
  name = tokens.pop(0)
  if not known:
    raise DegradationError(f"{operator} takes no arguments: remove '{name}'")
  if name not in known:
    if not tokens or tokens[0] != '=':
      first = next(iter(known))
      raise DegradationError(
        f"{operator}: '{name}' has no name: arguments are named, such as {first}={name}"
      )
    raise DegradationError(f"{operator} has no argument '{name}'{_hint(name, known)}")
  if not tokens or tokens.pop(0) != '=' or not tokens or tokens[0] in '|(),=':
    raise DegradationError(f'{operator}: {name} has no value: write {name}=…')
  return name, tokens.pop(0)


def _unbalanced(operator: str, sign: str) -> DegradationError:
  if sign in ('', '|'):
    return DegradationError(f"the bracket of '{operator}(' is never closed: add ')'")
  return DegradationError(
    f"{operator}: unexpected '{sign}': write {operator}(name=value, name=value)"
  )


def _hint(name: str, known: Iterable[str]) -> str:
  close = closest(name, known)
  return f': did you mean {close}?' if close else f': use one of {", ".join(known)}'


def _integer(name: str, text: str) -> int:
  if not re.fullmatch(r'[+-]?\d{1,9}', text):
    raise DegradationError(f'{name}={text} is not a whole number: write digits alone, such as 5')
  return int(text)


def _number(name: str, text: str) -> float:
  if not re.fullmatch(r'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?', text):
    raise DegradationError(f'{name}={text} is not a number: write one, such as 0.5')
  return float(text)


def _text(name: str, text: str) -> str:
  text = text[1:-1] if text[0] in '\'"' else text
  if not text:
    raise DegradationError(f'{name} is empty: write something between the quotes')
  return text


_READERS: dict[type, Callable[[str, str], Any]] = {int: _integer, float: _number, str: _text}
