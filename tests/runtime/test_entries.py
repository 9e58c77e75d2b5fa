"""Entries are whole or not there, and no more than there is room for."""

import os

import pytest

from ganjax.runtime.entries import Entries


@pytest.fixture
def entries(tmp_path):
  return Entries(tmp_path / 'entries', 10_000)


def files(tmp_path):
  return sorted((tmp_path / 'entries').iterdir())


def test_what_is_written_is_read(entries, tmp_path):
  assert entries.read('a') is None
  entries.write('a', b'first')
  entries.write('b', b'')
  assert (entries.read('a'), entries.read('b')) == (b'first', b'')
  entries.write('a', b'second')
  assert entries.read('a') == b'second'
  assert len(files(tmp_path)) == 2


@pytest.mark.parametrize(
  'spoilt', [b'', b'short', lambda whole: whole[:-1], lambda whole: whole[:40] + b'?' + whole[41:]]
)
def test_what_is_not_as_it_was_written_is_not_there(entries, tmp_path, spoilt):
  entries.write('a', bytes(range(256)))
  (path,) = files(tmp_path)
  path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt(path.read_bytes()))
  assert entries.read('a') is None
  entries.write('a', b'again')
  assert entries.read('a') == b'again'


def test_what_was_used_longest_ago_makes_room(entries, tmp_path):
  for age, name in enumerate('abc'):
    entries.write(name, os.urandom(3000))
    path = next(path for path in files(tmp_path) if path.name.startswith(name))
    os.utime(path, (age, age))
  assert entries.read('a') is not None  # which makes it the one that was used last
  entries.write('d', os.urandom(3000))
  assert [name for name in 'abcd' if entries.read(name)] == ['a', 'c', 'd']


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
  (tmp_path / 'file').write_text('')
  entries = Entries(tmp_path / 'file' / 'folder', 10_000)
  entries.write('a', b'first')
  assert entries.read('a') is None
