"""Functions whose compiled programs an earlier process left: not even traced any more.

JAX asks its own cache of compiled programs for what a function was lowered to, so each process has
to trace and lower it anew: two seconds for a stage of an inversion. Here a program is known by all
that it is made of: the function and its static arguments, the shapes of the others, the source of
this package, versions, settings, devices. What is not told by that, such as a class of the user's
own, whose source may have changed, is left to JAX.
"""

import contextlib
import functools
import hashlib
import io
import os
import pathlib
import pickle
import re
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import flax
import jax
import jaxlib
import numpy as np
import optax
from jax.experimental import serialize_executable

from ganjax.runtime import compile_cache, platforms
from ganjax.runtime.entries import Entries

# Packages whose classes and functions are known by the source's digest or by a version.
_KNOWN = {'builtins', 'collections', 'copyreg', 'flax', 'ganjax', 'jax', 'jaxlib', 'ml_dtypes',
          'numpy', 'optax'}  # fmt: skip
_VARIABLES = ('XLA_', 'LIBTPU_', 'NVIDIA_', 'TF_')  # of the environment, that compilers read

# What a program calls by name: a process that does not lower it does not load it either, and would
# crash. The exceptions are a part of XLA.
_CUSTOM_CALL = re.compile(r'custom_call @([\w.]+)')
_BUILT_IN = {'Sharding', 'SPMDFullToShardShape', 'SPMDShardToFullShape'}

# Settings of JAX that no program depends on.
_IRRELEVANT = re.compile('cache|log|explain|traceback|profil|dump')

_all: list['Kept'] = []


class Kept:
  """`jax.jit`, and where `compile_cache` has a folder, a program that is found there or put there.

  Arguments are positional. A program is found as well as it would be compiled: it is the same.
  """

  def __init__(
    self, function: Callable, static_argnums: Sequence[int] = (), donate_argnums: Sequence[int] = ()
  ):
    functools.update_wrapper(self, function)
    self._jitted = jax.jit(
      function, static_argnums=tuple(static_argnums), donate_argnums=tuple(donate_argnums)
    )
    self._name = f'{function.__module__}.{function.__qualname__}'
    self._static = frozenset(static_argnums)
    self._programs: dict[Any, Callable] = {}
    _all.append(self)

  def __call__(self, *args: Any) -> Any:
    dynamic = tuple(arg for i, arg in enumerate(args) if i not in self._static)
    leaves, structure = jax.tree.flatten(dynamic)
    inner = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    if inner or compile_cache.programs() is None or platforms.is_told():
      return self._jitted(*args)
    static = tuple(arg for i, arg in enumerate(args) if i in self._static)
    key = static, structure, tuple(map(_kind, leaves)), _settings()
    if key not in self._programs:
      self._programs[key] = self._program(key, args, dynamic)
    return self._programs[key](*dynamic)

  def trace(self, *args: Any) -> Any:
    """As that of what `jax.jit` gives."""
    return self._jitted.trace(*args)

  def lower(self, *args: Any) -> jax.stages.Lowered:
    """As that of what `jax.jit` gives."""
    return self._jitted.lower(*args)

  def forget(self) -> None:
    """Lets the programs go; those on the disk stay."""
    self._programs.clear()

  def _program(self, key: Any, args: tuple, dynamic: tuple) -> Callable:
    """The program of a call: found by what it is called with, by what that lowers to, or compiled.

    The second way is that of the first run after the source has changed.
    """
    entries = compile_cache.programs()
    name = self._entry(key)
    if entries is None or name is None:
      return self._jitted.lower(*args).compile()
    found = _load(entries, name, dynamic)
    if found is not None:
      return found
    lowered = self._jitted.lower(*args)
    text = lowered.as_text()
    if not set(_CUSTOM_CALL.findall(text)) <= _BUILT_IN:
      return lowered.compile()
    program = _digest((text, key[2:]))
    link = pickle.dumps((program, lowered.out_tree))
    entries.write(name, link)
    found = _load(entries, name, dynamic)
    if found is None:
      with compile_cache.passed_over():
        found = lowered.compile()
      _keep(entries, program, found)
    return found

  def _entry(self, key: Any) -> str | None:
    """The name of a call's entry on the disk; None where what it depends on cannot be told."""
    if not _is_known(self):
      return None
    try:
      return _digest((self._name, key, _source()))
    except Exception:  # whatever it is that has no name: a lambda, a module, a class of the user's
      return None


