"""A pickle reader that runs nothing: it interprets the opcodes itself.

A pickle is a program for a small stack machine. This machine knows only the opcodes that weight
files need. A name in the file (`os.system`, `collections.OrderedDict`) is looked up in a table of
inert constructors and is refused if it is not there; nothing is ever imported, no attribute is
ever fetched, and only these constructors are called. Everything else is plain data. Binary
payloads stay views of the file, and the number of opcodes is limited, so memory stays within a
small multiple of the file's size.
"""

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ports.table import PortError, show

MAX_OPCODES = 2_000_000
_MAX_STRING = 1 << 24
_MAX_INTEGER = 32  # bytes; torch's magic number has 10
_MAX_NAME = 256
_MAX_MARKS = 10_000
_MARK = object()
_KEYS = (str, int, float, type(None))  # hashing a deep tuple would overflow the C stack


class Constructor(NamedTuple):
  """What a name in a pickle stands for: an inert function of the argument tuple."""

  name: str
  build: Callable[[tuple], object]


class Record:
  """Stands for an object of a class that is known by name only; subclasses read the state."""

  def __init__(self, name: str):
    self.name = name
    self.state: dict = {}

  def set_state(self, state: object) -> None:
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
      raise PortError(f'the pickle gives {self.name} a state that is not a dict of names')
    self.state = state


class Budget:
  """Counts the work that a file asks for, across the pickles nested in it."""

  def __init__(self, opcodes: int = MAX_OPCODES):
    self.left = opcodes

  def spend(self, amount: int = 1) -> None:
    self.left -= amount
    if self.left < 0:
      raise PortError('the pickle asks for more work than any weight file needs')


def load(
  data: bytes | memoryview,
  constructors: Mapping[str, Constructor],
  load_persistent: Callable[[object], object] | None = None,
  budget: Budget | None = None,
  start: int = 0,
) -> tuple[object, int]:
  """Reads one pickle (protocols 2 to 5).

  Args:
    data: the bytes that hold it.
    constructors: 'module.name' -> its inert stand-in; every other name is refused.
    load_persistent: maps a persistent id to a value; without it such ids are refused.
    budget: shared with an enclosing pickle.
    start: where in `data` the pickle begins.

  Returns:
    (value, end): what the pickle holds (byte strings as memoryviews), and where it ends.

  Raises:
    PortError: the pickle is broken, too large, or names anything outside `constructors`.
  """
  machine = _Machine(data, start, constructors, load_persistent, budget or Budget())
  return machine.run(), machine.position


class _Machine:
  def __init__(self, data, start, constructors, load_persistent, budget):
    self.data = memoryview(data)
    self.position = start
    self.constructors = constructors
    self.load_persistent = load_persistent
    self.budget = budget
    self.stack: list = []
    self.marks: list[int] = []
    self.memo: dict[int, object] = {}

  def run(self) -> object:
    while True:
      self.budget.spend()
      opcode = self.take(1)[0]
      if opcode == ord('.'):
        return self.pop()
      operation = _OPERATIONS.get(opcode)
      if operation is None:
        raise PortError(f'the pickle uses opcode {show(chr(opcode))}, which no weight file needs')
      operation(self)

  def take(self, size: int) -> memoryview:
    if size < 0 or size > len(self.data) - self.position:
      raise PortError('the pickle is cut short, or claims more bytes than the file holds')
    self.position += size
    return self.data[self.position - size : self.position]

  def number(self, form: str):
    return struct.unpack(form, self.take(struct.calcsize(form)))[0]

  def push(self, value: object) -> None:
    self.stack.append(value)

  def pop(self) -> object:
    if len(self.stack) <= (self.marks[-1] if self.marks else 0):
      raise PortError('the pickle is broken: it takes from an empty stack')
    return self.stack.pop()

  def top(self) -> object:
    value = self.pop()
    self.push(value)
    return value

  def pop_to_mark(self) -> list:
    if not self.marks:
      raise PortError('the pickle is broken: it ends a group that it never began')
    start = self.marks.pop()
    values = self.stack[start:]
    del self.stack[start:]
    return values

  def mark(self) -> None:
    if len(self.marks) >= _MAX_MARKS:
      raise PortError('the pickle nests deeper than any weight file does')
    self.marks.append(len(self.stack))

  def text(self, size: int, encoding: str) -> None:
    if size > _MAX_STRING:
      raise PortError('the pickle holds a longer text than any weight file does')
    try:
      self.push(str(self.take(size), encoding))
    except UnicodeDecodeError:
      raise PortError('the pickle is broken: a text is not valid UTF-8') from None

  def integer(self, size: int) -> None:
    if size > _MAX_INTEGER:
      raise PortError('the pickle holds a larger number than any weight file does')
    self.push(int.from_bytes(self.take(size), 'little', signed=True))

  def line(self) -> str:
    head = bytes(self.data[self.position : self.position + _MAX_NAME])
    end = head.find(b'\n')
    if end < 0:
      raise PortError('the pickle is broken: a name does not end')
    self.position += end + 1
    return head[:end].decode('latin-1')

  def pop_tuple(self, size: int) -> None:
    values = [self.pop() for _ in range(size)]
    self.push(tuple(reversed(values)))

  def extend_list(self, values: list) -> None:
    target = self.top()
    if not isinstance(target, list):
      raise PortError(f'the pickle appends to {show(target)}')
    target.extend(values)

  def extend_dict(self, values: list) -> None:
    target = self.top()
    if not isinstance(target, dict) or len(values) % 2:
      raise PortError(f'the pickle sets items of {show(target)}')
    for key, value in zip(values[::2], values[1::2], strict=True):
      target[_key(key)] = value

  def extend_set(self, values: list) -> None:
    target = self.top()
    if not isinstance(target, set):
      raise PortError(f'the pickle adds to {show(target)}')
    target.update(_key(value) for value in values)

  def remember(self, index: int) -> None:
    self.memo[index] = self.top()

  def recall(self, index: int) -> None:
    if index not in self.memo:
      raise PortError('the pickle is broken: it recalls what it never remembered')
    self.push(self.memo[index])

  def find(self, module: object, name: object) -> None:
    if not isinstance(module, str) or not isinstance(name, str):
      raise PortError('the pickle is broken: a name is not text')
    constructor = self.constructors.get(f'{module}.{name}')
    if constructor is None:
      raise PortError(
        f'the pickle names {show(f"{module}.{name}")}, which is not on the list of known '
        'constructors; nothing was run'
      )
    self.push(constructor)

  def call(self) -> None:
    arguments, constructor = self.pop(), self.pop()
    if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
      raise PortError(f'the pickle calls {show(constructor)}')
    # A constructor may copy a list that the pickle names again and again.
    self.budget.spend(sum(len(a) for a in arguments if isinstance(a, (list, dict, set))))
    try:
      self.push(constructor.build(arguments))
    except PortError:
      raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError):
      raise PortError(f'the pickle gives {constructor.name} wrong arguments') from None

  def build(self) -> None:
    state, target = self.pop(), self.top()
    if isinstance(target, dict):  # an OrderedDict's own attributes: torch's _metadata
      return
    if not isinstance(target, Record):
      raise PortError(f'the pickle sets the state of {show(target)}')
    target.set_state(state)

  def persistent(self) -> None:
    if self.load_persistent is None:
      raise PortError('the pickle refers to data outside itself')
    self.push(self.load_persistent(self.pop()))


