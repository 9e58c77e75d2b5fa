"""The strict mapper: from other people's tensor names and layouts to ours, nothing left over.

A table says for each of our names which source tensor it comes from and how it is turned. Every
source tensor is used exactly once or ignored by name, every target is produced exactly once, and
all mismatches are raised together.
"""

import collections
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ganjax.errors import GanjaxError

# float16 sources double in size when they become float32; nothing else may grow.
_MAX_GROWTH = 2
_SMALL = 1 << 20
_MAX_FILE = 1 << 33


class PortError(GanjaxError):
  """A weight file cannot be ported; one line that names the file and what is wrong with it."""


class Rule(NamedTuple):
  """How one of our tensors is made: the source's name and the change of layout."""

  source: str
  transform: Callable[[np.ndarray], np.ndarray]


def show(value: object) -> str:
  """A short printable form of anything found in a file, safe for deep and hostile values."""
  if value is None or isinstance(value, (bool, int, float, str, np.generic)):
    try:
      text = ascii(value if not isinstance(value, np.generic) else value.item())
    except ValueError:  # an integer too long to print
      text = 'a huge number'
    return text if len(text) <= 80 else f'{text[:77]}...'
  if isinstance(value, tuple) and len(value) <= 8 and all(isinstance(v, int) for v in value):
    return '(' + ', '.join(show(v) for v in value) + ')'
  return f'a {type(value).__name__.lower()}'


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
  """Turns whatever a bad file provokes into one PortError that begins with its path."""
  try:
    yield
  except PortError as error:
    raise PortError(f'{path}: {error}') from None
  except Exception as error:
    reason = ' '.join(f'{type(error).__name__} {error}'.split())[:200]
    raise PortError(f'{path}: broken or not a weight file ({reason})') from error


def read_file(path: pathlib.Path) -> bytes:
  """The bytes of a regular file of at most 8 GiB; PortError otherwise."""
  if not path.is_file():
    raise PortError('no such file')
  if path.stat().st_size > _MAX_FILE:
    raise PortError('larger than 8 GiB: none of these networks is')
  return path.read_bytes()


def kernel(array: np.ndarray) -> np.ndarray:
  """A convolution's weights as we keep them: OIHW -> HWIO."""
  return array.transpose(2, 3, 1, 0)


def convert(
  rules: dict[str, Rule],
  tensors: dict[str, np.ndarray],
  ignored: Iterable[str],
  limit_bytes: int,
  problems: list[str],
) -> dict[str, np.ndarray]:
  """Applies the table; what does not fit is appended to `problems`.

  Args:
    rules: our name -> where it comes from.
    tensors: the source's tensors by name.
    ignored: source names that are left out on purpose.
    limit_bytes: the size of the data that the tensors were read from. Tensors that share their
      data cannot make the result larger than twice that.
    problems: one line per mismatch is appended here.

  Returns:
    Our name -> float32 array in our layout, for those targets that could be made.
  """
  ignored = set(ignored)
  uses = collections.Counter(rule.source for rule in rules.values())
  problems += [f'missing tensor {show(name)}' for name in sorted(uses.keys() - tensors.keys())]
  problems += [f'tensor {show(name)} used {n} times' for name, n in uses.items() if n > 1]
  problems += [
    f'unknown tensor {show(name)} {show(tensors[name].shape)}'
    for name in sorted(tensors.keys() - uses.keys() - ignored)
  ]
  claimed = 4 * sum(tensors[name].size for name in uses.keys() & tensors.keys())
  if claimed > _MAX_GROWTH * limit_bytes + _SMALL:
    raise PortError(f'its tensors claim {claimed} bytes, more than the file holds')

  converted = {}
  for target, rule in rules.items():
    if rule.source not in tensors:
      continue
    source = tensors[rule.source]
    if not np.issubdtype(source.dtype, np.floating):
      problems.append(f'tensor {show(rule.source)} is {source.dtype}, not floating point')
      continue
    try:
      array = rule.transform(source)
    except (ValueError, IndexError):
      problems.append(f'tensor {show(rule.source)} has a wrong shape {show(source.shape)}')
      continue
    with np.errstate(over='ignore'):  # float64 beyond float32 becomes inf, reported below
      converted[target] = np.array(array, np.float32, order='C')
    if not np.isfinite(converted[target]).all():
      problems.append(f'tensor {show(rule.source)} holds NaN or infinity')
  return converted


def check_shapes(
  converted: dict[str, np.ndarray],
  shapes: Mapping[str, tuple[int, ...]],
  rules: dict[str, Rule],
  problems: list[str],
) -> None:
  """Appends to `problems` every converted tensor whose shape is not the expected one."""
  for name, array in converted.items():
    if array.shape != shapes[name]:
      problems.append(
        f'tensor {show(rules[name].source)} gives {name} the shape {show(array.shape)}, '
        f'expected {show(shapes[name])}'
      )


def fit(
  rules: dict[str, Rule],
  shapes: Mapping[str, tuple[int, ...]],
  tensors: dict[str, np.ndarray],
  ignored: Iterable[str],
  limit_bytes: int,
) -> dict[str, np.ndarray]:
  """`convert` and `check_shapes` in one.

  Raises:
    PortError: names everything that does not fit.
  """
  problems: list[str] = []
  converted = convert(rules, tensors, ignored, limit_bytes, problems)
  check_shapes(converted, shapes, rules, problems)
  raise_all(problems)
  return converted


def raise_all(problems: list[str]) -> None:
  """Raises one PortError with all problems, if there are any."""
  if problems:
    count = f'{len(problems)} problems: ' if len(problems) > 1 else ''
    raise PortError(count + '; '.join(problems))
