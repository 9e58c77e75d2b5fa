"""Reads what torch.save wrote, without torch: the zip container and the legacy one.

Tensors are checked against their storage when the pickle names them (offset, shape and strides
must stay inside it) and become numpy views only when asked for.
"""

import io
import math
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from ports import numpy_pickle, unpickle
from ports.table import PortError, show
from ports.unpickle import Budget, Constructor, Record

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MAX_INFLATION = 20  # of the archive's size, for archives that somebody compressed
_SMALL = 1 << 26
_ZIP_MAGIC = b'PK\3\4'
_BFLOAT16 = 'bfloat16'
_STORAGES = {
  'FloatStorage': '<f4',
  'DoubleStorage': '<f8',
  'HalfStorage': '<f2',
  'BFloat16Storage': _BFLOAT16,
  'LongStorage': '<i8',
  'IntStorage': '<i4',
  'ShortStorage': '<i2',
  'CharStorage': '<i1',
  'ByteStorage': '<u1',
  'BoolStorage': '|b1',
}


class Storage:
  """A flat run of numbers of one type; `read` brings its bytes when they are needed."""

  def __init__(self, code: str, size: int, read: Callable[[], bytes | memoryview] | None):
    self.code = code
    self.size = size
    self.read = read
    self._array: np.ndarray | None = None

  @property
  def itemsize(self) -> int:
    return 2 if self.code == _BFLOAT16 else np.dtype(self.code).itemsize

  def array(self) -> np.ndarray:
    """The numbers, [size]; bfloat16 as float32. Read once, however many tensors share them."""
    if self._array is None:
      self._array = self._decode()
    return self._array

  def _decode(self) -> np.ndarray:
    data = self.read() if self.read else b''
    if len(data) != self.size * self.itemsize:
      raise PortError(f'a storage of {self.size} numbers holds {len(data)} bytes: cut short?')
    if self.code != _BFLOAT16:
      return np.frombuffer(data, self.code)
    return (np.frombuffer(data, '<u2').astype(np.uint32) << np.uint32(16)).view(np.float32)


class Tensor(Record):
  """A strided view of a storage."""

  def __init__(self, storage: object, offset: object, shape: object, strides: object):
    super().__init__('torch.Tensor')
    shape = numpy_pickle.check_shape(shape)
    strides = numpy_pickle.check_shape(strides)
    (offset,) = numpy_pickle.check_shape((offset,))
    if not isinstance(storage, Storage) or len(shape) != len(strides):
      raise PortError('the file holds a tensor without storage or strides')
    last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    numbers = math.prod(shape)
    # More numbers than the storage has would be an expanded tensor: small file, huge array.
    if numbers and (last >= storage.size or numbers > storage.size):
      raise PortError(
        f'a tensor of shape {show(shape)}, strides {show(strides)} and offset {offset} '
        f'reaches outside its storage of {storage.size} numbers'
      )
    self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

  def set_state(self, state: object) -> None:
    """Old files set requires_grad and hooks of a Parameter this way; neither concerns us."""

  def array(self) -> np.ndarray:
    """The numbers, of `shape`; a read-only view of the storage."""
    if 0 in self.shape:
      return np.zeros(self.shape, np.float32)
    flat = self.storage.array()[self.offset :]
    strides = [step * flat.itemsize for step in self.strides]
    return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False)


def _rebuild_tensor(arguments: tuple) -> Tensor:
  return Tensor(*arguments[:4])


def _first(arguments: tuple) -> object:
  return arguments[0]


def _not_called(arguments: tuple) -> object:
  raise TypeError


_TYPES = {f'torch.{name}': Constructor(name, _not_called) for name in _STORAGES}
_PLAIN = numpy_pickle.CONSTRUCTORS | _TYPES
CONSTRUCTORS = _PLAIN | numpy_pickle.table(
  {
    'torch._utils._rebuild_tensor': _rebuild_tensor,
    'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
    'torch._utils._rebuild_parameter': _first,
    'torch.nn.parameter.Parameter': _first,
    'torch.Size': _first,
    'torch.device': lambda _: Record('torch.device'),
  }
)


def as_array(value: object) -> np.ndarray | None:
  """The array that a value read from a torch file stands for; None if it stands for none."""
  return value.array() if isinstance(value, Tensor) else numpy_pickle.as_array(value)


def is_torch(data: bytes) -> bool:
  """Whether `data` begins like one of the two containers."""
  return data[:4] == _ZIP_MAGIC or is_legacy(data)


def read(data: bytes) -> tuple[object, int]:
  """Reads either container; returns (value with `Tensor`s in it, bytes of data)."""
  return read_zip(data) if data[:4] == _ZIP_MAGIC else (read_legacy(data), len(data))


def read_state_dict(data: bytes, left_out: str = '') -> tuple[dict[str, np.ndarray], int]:
  """The arrays of a file that holds a state dict, and the size of its data in bytes.

  Args:
    data: the file.
    left_out: entries whose names begin with this are not read; '' reads all.

  Raises:
    PortError: it is no such file.
  """
  if not is_torch(data):
    raise PortError('not a file that torch.save wrote')
  value, size = read(data)
  if left_out and isinstance(value, dict):
    value = without_parallel(value)
    value = {key: item for key, item in value.items() if not f'{key}'.startswith(left_out)}
  return state_dict(value), size


def without_parallel(value: dict) -> dict:
  """A state dict without the 'module.' that DataParallel puts before every name."""
  prefix = 'module.'
  if not value or not all(isinstance(key, str) and key.startswith(prefix) for key in value):
    return value
  return {key.removeprefix(prefix): item for key, item in value.items()}


