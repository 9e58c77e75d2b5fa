"""Packages that import what they export when it is first asked for.

The command line's help and its errors need no network, and importing JAX would take most of their
time. A package lists its exports once, where type checkers read them, too:

    if TYPE_CHECKING:
      from ganjax.inversion.batch import Progress, run

    __getattr__, __dir__ = lazy.exports(__name__, __file__)
"""

import ast
import functools
import importlib
import pathlib
import sys
from collections.abc import Callable
from typing import Any


def exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
  """The `__getattr__` and `__dir__` of a package (PEP 562).

  Args:
    package: its name.
    file: its `__init__.py`, whose imports under `if TYPE_CHECKING:` are its exports.
  """

  def get(name: str) -> Any:
    home = None if name.startswith('_') else _homes(file).get(name)
    if home is None:
      raise AttributeError(f'module {package!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(home[0]), home[1])
    setattr(sys.modules[package], name, value)  # from now on it is found without asking here
    return value

  def names() -> list[str]:
    return sorted(vars(sys.modules[package]).keys() | _homes(file).keys())

  return get, names


class _Module:
  """A module that is imported when something of it is asked for."""

  def __init__(self, name: str):
    self._name = name

  def __getattr__(self, name: str) -> Any:
    return getattr(importlib.import_module(self._name), name)


def module(name: str) -> Any:
  """Stands for a module, and imports it when something of it is first asked for."""
  return _Module(name)


@functools.cache
def _homes(file: str) -> dict[str, tuple[str, str]]:
  """Export -> the module that it comes from, and its name there."""
  tree = ast.parse(pathlib.Path(file).read_text('utf-8'))
  blocks = [node for node in tree.body if isinstance(node, ast.If)]
  lines = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
  return {
    alias.asname or alias.name: (str(line.module), alias.name)
    for line in lines
    for alias in line.names
  }