def _key(key: object) -> object:
  if not isinstance(key, _KEYS):
    raise PortError(f'the pickle uses {show(key)} as a key')
  return key


def _find_on_stack(machine: _Machine) -> None:
  name, module = machine.pop(), machine.pop()
  machine.find(module, name)


def _check_protocol(machine: _Machine) -> None:
  if machine.number('<B') > 5:
    raise PortError('the pickle is of a protocol newer than 5')


_OPERATIONS: dict[int, Callable[[_Machine], object]] = {
  0x80: _check_protocol,
  0x95: lambda m: m.number('<Q'),  # the length of a frame, of no use to us
  ord('('): _Machine.mark,
  ord('0'): lambda m: m.pop(),
  ord('1'): lambda m: m.pop_to_mark(),
  ord('2'): lambda m: m.push(m.top()),
  ord('N'): lambda m: m.push(None),
  0x88: lambda m: m.push(True),
  0x89: lambda m: m.push(False),
  ord('J'): lambda m: m.push(m.number('<i')),
  ord('K'): lambda m: m.push(m.number('<B')),
  ord('M'): lambda m: m.push(m.number('<H')),
  0x8A: lambda m: m.integer(m.number('<B')),
  0x8B: lambda m: m.integer(m.number('<I')),
  ord('G'): lambda m: m.push(m.number('>d')),
  0x8C: lambda m: m.text(m.number('<B'), 'utf-8'),
  ord('X'): lambda m: m.text(m.number('<I'), 'utf-8'),
  0x8D: lambda m: m.text(m.number('<Q'), 'utf-8'),
  ord('U'): lambda m: m.text(m.number('<B'), 'latin-1'),  # Python 2's str
  ord('T'): lambda m: m.text(m.number('<I'), 'latin-1'),
  ord('C'): lambda m: m.push(m.take(m.number('<B'))),
  ord('B'): lambda m: m.push(m.take(m.number('<I'))),
  0x8E: lambda m: m.push(m.take(m.number('<Q'))),
  0x96: lambda m: m.push(m.take(m.number('<Q'))),  # bytearray
  ord('}'): lambda m: m.push({}),
  ord(']'): lambda m: m.push([]),
  ord(')'): lambda m: m.push(()),
  0x8F: lambda m: m.push(set()),
  ord('t'): lambda m: m.push(tuple(m.pop_to_mark())),
  0x85: lambda m: m.pop_tuple(1),
  0x86: lambda m: m.pop_tuple(2),
  0x87: lambda m: m.pop_tuple(3),
  ord('a'): lambda m: m.extend_list([m.pop()]),
  ord('e'): lambda m: m.extend_list(m.pop_to_mark()),
  ord('s'): lambda m: m.extend_dict([m.pop(), m.pop()][::-1]),
  ord('u'): lambda m: m.extend_dict(m.pop_to_mark()),
  0x90: lambda m: m.extend_set(m.pop_to_mark()),
  0x91: lambda m: m.push({_key(value) for value in m.pop_to_mark()}),
  ord('q'): lambda m: m.remember(m.number('<B')),
  ord('r'): lambda m: m.remember(m.number('<I')),
  0x94: lambda m: m.remember(len(m.memo)),
  ord('h'): lambda m: m.recall(m.number('<B')),
  ord('j'): lambda m: m.recall(m.number('<I')),
  ord('c'): lambda m: m.find(m.line(), m.line()),
  0x93: _find_on_stack,
  ord('R'): _Machine.call,
  0x81: _Machine.call,  # cls.__new__(cls, *args) is the same thing for inert stand-ins
  ord('b'): _Machine.build,
  ord('Q'): _Machine.persistent,
}
