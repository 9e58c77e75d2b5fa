"""The numbers of operators: how they are checked, kept and written; and what a bad one raises."""

import jax
import numpy as np

from ganjax.errors import GanjaxError

# Parsed operators hold numpy leaves, so that reading a flag does not start a JAX backend.
Leaf = jax.Array | np.ndarray


class DegradationError(GanjaxError):
  """A degradation that cannot be applied; the message is one line and names the remedy."""


def host_rng(key: jax.Array) -> np.random.Generator:
  """The numpy generator that belongs to a JAX key."""
  return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def require_range(name: str, value: float, low: float, high: float) -> None:
  """Raises DegradationError unless low <= value <= high (so also for nan).

  Args:
    name: operator and argument, such as 'jpeg: quality'.
  """
  if not low <= value <= high:
    raise DegradationError(f'{name}={value} is out of range: use {low:g} to {high:g}')


def spell(value: Leaf) -> str:
  """A parameter as the parser reads it: the shortest text that gives back the same float32."""
  if isinstance(value, jax.core.Tracer):
    return '…'  # For error messages under jit.
  array = np.asarray(value)
  if array.ndim:
    return '[' + ' '.join(spell(item) for item in array) + ']'
  if np.issubdtype(array.dtype, np.integer):
    return str(int(array))
  return np.format_float_positional(np.float32(array), trim='-')