def state_dict(value: object) -> dict[str, np.ndarray]:
  """The arrays of a state dict by name; PortError if `value` is anything else."""
  if not isinstance(value, dict):
    raise PortError(f'expected a state dict, found {show(value)}')
  value = without_parallel(value)
  arrays = {name: as_array(tensor) for name, tensor in value.items() if isinstance(name, str)}
  odd = [name for name in value if arrays.get(name) is None]
  if odd:
    raise PortError(f'the entries {", ".join(show(name) for name in odd[:8])} are no tensors')
  return {name: array for name, array in arrays.items() if array is not None}


def read_zip(data: bytes) -> tuple[object, int]:
  """Reads the zip container (torch 1.6 and later).

  Args:
    data: the whole file.

  Returns:
    (value, size): the pickle's value with `Tensor`s in it, and the bytes of all members.

  Raises:
    PortError: not such a container, or one that unpacks to far more than its size.
  """
  archive = zipfile.ZipFile(io.BytesIO(data))
  members = {info.filename: info for info in archive.infolist()}
  size = sum(info.file_size for info in archive.infolist())
  if size > max(_SMALL, _MAX_INFLATION * len(data)):
    raise PortError(f'the archive of {len(data)} bytes unpacks to {size}: refused')
  roots = [name[: -len('data.pkl')] for name in members if name.rpartition('/')[2] == 'data.pkl']
  if len(roots) != 1:
    raise PortError('a zip archive, but not one that torch.save wrote')
  (root,) = roots
  if any(name.startswith(f'{root}code/') for name in members):
    raise PortError('a TorchScript program, not a state dict: port the original weights instead')
  if f'{root}byteorder' in members and archive.read(f'{root}byteorder') != b'little':
    raise PortError('the archive holds big-endian numbers, which are not supported')

  def open_storage(key: str, code: str, numbers: int) -> Storage:
    info = members.get(f'{root}data/{key}')
    if info is None:
      raise PortError(f'the archive lacks the storage {show(key)}')
    storage = Storage(code, numbers, lambda: archive.read(info))
    if info.file_size != numbers * storage.itemsize:
      raise PortError(
        f'the storage {show(key)} holds {info.file_size} bytes, not {numbers} numbers: cut short?'
      )
    return storage

  pickle = archive.read(f'{root}data.pkl')
  value, _ = unpickle.load(pickle, CONSTRUCTORS, _persistent(open_storage))
  return value, size


def is_legacy(data: bytes | memoryview) -> bool:
  """Whether `data` begins with torch's magic number, itself a pickle."""
  return LEGACY_MAGIC.to_bytes(10, 'little') in bytes(data[:32])


def read_legacy(data: bytes | memoryview, budget: Budget | None = None) -> object:
  """Reads the legacy container: five pickles, then the storages one after the other.

  Args:
    data: the whole stream.
    budget: shared with an enclosing pickle, where the stream is a byte string in one.

  Returns:
    The fourth pickle's value with `Tensor`s in it (or one `Storage`).

  Raises:
    PortError: not such a stream, or cut short.
  """
  data = memoryview(data)
  budget = budget or Budget()
  storages: dict[str, Storage] = {}

  def open_storage(key: str, code: str, numbers: int) -> Storage:
    storage = storages.setdefault(key, Storage(code, numbers, None))
    if (storage.code, storage.size) != (code, numbers):
      raise PortError(f'the storage {show(key)} is given two types or sizes')
    return storage

  if not is_legacy(data):
    raise PortError('not a torch.save stream: its magic number is missing')
  _, end = unpickle.load(data, {}, budget=budget)
  protocol, end = unpickle.load(data, {}, budget=budget, start=end)
  system, end = unpickle.load(data, {}, budget=budget, start=end)
  if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
    raise PortError(f'a torch.save stream of the unknown protocol {show(protocol)}')
  if system.get('little_endian') is not True:
    raise PortError('the torch.save stream holds big-endian numbers, which are not supported')
  value, end = unpickle.load(data, CONSTRUCTORS, _persistent(open_storage), budget, end)
  keys, end = unpickle.load(data, {}, budget=budget, start=end)
  if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
    raise PortError('the torch.save stream has no list of storages')
  if set(keys) != set(storages):
    raise PortError('the torch.save stream lists other storages than its tensors use')
  for key in keys:
    end = _fill(storages[key], data, end)
  return value


def _fill(storage: Storage, data: memoryview, start: int) -> int:
  """Points a storage of a legacy stream to its numbers; returns where they end."""
  begin = start + 8
  end = begin + storage.size * storage.itemsize
  if end > len(data):
    raise PortError('the torch.save stream is cut short')
  (numbers,) = struct.unpack('<q', data[start:begin])
  if numbers != storage.size:
    raise PortError(f'a storage of {storage.size} numbers is stored with {numbers}')
  storage.read = lambda: data[begin:end]
  return end


def _persistent(open_storage: Callable[[str, str, int], Storage]) -> Callable[[object], Storage]:
  """Reads ('storage', type, key, device, size[, view]) as a storage, opened once per key."""
  opened: dict[tuple, Storage] = {}

  def load(identity: object) -> Storage:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != 'storage':
      raise PortError('the file refers to data in an unknown way')
    kind, key, numbers = identity[1], identity[2], identity[4]
    if not isinstance(kind, Constructor) or kind.name not in _STORAGES:
      raise PortError(f'the file holds a storage of unknown type {show(kind)}')
    if len(identity) == 6 and identity[5] is not None:
      raise PortError('the file holds a view of a storage, as torch before 0.4 wrote it')
    (numbers,) = numpy_pickle.check_shape((numbers,))
    if not isinstance(key, str):
      raise PortError('the file names a storage by something else than text')
    code = _STORAGES[kind.name]
    if (key, code, numbers) not in opened:
      opened[key, code, numbers] = open_storage(key, code, numbers)
    return opened[key, code, numbers]

  return load
