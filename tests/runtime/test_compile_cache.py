"""Compiled programs are found by the next process; a folder that cannot be used costs nothing."""

import os
import pathlib
import stat
import subprocess
import sys
import time

import pytest

from ganjax.runtime import compile_cache

PROGRAM = """
import sys
from ganjax.runtime import compile_cache
found = compile_cache.enable(*sys.argv[1:])
import jax
from jax import monitoring
hits = []
monitoring.register_event_listener(lambda name, **_: hits.append(name))
assert float(jax.jit(lambda x: x * 2 + 1)(3.0)) == 7
print(found, sum('cache_hits' in name for name in hits))
"""


def run(*args, **environment):
  """(the folder, how many programs were found) of a process of its own."""
  command = [sys.executable, '-W', 'error', '-c', PROGRAM, *map(str, args)]
  kept = {k: v for k, v in os.environ.items() if 'CACHE' not in k}
  done = subprocess.run(command, capture_output=True, text=True, env={**kept, **environment})
  assert done.returncode == 0, done.stderr
  assert not done.stderr
  folder, hits = done.stdout.rsplit(maxsplit=1)
  return folder, int(hits)


def test_the_second_process_compiles_nothing(tmp_path):
  folder, hits = run(tmp_path)
  assert hits == 0
  assert pathlib.Path(folder).parent == tmp_path
  again, hits = run(tmp_path)
  assert again == folder
  assert hits > 0


def test_the_users_own_folder_is_the_default(tmp_path):
  folder, _ = run(XDG_CACHE_HOME=str(tmp_path))
  assert pathlib.Path(folder).is_relative_to(tmp_path / 'ganjax')


def test_none_keeps_nothing_not_even_in_processes_that_are_started(tmp_path):
  assert run('none', XDG_CACHE_HOME=str(tmp_path)) == ('None', 0)
  inherited = {compile_cache.INHERITED: 'none', 'XDG_CACHE_HOME': str(tmp_path)}
  assert run(**inherited) == ('None', 0)
  assert not list(tmp_path.iterdir())


def test_what_jax_was_told_holds(tmp_path):
  folder, _ = run(tmp_path / 'ours', JAX_COMPILATION_CACHE_DIR=str(tmp_path / 'theirs'))
  assert folder == 'None'
  assert not (tmp_path / 'ours').exists()


def test_a_folder_that_cannot_be_written_is_not_used(tmp_path):
  (tmp_path / 'file').write_text('')
  assert run(tmp_path / 'file') == ('None', 0)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_read_only_folder_is_not_used(tmp_path):
  tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
  assert run(tmp_path) == ('None', 0)


def test_a_full_disk_is_not_used(tmp_path, monkeypatch):
  usage = compile_cache.shutil.disk_usage(tmp_path)
  monkeypatch.setattr(compile_cache.shutil, 'disk_usage', lambda path: usage._replace(free=2**20))
  assert not compile_cache._is_usable(tmp_path)


def test_broken_entries_are_compiled_anew(tmp_path):
  folder, _ = run(tmp_path)
  for entry in pathlib.Path(folder).glob('*-cache'):
    entry.write_bytes(b'not a program')
  assert run(tmp_path) == (folder, 0)


def test_what_a_killed_process_left_is_removed(tmp_path):
  folder = pathlib.Path(run(tmp_path)[0])
  whole = {entry.name for entry in folder.glob('*-cache')}
  for name, age in (('cut-cache', 3600), ('in_writing-cache', 0)):
    (folder / name).write_bytes(b'half')
    os.utime(folder / name, (time.time() - age, time.time() - age))
  assert run(tmp_path)[1] > 0
  assert {entry.name for entry in folder.glob('*-cache')} == whole | {'in_writing-cache'}


def test_other_machines_have_another_name(monkeypatch):
  here = compile_cache.machine()
  monkeypatch.setattr(compile_cache.platform, 'processor', lambda: 'another')
  assert compile_cache.machine() != here
