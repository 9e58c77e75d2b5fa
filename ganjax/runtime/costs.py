"""What a compiled program costs: arithmetic, memory traffic, room; and what devices can do."""

import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_COLLECTIVE = re.compile(r' (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)')
# An array of an optimised program: type, sizes, layout (the minor axis first), and tiles.
_ARRAY = re.compile(r'([a-z]+\d+)\[([\d,]+)\]\{([\d,]+):T\((\d+),(\d+)\)')
# An instruction of an optimised program: name, result, operation, operands.
_INSTRUCTION = re.compile(r'(?:ROOT )?%?([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\(([^)]*)\)')
_SIZES = re.compile(r'\b([a-z]+\d*)\[([\d,]*)\]')
# What moves nothing: names for arrays that are there, and what runs other instructions.
_FREE = {'parameter', 'get-tuple-element', 'tuple', 'bitcast', 'constant', 'while', 'call'}
_BYTES = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 'u16': 2, 's16': 2, 'f64': 8, 's64': 8}


class Limits(NamedTuple):
  """What a device can do at best."""

  flops: float  # per second, of matrix products in the type that is asked about
  bandwidth: float  # bytes per second, of its main memory
  memory: float = 0.0  # bytes; 0 where nobody asked


# The makers' figures for bfloat16, by the device's kind as JAX names it.
SPECIFIED = {
  'TPU v5 lite': Limits(197e12, 819e9, 16 * 2**30),  # v5e
  'TPU v6 lite': Limits(918e12, 1640e9, 32 * 2**30),  # v6e
  'NVIDIA H100': Limits(989e12, 3350e9, 80e9),
  'NVIDIA H200': Limits(989e12, 4800e9, 141e9),
}


class Cost(NamedTuple):
  """What running a program once takes.

  As its compiler counts: a loop's body counts once, however often it runs, and traffic is that of
  every operation that is left after fusion, whether a cache serves it or the main memory.
  """

  flops: float
  bytes: float

  @classmethod
  def of(cls, compiled: Any) -> 'Cost':
    """That of a compiled program."""
    found = compiled.cost_analysis() or {}
    return cls(float(found.get('flops', 0.0)), float(found.get('bytes accessed', 0.0)))

  def seconds(self, limits: Limits) -> float:
    """The roofline: what it takes at least."""
    return max(self.flops / limits.flops, self.bytes / limits.bandwidth)


class Padded(NamedTuple):
  """An array of a TPU program, whose two minor axes fill tiles."""

  name: str  # as the program writes its type and sizes
  bytes: int  # with what its tiles have to spare
  factor: float  # times as many as its values need
  times: int  # how often it is written


def padded_arrays(text: str, smallest: int = 2**20) -> list[Padded]:
  """The arrays that an optimised TPU program writes, largest first.

  Args:
    text: the program's HLO.
    smallest: bytes from which on an array is told.
  """
  found: dict[tuple[str, int, float], int] = {}
  for line in _written(text):
    match = _ARRAY.match(line)
    if match is None:
      continue
    kind, sizes, layout, *tile = match.groups()
    shape = [int(size) for size in sizes.split(',')]
    minor_first = [shape[int(axis)] for axis in layout.split(',')]
    filled = [
      -(-size // t) * t for size, t in zip(minor_first, (int(tile[1]), int(tile[0])), strict=False)
    ]
    values, places = np.prod(shape), np.prod(filled) * np.prod(minor_first[len(filled) :])
    size = int(places) * _BYTES.get(kind, 4)
    if size >= smallest:
      key = f'{kind}[{sizes}]{{{layout}}}', size, float(places / values)
      found[key] = found.get(key, 0) + 1
  return sorted((Padded(*key, n) for key, n in found.items()), key=lambda p: -p.bytes * p.times)


def _written(text: str) -> Iterator[str]:
  """The results of a program's instructions, without those inside fusions, which stay there."""
  inside = False
  for line in text.splitlines():
    if line and not line[0].isspace():
      inside = 'fused' in line.split('(')[0]
    _, equals, result = line.strip().removeprefix('ROOT ').partition(' = ')
    passes_on = re.search(r'\} (parameter|get-tuple-element|bitcast|tuple|while)\(', result)
    if equals and not inside and not passes_on:
      yield result


def traffic(text: str) -> int:
  """Bytes that the instructions of an optimised program read and write, as `Cost` counts them.

  GPUs' compiler, where there is no GPU, does not tell.

  Args:
    text: the program's HLO.
  """
  total, of_result = 0, dict[str, int]()
  inside = False
  within = set(
    re.findall(r'(?:fusion|reduce|sort|scatter)\(.*(?:calls|to_apply)=%?([\w.-]+)', text)
  )
  for line in text.splitlines():
    if line and not line[0].isspace():
      inside = line.split('(')[0].strip().removeprefix('%') in within
    match = _INSTRUCTION.match(line.strip())
    if inside or match is None:
      continue
    name, result, operation, operands = match.groups()
    of_result[name] = _bytes_of(result)
    if operation not in _FREE:
      read = re.findall(r'%([\w.-]+)', operands)
      total += of_result[name] + sum(of_result.get(one, 0) for one in read)
  return total


def _bytes_of(result: str) -> int:
  """Of an array or a tuple of arrays, as a program writes its type."""
  return sum(
    _BYTES.get(kind, 4) * int(np.prod([int(n) for n in sizes.split(',') if n], dtype=np.int64))
    for kind, sizes in _SIZES.findall(result)
  )


def collectives(text: str) -> int:
  """How many instructions of an optimised program exchange data between devices."""
  return len(_COLLECTIVE.findall(text))


def measured_limits(dtype: Any = jnp.float32, side: int = 2048) -> Limits:
  """What the default device does here and now: a product of matrices, and a sum of long vectors.

  Args:
    dtype: of the matrices.
    side: of the matrices; a vector has 8·side² values.
  """
  a = jnp.ones((side, side), dtype)
  x = jnp.ones((8 * side * side,), jnp.float32)
  product = _seconds(jax.jit(lambda a: a @ a), a)
  added = _seconds(jax.jit(lambda x: x + 1.0), x)
  return Limits(2 * side**3 / product, 2 * x.nbytes / added)


def _seconds(function: Any, *args: Any, repeats: int = 5) -> float:
  jax.block_until_ready(function(*args))
  taken = []
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(function(*args))
    taken.append(time.perf_counter() - start)
  return min(taken)
