"""Locks that the kernel keeps (flock), so that a killed run leaves none behind.

A lock's file says who holds it, for whoever finds it held. (filelock's locks cannot say so: they
may empty or remove the file.)
"""

import datetime
import fcntl
import json
import os
import pathlib
import socket
import time

from ganjax.data.journal import StoreError, storage_errors


def take(path: pathlib.Path) -> int:
  """Claims `path` for this process until it closes the returned descriptor, or dies.

  Raises:
    StoreError: another run holds it; the file cannot be written.
  """
  with storage_errors(path):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      if not try_lock(descriptor):
        said = f'{path}: held by {holder(descriptor)}'
        raise StoreError(f'{said}; wait for that run or choose another --output')
      sign(descriptor)
    except BaseException:
      os.close(descriptor)
      raise
  return descriptor


def try_lock(descriptor: int) -> bool:
  """Locks an open file; returns False where a living process on this machine holds it."""
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    return False
  return True


def unlock(descriptor: int) -> None:
  """Lets go of what `try_lock` locked, and keeps the file open."""
  fcntl.flock(descriptor, fcntl.LOCK_UN)


def sign(descriptor: int) -> None:
  """Writes into a locked file that this process holds it."""
  owner = {'host': socket.gethostname(), 'pid': os.getpid(), 'since': time.time()}
  os.ftruncate(descriptor, 0)
  os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def is_foreign(descriptor: int) -> bool:
  """Whether the last to sign the file ran on another machine."""
  host = socket.gethostname()
  return _owner(descriptor).get('host', host) != host


def holder(descriptor: int) -> str:
  """'process 7 on HOST for 3 s, since 2026-01-01 12:00:00+00:00'."""
  owner = _owner(descriptor)
  since = owner.get('since', time.time())
  began = datetime.datetime.fromtimestamp(since, datetime.UTC).isoformat(' ', 'seconds')
  host, pid = owner.get('host', '?'), owner.get('pid', '?')
  return f'process {pid} on {host} for {time.time() - since:.0f} s, since {began}'


def _owner(descriptor: int) -> dict:
  try:
    owner = json.loads(os.pread(descriptor, 1000, 0))
  except ValueError:
    return {}
  return owner if isinstance(owner, dict) else {}
