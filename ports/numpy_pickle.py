"""Stand-ins for what numpy and the standard library put into pickles.

Arrays are views of the pickle's own bytes: an array can never be larger than what the file holds.
"""

import math
from typing import Any

import numpy as np

from ports.table import PortError, show
from ports.unpickle import Constructor, Record

MAX_DIMENSIONS = 8
_MAX_ENCODED = 1024
_DTYPES = {f'{kind}{size}' for kind in 'iu' for size in (1, 2, 4, 8)} | {'f2', 'f4', 'f8', 'b1'}


class Dtype(Record):
  """numpy.dtype: a plain number type; its state adds the byte order."""

  def __init__(self, code: object):
    super().__init__('numpy.dtype')
    if not isinstance(code, str) or code not in _DTYPES:
      raise PortError(f'the pickle holds an array of type {show(code)}, which is not a number')
    self.value = np.dtype(code)

  def set_state(self, state: object) -> None:
    if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ('<', '>', '|', '='):
      raise PortError('the pickle gives numpy.dtype a state that is not its byte order')
    self.value = self.value.newbyteorder(state[1])


class Array(Record):
  """numpy.ndarray: empty until its state brings shape, type and bytes."""

  def __init__(self) -> None:
    super().__init__('numpy.ndarray')
    self.value: np.ndarray | None = None

  def set_state(self, state: object) -> None:
    if not isinstance(state, tuple) or len(state) != 5:
      raise PortError('the pickle gives numpy.ndarray a state that is not an array')
    _, shape, dtype, is_fortran, data = state
    self.value = _array(data, dtype, shape, 'F' if is_fortran is True else 'C')


def check_shape(shape: object) -> tuple[int, ...]:
  """Returns `shape` if it is a tuple of a few non-negative integers; PortError otherwise."""
  if (
    not isinstance(shape, tuple)
    or len(shape) > MAX_DIMENSIONS
    or not all(type(side) is int and 0 <= side < 1 << 48 for side in shape)
  ):
    raise PortError(f'the file holds a tensor of shape {show(shape)}')
  return shape


def _array(data: object, dtype: object, shape: object, order: object) -> np.ndarray:
  shape = check_shape(shape)
  if not isinstance(dtype, Dtype) or not isinstance(data, (bytes, memoryview)):
    raise PortError('the pickle holds an array that is not plain numbers')
  if math.prod(shape) * dtype.value.itemsize != len(data):
    raise PortError(
      f'the pickle holds an array of shape {show(shape)} and type {dtype.value} '
      f'but {len(data)} bytes for it'
    )
  return np.frombuffer(data, dtype.value).reshape(shape, order='F' if order == 'F' else 'C')


def _scalar(arguments: tuple) -> Any:
  dtype, data = arguments
  return _array(data, dtype, (), 'C')[()]


def _from_buffer(arguments: tuple) -> Array:
  data, dtype, shape, order = arguments
  array = Array()
  array.value = _array(data, dtype, shape, order)
  return array


def _encode(arguments: tuple) -> bytes:
  """How protocol 2 writes byte strings: numpy scalars inside torch files."""
  text, encoding = arguments
  if encoding != 'latin1' or len(text) > _MAX_ENCODED:
    raise PortError('the pickle holds bytes in an encoding that no weight file uses')
  return text.encode('latin-1')


def _dict(arguments: tuple) -> dict:
  pairs = arguments[0] if arguments else []
  if not isinstance(pairs, list) or not all(isinstance(key, (str, int)) for key, _ in pairs):
    raise PortError('the pickle builds a dict from something else than pairs')
  return {key: value for key, value in pairs}


def _set(arguments: tuple) -> tuple:
  (values,) = arguments
  return tuple(values)


def table(builders: dict) -> dict[str, Constructor]:
  """Makes a table of constructors from 'module.name' -> function of the argument tuple."""
  return {name: Constructor(name, build) for name, build in builders.items()}


def _not_called(arguments: tuple) -> object:
  raise TypeError


_MULTIARRAY = {
  '_reconstruct': lambda _: Array(),
  'scalar': _scalar,
}
CONSTRUCTORS = table(
  {
    **{
      f'numpy.{m}.multiarray.{name}': b
      for m in ('core', '_core')
      for name, b in _MULTIARRAY.items()
    },
    **{f'numpy.{m}.numeric._frombuffer': _from_buffer for m in ('core', '_core')},
    'numpy.ndarray': _not_called,
    'numpy.dtype': lambda arguments: Dtype(arguments[0]),
    'collections.OrderedDict': _dict,
    '_codecs.encode': _encode,
    'builtins.set': _set,
    '__builtin__.set': _set,
    'argparse.Namespace': lambda _: Record('argparse.Namespace'),
  }
)


def as_array(value: object) -> np.ndarray | None:
  """The array that a value read from a pickle stands for; None if it stands for no array."""
  if isinstance(value, Array):
    return value.value
  return np.asarray(value) if isinstance(value, np.generic) else None
