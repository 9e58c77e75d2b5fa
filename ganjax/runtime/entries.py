"""A folder of bounded size for what can be made again: an entry is whole, or it is not there."""

import contextlib
import hashlib
import os
import pathlib
import uuid
import zlib

_SUFFIX, _DIGEST_BYTES = '.entry', 32


class Entries:
  """Entries by name; several processes may read and write them at once.

  No failure of the file system is told: an entry that cannot be read has to be made again, and one
  that cannot be written is not kept.
  """

  def __init__(self, folder: pathlib.Path, most_bytes: int):
    """Args:
    folder: of nothing else; made with its first entry.
    most_bytes: of all entries; those that were used longest ago leave.
    """
    self._folder, self._most_bytes = folder, most_bytes

  def read(self, name: str) -> bytes | None:
    """What was written, or None where it is not there, or not as it was written."""
    path = self._path(name)
    try:
      content = path.read_bytes()
      os.utime(path)
    except OSError:
      return None
    digest, packed = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return zlib.decompress(packed) if hashlib.sha256(packed).digest() == digest else None

  def write(self, name: str, content: bytes) -> None:
    """Keeps an entry, in the place of an older one."""
    path = self._path(name)
    temporary = path.with_name(f'.{uuid.uuid4().hex}{_SUFFIX}')
    packed = zlib.compress(content, 1)
    with contextlib.suppress(OSError):
      self._folder.mkdir(parents=True, exist_ok=True)
      try:
        temporary.write_bytes(hashlib.sha256(packed).digest() + packed)
        os.replace(temporary, path)
      finally:
        temporary.unlink(missing_ok=True)
      self._make_room()

  def _path(self, name: str) -> pathlib.Path:
    return self._folder / f'{name}{_SUFFIX}'

  def _make_room(self) -> None:
    """Removes the entries that were used longest ago, half written ones among them."""
    found = []
    for path in self._folder.glob(f'*{_SUFFIX}'):
      with contextlib.suppress(OSError):  # another process may make room, too
        known = path.stat()
        found.append((known.st_mtime, known.st_size, path))
    room = self._most_bytes
    for _, size, path in sorted(found, reverse=True):
      room -= size
      if room < 0:
        path.unlink(missing_ok=True)
