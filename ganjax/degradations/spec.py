"""Reads a degradation from its spec, such as `blur(kernel_size=25, variance=7) | grayscale`.

    spec     = operator { '|' operator }
    operator = name [ '(' [ argument { ',' argument } ] ')' ]
    argument = name '=' value
    value    = a word, or text in quotes, or '?' for what is not known

Nothing is evaluated. `OPERATORS` below is the whole vocabulary.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ganjax.degradations.blur import Blur
from ganjax.degradations.downsample import Downsample
from ganjax.degradations.grayscale import Grayscale
from ganjax.degradations.jpeg import Jpeg
from ganjax.degradations.mask import BoxMask, FileMask, PixelMask, StrokeMask
from ganjax.degradations.noise import GaussianNoise, PhotonNoise
from ganjax.degradations.pipeline import DegradationError, Identity, Operator, Pipeline
from ganjax.degradations.random_boxes import RandomBoxMask
from ganjax.errors import closest

EXAMPLE = 'blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)'


def parse(spec: str) -> Pipeline:
  """Reads a spec; its operators are applied left to right.

  Arguments are named; those left out have these values:

    identity()
    blur(kernel_size=25, variance=7)            pixels (odd), pixels²
    grayscale(mode=luma)                        luma, mean
    mask(box=top:bottom:left:right, …)          pixels, or fractions of the side (0.25)
    mask(strokes=5, width=0.08)                 random; width in fractions of the side
    mask(boxes=2, size=0.293)                   random squares; side in fractions of the side
    mask(missing=0.5)                           single pixels; their share
    mask(file='mask.png')                       white is visible
    downsample(factor=4)                        filter=bilinear, bicubic, lanczos or area, if known
    noise(sigma=0.1)                            units of the [0, 1] range
    noise(photons=…, drop=0)                    counts at white, probability of a black pixel
    jpeg(quality=12)                            1 to 100

  `?` in place of a value leaves it open, to be found with the picture: blur's two, jpeg's quality,
  noise's three and downsample's filter.

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
    raise DegradationError(f"unknown operator '{name}'{_hint(name, OPERATORS)}")
  arguments: dict[str, Any] = {}
  if tokens and tokens[0] == '(':
    tokens.pop(0)
    arguments = _arguments(name, tokens)
  unknown = [argument for argument, value in arguments.items() if value is UNKNOWN]
  for argument in unknown:
    arguments[argument] = OPERATORS[name].stand_ins[argument]
  return OPERATORS[name].build(**arguments), unknown


def _arguments(operator: str, tokens: list[str]) -> dict[str, Any]:
  """Takes `name=value, …)` off the front of the tokens; the bracket is open."""
  arguments: dict[str, Any] = {}
  if tokens and tokens[0] == ')':
    tokens.pop(0)
    return arguments
  while True:
    name, text = _argument(operator, tokens)
    if name in arguments and name not in REPEATABLE:
      raise DegradationError(f'{operator}: {name} is given twice: keep one')
    value = _value(operator, name, text)
    arguments[name] = [*arguments.get(name, []), value] if name in REPEATABLE else value
    sign = tokens.pop(0) if tokens else ''
    if sign == ')':
      return arguments
    if sign != ',':
      raise _unbalanced(operator, sign)


def _value(operator: str, name: str, text: str) -> Any:
  if text != '?':
    return OPERATORS[operator].readers[name](f'{operator}: {name}', text)
  if name not in OPERATORS[operator].stand_ins:
    raise DegradationError(f'{operator}: {name}=? cannot be found by looking: give it')
  return UNKNOWN


def _argument(operator: str, tokens: list[str]) -> tuple[str, str]:
  """Takes `name=value` off the front of the tokens; the name is one that the operator knows."""
  readers = OPERATORS[operator].readers
  if not tokens or tokens[0] in '|(),=':
    raise _unbalanced(operator, tokens[0] if tokens else '')
  name = tokens.pop(0)
  if not readers:
    raise DegradationError(f"{operator} takes no arguments: remove '{name}'")
  if name not in readers:
    if not tokens or tokens[0] != '=':
      first = next(iter(readers))
      raise DegradationError(
        f"{operator}: '{name}' has no name: arguments are named, such as {first}={name}"
      )
    raise DegradationError(f"{operator} has no argument '{name}'{_hint(name, readers)}")
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


def _mask(
  box: Sequence[str] = (),
  file: str | None = None,
  strokes: int | None = None,
  width: float | None = None,
  boxes: int | None = None,
  size: float | None = None,
  missing: float | None = None,
) -> tuple[Operator, ...]:
  """One mask per kind of hole: together they hide what any of them hides."""
  masks: list[Operator] = []
  if box:
    masks.append(BoxMask.create(box))
  if file is not None:
    masks.append(FileMask.create(file))
  if strokes is not None:
    masks.append(StrokeMask.create(strokes) if width is None else StrokeMask.create(strokes, width))
  elif width is not None:
    raise DegradationError('mask: width needs strokes: write for example strokes=5')
  if boxes is not None:
    masks.append(RandomBoxMask.create(boxes) if size is None else RandomBoxMask.create(boxes, size))
  elif size is not None:
    raise DegradationError('mask: size needs boxes: write for example boxes=2')
  if missing is not None:
    masks.append(PixelMask.create(missing))
  if not masks:
    raise DegradationError(
      'mask says nothing about the holes: write for example mask(box=40:80:40:80), '
      "mask(strokes=5), mask(boxes=2) or mask(file='mask.png')"
    )
  return tuple(masks)


def _noise(
  sigma: float | None = None, photons: float | None = None, drop: float | None = None
) -> tuple[Operator, ...]:
  if sigma is not None and (photons is not None or drop is not None):
    raise DegradationError("noise: sigma excludes photons and drop: join two noises with '|'")
  if photons is not None:
    return (PhotonNoise.create(photons, 0.0 if drop is None else drop),)
  if drop is not None:
    raise DegradationError('noise: drop needs photons: write for example photons=24')
  return (GaussianNoise.create() if sigma is None else GaussianNoise.create(sigma),)


def _single(create: Callable[..., Operator]) -> Callable[..., tuple[Operator, ...]]:
  return lambda **arguments: (create(**arguments),)


class _Entry(NamedTuple):
  build: Callable[..., tuple[Operator, ...]]
  readers: dict[str, Callable[[str, str], Any]]  # argument -> (its full name, its text) -> value
  stand_ins: Mapping[str, Any] = MappingProxyType(
    {}
  )  # what may be unknown, and what it is built with then


UNKNOWN = object()
OPERATORS = {
  'blur': _Entry(
    _single(Blur.create),
    {'kernel_size': _integer, 'variance': _number},
    {'kernel_size': 25, 'variance': 4.0},
  ),
  'downsample': _Entry(
    _single(Downsample.create), {'factor': _integer, 'filter': _text}, {'filter': 'bicubic'}
  ),
  'grayscale': _Entry(_single(Grayscale.create), {'mode': _text}),
  'identity': _Entry(_single(Identity), {}),
  'jpeg': _Entry(_single(Jpeg.create), {'quality': _integer}, {'quality': 12}),
  'mask': _Entry(
    _mask,
    {
      'box': _text,
      'file': _text,
      'strokes': _integer,
      'width': _number,
      'boxes': _integer,
      'size': _number,
      'missing': _number,
    },
  ),
  'noise': _Entry(
    _noise,
    {'sigma': _number, 'photons': _number, 'drop': _number},
    {'sigma': 0.1, 'photons': 24.0, 'drop': 0.0},
  ),
}
REPEATABLE = {'box'}
