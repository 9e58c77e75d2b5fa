"""glibc's heap, so that memory that every step of training needs anew stays with the process.

On a CPU a step's arrays are hundreds of megabytes. glibc returns them to the system after every
step, which has to zero them again for the next one. Elsewhere these functions do nothing.
"""

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def use_single_arena() -> None:
  """One heap for all threads, since only the first one can keep large arrays.

  To be called before any library starts a thread.
  """
  _set(_ARENA_MAX, 1)


def never_trim() -> None:
  """Returns nothing to the system from now on."""
  _set(_MMAP_MAX, 0)
  _set(_TRIM_THRESHOLD, _NEVER)


def _set(parameter: int, value: int) -> None:
  if sys.platform == 'linux' and hasattr(libc := ctypes.CDLL(None), 'mallopt'):
    libc.mallopt(parameter, value)
