"""Compiled programs, of which a process cannot keep any number."""

import functools
import gc
import pathlib
from collections.abc import Callable

import jax

from ganjax.runtime import kept

# Linux lets a process have 65,530 memory mappings. XLA's programs for CPUs take up to some
# thousands each, and one more than there may be crashes the process.
MOST_MAPPINGS = 25_000
MAPPINGS = pathlib.Path('/proc/self/maps')


@functools.cache
def jit_once(function: Callable, static_argnums: tuple[int, ...] = ()) -> Callable:
  """`jax.jit` for what runs once: a CPU would take far longer to optimise it than to run it."""
  options = {'xla_backend_optimization_level': 0} if jax.default_backend() == 'cpu' else None
  return jax.jit(function, static_argnums=static_argnums, compiler_options=options)


def clear_caches_near_map_limit() -> None:
  """Lets all programs go if they have become many; what is used again is compiled again.

  To be called now and then by code that keeps compiling new programs.
  """
  if MAPPINGS.exists() and len(MAPPINGS.read_bytes().splitlines()) > MOST_MAPPINGS:
    kept.forget_all()
    jax.clear_caches()
    gc.collect()