def keep(static_argnums: Sequence[int] = (), donate_argnums: Sequence[int] = ()) -> Callable:
  """`Kept` as a decorator, with what `jax.jit` takes by these names."""
  return functools.partial(Kept, static_argnums=static_argnums, donate_argnums=donate_argnums)


def forget_all() -> None:
  """Lets all programs in memory go, as `jax.clear_caches` does with JAX's."""
  for one in _all:
    one.forget()


def _kind(leaf: Any) -> tuple:
  """What a program depends on in an array: shape and type, and where it has to stay."""
  kind = jax.typeof(leaf)
  places: tuple = ()
  if isinstance(leaf, jax.Array) and leaf.committed:
    parts = leaf.sharding.devices_indices_map(leaf.shape)
    places = tuple((str(device), str(part)) for device, part in parts.items())
  return kind.shape, str(kind.dtype), kind.weak_type, places


def _settings() -> tuple:
  """How this thread has JAX trace and compile at the moment."""
  names = (name for name in sorted(jax.config.values) if not _IRRELEVANT.search(name))
  return tuple((name, str(getattr(jax.config, name, None))) for name in names)


@functools.cache
def _source() -> str:
  """The digest of this package's source."""
  source = hashlib.sha256()
  package = pathlib.Path(__file__).parents[1]
  for path in sorted(package.rglob('*.py')):
    source.update(str(path.relative_to(package)).encode() + b'\0' + path.read_bytes())
  return source.hexdigest()


@functools.cache
def _surroundings() -> tuple:
  """What else programs depend on that is the same for a whole process."""
  versions = [module.__version__ for module in (jax, jaxlib, flax, optax, np)]
  devices = [(d.id, d.platform, d.device_kind, d.client.platform_version) for d in jax.devices()]
  told = sorted(item for item in os.environ.items() if item[0].startswith(_VARIABLES))
  # Processes that work as one see the same devices, and each has programs for its own.
  return versions, sys.version, devices, jax.process_index(), told


class _Unknown(Exception):
  """Something cannot be told from its name and the versions of packages."""


class _Pickler(pickle.Pickler):
  """Writes the same for what is equal, whether its parts are one object or several."""

  def __init__(self, file: io.BytesIO):
    super().__init__(file, protocol=5)
    self.fast = True  # no references to what was written before

  def reducer_override(self, value: Any) -> Any:
    is_named = isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
    if is_named and not _is_known(value):
      raise _Unknown(value)
    return NotImplemented


def _is_known(value: Any) -> bool:
  """Whether a class or function is what its name says, as long as versions stay as they are."""
  return str(value.__module__).partition('.')[0] in _KNOWN


def _digest(key: Any) -> str:
  """A name for what a program depends on.

  Raises:
    Exception: it cannot be told, or not be written.
  """
  file = io.BytesIO()
  _Pickler(file).dump((key, _surroundings()))
  return hashlib.sha256(file.getvalue()).hexdigest()


def _load(entries: Entries, name: str, dynamic: tuple) -> Callable | None:
  """A program from the disk; None where there is none that can be loaded."""
  try:
    program, results = pickle.loads(entries.read(name) or b'')
    ids, content = pickle.loads(entries.read(program) or b'')
    by_id = {device.id: device for device in jax.devices()}
    devices = [by_id[i] for i in ids]
    arguments = jax.tree.structure((dynamic, {}))
    return serialize_executable.deserialize_and_load(
      content, arguments, results, devices[0].client, devices
    )
  except Exception:  # it costs the time of compiling, and nobody's attention
    return None


def _keep(entries: Entries, name: str, program: Any) -> None:
  """Writes a program to the disk, if it can be written."""
  with contextlib.suppress(Exception):  # as in `_load`
    content, _, _ = serialize_executable.serialize(program)
    ids = [device.id for device in program.runtime_executable().local_devices()]
    entries.write(name, pickle.dumps((ids, content)))
