"""Compiled programs that stay on disk, so that a machine compiles each of them once.

JAX keeps and finds them; here is where, and how much of them.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

from ganjax.runtime.entries import Entries

NONE = 'none'
# Tells processes that this one starts, such as Ray's actors, where.
INHERITED = 'GANJAX_COMPILATION_CACHE'
MOST_BYTES = 4 * 2**30
MOST_PROGRAM_BYTES = 2**29  # of those in `programs`
WRITING_SECONDS = 60  # that an entry may take to be written
SPARE_BYTES = 2**30  # that a disk has to have free: a program that is cut short would be of no use

_programs: Entries | None = None


def enable(folder: str | os.PathLike | None = None) -> pathlib.Path | None:
  """Keeps compiled programs from now on, and finds those of earlier processes.

  To be called before anything is compiled. What JAX has been told (JAX_COMPILATION_CACHE_DIR)
  holds. Where the folder cannot be written or its disk is nearly full, nothing is kept.

  Args:
    folder: where to; 'none' for nowhere; None for what the process that started this one was told,
      or else the user's own folder of caches.

  Returns:
    The folder of this JAX version and kind of machine within it, or None.
  """
  global _programs
  folder = folder or os.environ.get(INHERITED)
  if folder:
    os.environ[INHERITED] = str(folder)
  if getattr(jax.config, 'jax_compilation_cache_dir', None) or folder == NONE:
    return None
  base = pathlib.Path(folder or platformdirs.user_cache_path('ganjax') / 'compiled')
  path = base / f'jax-{jax.__version__}-{machine()}'
  if not _is_usable(path):
    return None
  _sweep(path)
  # A cache that fails later costs the time of compiling, and nobody's attention.
  warnings.filterwarnings('ignore', '.*persistent compilation cache', UserWarning)
  jax.config.update('jax_compilation_cache_dir', str(path))
  jax.config.update('jax_compilation_cache_max_size', MOST_BYTES)
  # A command takes dozens of small programs, too.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
  _programs = Entries(path / 'programs', MOST_PROGRAM_BYTES)
  return path


def programs() -> Entries | None:
  """What `runtime.kept` finds programs in, and leaves them; None where nothing is kept."""
  return _programs


@contextlib.contextmanager
def passed_over() -> Iterator[None]:
  """Within it, programs are compiled though JAX has kept them, and JAX does not keep them.

  What JAX has read from its folder runs, but cannot be written again: XLA's programs for CPUs come
  without their machine code then.
  """
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.reset_cache()
  try:
    yield
  finally:
    jax.config.update('jax_enable_compilation_cache', True)
    compilation_cache.reset_cache()


def machine() -> str:
  """A short name of this kind of machine, on whose processor compiled programs depend."""
  told = platform.machine() + platform.processor()
  information = pathlib.Path('/proc/cpuinfo')
  if information.is_file():
    wanted = ('model name', 'flags', 'CPU part', 'Features')
    lines = information.read_text('utf-8', errors='replace').splitlines()
    told += '\n'.join(sorted({line for line in lines if line.startswith(wanted)}))
  digest = hashlib.sha256(told.encode()).hexdigest()[:8]
  return f'{platform.system()}-{platform.machine()}-{digest}'.lower()


def _sweep(path: pathlib.Path) -> None:
  """Removes what a killed process left half written: JAX would neither read nor replace it.

  JAX notes beside each entry when it was used last, after it has written it.
  """
  noted = {note.name.removesuffix('-atime') for note in path.glob('*-atime')}
  settled = time.time() - WRITING_SECONDS
  for entry in path.glob('*-cache') if noted else ():
    with contextlib.suppress(OSError):  # another process may sweep, too
      if entry.name.removesuffix('-cache') not in noted and entry.stat().st_mtime < settled:
        entry.unlink()


def _is_usable(path: pathlib.Path) -> bool:
  probe = path / f'.probe-{uuid.uuid4().hex}'
  try:
    path.mkdir(parents=True, exist_ok=True)
    probe.write_bytes(b'')
    probe.unlink()
    return shutil.disk_usage(path).free >= SPARE_BYTES
  except OSError:
    return False
