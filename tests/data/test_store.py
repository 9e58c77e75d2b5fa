"""A run's folder survives kills, full disks, other flags and other people's files."""

import builtins
import errno
import json
import os
import signal
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.data import journal
from ganjax.data.claim import is_output
from ganjax.data.decode import decode
from ganjax.data.store import Store, StoreError, read_results

CONFIG = {'task': 'deblur', 'num_steps': 500, 'seed': 0, 'batch_size': 4}
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.fixture
def folder(tmp_path):
  return tmp_path / 'out'


def add(store, name, source=None, **more):
  files = {'restored': store.write_image('restored', name, PIXELS)}
  store.add_result({'name': name, 'source': source or f'{name}.png', 'files': files, **more})


def files_of(folder):
  paths = (path for path in folder.rglob('*') if path.is_file())
  return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.name != 'lock'}


def test_writes_files_and_lists_them(folder):
  with Store.open(folder, CONFIG) as store:
    assert store.write_image('restored', 'a', PIXELS) == 'restored/a.png'
    assert store.write_image('progress/a', 'step_00050', PIXELS) == 'progress/a/step_00050.png'
    assert store.write_array('latents', 'a', latent=np.eye(3), kind=7, sha='f00') == 'latents/a.npz'
    store.write_array('latents', 'b', kind=jnp.ones(3), name=np.int8([1]))
    assert store.write_bytes('report.html', b'<html>') == 'report.html'
    assert not store.has_result('a')
    store.add_result({'name': 'a', 'source': 'a.png', 'loss': 0.5})
    assert store.has_result('a')
    assert store.source_is_complete('a.png')
    assert store.results == [{'name': 'a', 'source': 'a.png', 'loss': 0.5}]
  np.testing.assert_array_equal(decode(folder / 'restored/a.png'), PIXELS)
  with np.load(folder / 'latents/a.npz') as arrays:
    np.testing.assert_array_equal(arrays['latent'], np.eye(3))
    assert str(arrays['sha']) == 'f00'
  with np.load(folder / 'latents/b.npz') as arrays:
    assert set(arrays) == {'kind', 'name'}
  assert (folder / 'report.html').read_bytes() == b'<html>'
  assert read_results(folder) == (CONFIG, [{'name': 'a', 'source': 'a.png', 'loss': 0.5}], [])
  assert is_output(folder)


def test_same_arrays_give_the_same_file(folder):
  with Store.open(folder, CONFIG) as store:
    first = (folder / store.write_array('latents', 'a', x=np.eye(2))).read_bytes()
    assert (folder / store.write_array('latents', 'a', x=np.eye(2))).read_bytes() == first


@pytest.mark.parametrize('odd', [np.array([{}]), jnp.ones(3, jnp.bfloat16)])
def test_arrays_that_npz_cannot_hold_are_refused(folder, odd):
  with Store.open(folder, CONFIG) as store, pytest.raises(StoreError, match='odd has no npz type'):
    store.write_array('latents', 'a', fine=np.eye(2), odd=odd)


def test_records_become_strict_json(folder, tmp_path):
  with Store.open(folder, {**CONFIG, 'input': tmp_path, 'box': (1, 2)}) as store:
    numbers = [jnp.float32(1.5), np.float64('nan'), float('inf'), np.int64(3), True, None]
    store.add_result({'name': 'a\u2028"\udcff', 'source': tmp_path / 'a.png', 'numbers': numbers})
    assert store.source_is_complete(tmp_path / 'a.png')
  line = (folder / 'results.jsonl').read_text()
  record = json.loads(line, parse_constant=pytest.fail)
  assert record['numbers'] == [1.5, None, None, 3, True, None]
  assert read_results(folder)[0]['box'] == [1, 2]


# Continuing.


def test_the_same_flags_continue(folder):
  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
    first = store.config_hash
  with Store.open(folder, {**dict(reversed(CONFIG.items())), 'batch_size': 1}) as store:
    assert store.has_result('a')
    assert not store.has_result('b')
    assert store.config_hash == first
    add(store, 'b')
    add(store, 'a', loss=0.25)  # done again: the later one counts
  config, results, _ = read_results(folder)
  assert config['batch_size'] == 1
  assert [(r['name'], r.get('loss')) for r in results] == [('a', 0.25), ('b', None)]


def test_a_source_is_finished_when_it_has_all_its_results(folder):
  with Store.open(folder, CONFIG) as store:
    assert not store.source_is_complete('group.jpg')
    add(store, 'group_face0', 'group.jpg', num_results=2)
    add(store, 'group_face0', 'group.jpg', num_results=2)
    assert not store.source_is_complete('group.jpg')
  with Store.open(folder, CONFIG) as store:
    assert not store.source_is_complete('group.jpg')
    add(store, 'group_face1', 'group.jpg', num_results=2)
    assert store.source_is_complete('group.jpg')
  with Store.open(folder, CONFIG) as store:
    assert store.source_is_complete('group.jpg')


def test_other_flags_are_named_and_refused(folder):
  with Store.open(folder, {**CONFIG, 'gone': 'x'}) as store:
    add(store, 'a')
  before = files_of(folder)
  with pytest.raises(StoreError) as caught:
    Store.open(folder, {**CONFIG, 'num_steps': 300, 'new': [1]})
  message = str(caught.value)
  assert '--num_steps (was 500, now 300)' in message
  assert "--gone (was 'x', now None)" in message
  assert '--new (was None, now [1])' in message
  assert 'seed' not in message
  assert '--overwrite' in message
  assert '\n' not in message
  assert files_of(folder) == before
  Store.open(folder, {**CONFIG, 'gone': 'x'}).close()  # the refused run holds no lock


def test_a_run_without_results_holds_nobody_to_its_flags(folder):
  """Such as one that was refused, whose message says which flag to give."""
  with Store.open(folder, CONFIG) as store:
    store.add_failure('me.jpg', 'me', 'no face found: say where it is by --face')
    store.write_image('photos', 'me', np.zeros((2, 2, 3), np.uint8))
  with Store.open(folder, {**CONFIG, 'face': '1:2:3:4'}) as store:
    assert not (folder / 'photos/me.png').exists()
    add(store, 'me')
  assert read_results(folder)[0]['face'] == '1:2:3:4'


@pytest.mark.parametrize('left', ['training', 'samples'])
def test_a_training_holds_the_next_to_its_flags(folder, left):
  """Though it has no results: checkpoints, or files that would have to be made again."""
  with Store.open(folder, CONFIG) as store:
    if left == 'training':
      (folder / 'training').mkdir()
    else:
      store.write_image('samples', '1', np.zeros((2, 2, 3), np.uint8))
  with pytest.raises(StoreError, match='num_steps'):
    Store.open(folder, {**CONFIG, 'num_steps': 300})
  Store.open(folder, CONFIG).close()
  assert (folder / left).is_dir()


def test_the_hash_is_of_the_flags_that_change_results(folder, tmp_path):
  def digest(name, **flags):
    with Store.open(tmp_path / name, {**CONFIG, **flags}) as store:
      return store.config_hash

  assert digest('a') == digest('b', batch_size=9)
  assert digest('a') != digest('c', seed=1)


def test_overwrite_removes_what_ganjax_wrote_and_nothing_else(folder):
  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
    store.write_image('aligned', 'a', PIXELS)
    store.write_bytes('progress/a/1.png', b'1')
    store.add_failure('b.png', 'b', 'no face')
  (folder / 'restored/mine.png').write_bytes(b'mine')
  (folder / 'notes.txt').write_bytes(b'notes')
  with Store.open(folder, {**CONFIG, 'seed': 1}, overwrite=True) as store:
    assert not store.has_result('a')
    assert not store.results
  left = files_of(folder)
  assert set(left) == {'config.json', 'notes.txt', 'restored/mine.png'}
  assert left['restored/mine.png'] == b'mine'
  assert not (folder / 'aligned').exists()
  assert not (folder / 'progress').exists()
  assert read_results(folder) == ({**CONFIG, 'seed': 1}, [], [])


def test_overwrite_does_not_follow_a_forged_list(folder, tmp_path):
  precious = tmp_path / 'precious.txt'
  precious.write_text('mine')
  Store.open(folder, CONFIG).close()
  lines = ['../precious.txt', str(precious), '.ganjax/lock', '']
  (folder / '.ganjax/written.jsonl').write_text(''.join(json.dumps(x) + '\n' for x in lines))
  Store.open(folder, CONFIG, overwrite=True).close()
  assert precious.read_text() == 'mine'


# Other people's files.


@pytest.mark.parametrize('name', ['config.json', 'results.jsonl', 'restored', 'report.html'])
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_foreign_folder_with_such_files_is_refused(folder, name, overwrite):
  folder.mkdir()
  (folder / name).write_text('{"format": "another"}')
  with pytest.raises(StoreError, match=f'{name}: not written by ganjax; choose another --output'):
    Store.open(folder, CONFIG, overwrite)
  assert os.listdir(folder) == [name]


def test_a_folder_with_other_files_can_be_used(folder):
  folder.mkdir()
  (folder / 'notes.txt').write_text('notes')
  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
  assert (folder / 'notes.txt').read_text() == 'notes'


def test_a_foreign_file_is_never_replaced(folder):
  with Store.open(folder, CONFIG) as store:
    (folder / 'restored').mkdir()
    (folder / 'restored/a.png').write_bytes(b'mine')
    with pytest.raises(StoreError, match=r'restored/a\.png: not written by ganjax'):
      store.write_image('restored', 'a', PIXELS)
    assert (folder / 'restored/a.png').read_bytes() == b'mine'


@pytest.mark.parametrize(
  'relative',
  ['../x.png', '/tmp/x.png', 'restored/../../x', 'a//b', '', '.ganjax/lock', 'a/.b', 'a\nb', 'a/'],
)
def test_unsafe_paths_are_refused(folder, relative):
  with Store.open(folder, CONFIG) as store, pytest.raises(StoreError, match='no safe file name'):
    store.write_bytes(relative, b'')


@pytest.mark.parametrize('relative', ['config.json', 'results.jsonl', 'failures.jsonl'])
def test_the_lists_are_not_written_over(folder, relative):
  with Store.open(folder, CONFIG) as store, pytest.raises(StoreError, match='no safe file name'):
    store.write_bytes(relative, b'')


# Failures.


def test_a_later_success_takes_a_failure_back(folder):
  with Store.open(folder, CONFIG) as store:
    store.add_failure('a.png', 'a', 'no face')
    store.add_failure('b.png', 'b', 'truncated')
    store.add_failure('b.png', 'b', 'truncated again')
    assert [f['name'] for f in store.failures] == ['a', 'b']
    add(store, 'a')
    expected = [{'name': 'b', 'source': 'b.png', 'reason': 'truncated again'}]
    assert store.failures == expected
    assert read_results(folder)[2] == expected


def test_a_finished_source_takes_its_failure_back(folder):
  with Store.open(folder, CONFIG) as store:
    store.add_failure('a.png', 'a', 'out of memory')
    add(store, 'a_face0', 'a.png', num_results=2)
    assert len(read_results(folder)[2]) == 1
    add(store, 'a_face1', 'a.png', num_results=2)
    assert read_results(folder)[2] == store.failures == []


def test_failures_are_tried_again(folder):
  with Store.open(folder, CONFIG) as store:
    store.add_failure('b.png', 'b', 'truncated')
  assert len(read_results(folder)[2]) == 1
  with Store.open(folder, CONFIG) as store:
    assert not store.failures
  assert read_results(folder)[2] == []


# Kills.

CHILD = """
import os, signal, sys, numpy as np
from ganjax.data.store import Store
store = Store.open(sys.argv[1], {'seed': 0})
store.write_image('restored', 'a', np.zeros((2, 2, 3), np.uint8))
store.add_result({'name': 'a', 'source': 'a.png'})
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder, code):
  child = subprocess.run([sys.executable, '-c', CHILD + code, str(folder)], timeout=60)
  assert child.returncode == -signal.SIGKILL


def test_a_kill_between_write_and_rename_leaves_the_old_file(folder):
  killed(folder, "os.replace = die; store.write_image('restored', 'a', np.ones((9, 9), np.uint8))")
  assert len(list((folder / '.ganjax').glob('*.tmp'))) == 1
  assert decode(folder / 'restored/a.png').shape == (2, 2, 3)
  with Store.open(folder, {'seed': 0}) as store:  # the dead process' lock is gone
    assert store.has_result('a')
    assert not list((folder / '.ganjax').glob('*.tmp'))


def test_a_file_whose_writer_was_killed_can_be_written(folder):
  killed(folder, "os.replace = die; store.write_image('restored', 'b', np.ones((9, 9), np.uint8))")
  assert not (folder / 'restored/b.png').exists()
  with Store.open(folder, {'seed': 0}) as store:
    assert not store.has_result('b')
    add(store, 'b')


def test_a_kill_after_the_rename_leaves_a_file_that_may_be_replaced(folder):
  killed(folder, "store.write_image('restored', 'b', np.ones((9, 9), np.uint8)); die()")
  with Store.open(folder, {'seed': 0}) as store:
    assert not store.has_result('b')
    add(store, 'b')
  assert decode(folder / 'restored/b.png').shape == PIXELS.shape


@pytest.mark.parametrize('half', [b'{"name": "b", "sou', b'{"name": "b", "source": "b"}', b'\0\0'])
def test_half_a_last_line_is_dropped_and_repaired(folder, half):
  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
  for name in ('results.jsonl', '.ganjax/written.jsonl'):
    with open(folder / name, 'ab') as file:
      file.write(half)
  assert [r['name'] for r in read_results(folder)[1]] == ['a']
  with Store.open(folder, CONFIG) as store:
    assert not store.has_result('b')
    add(store, 'c')
  assert [r['name'] for r in read_results(folder)[1]] == ['a', 'c']


def test_a_broken_line_in_the_middle_is_named(folder):
  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
  path = folder / 'results.jsonl'
  path.write_text('oops\n' + path.read_text())
  with pytest.raises(StoreError, match=r'results\.jsonl: line 1 is broken'):
    read_results(folder)
  path.write_text('[1]\n')
  with pytest.raises(StoreError, match='no name or source'):
    Store.open(folder, CONFIG)


# The lock.


def test_two_runs_do_not_share_a_folder(folder):
  with Store.open(folder, CONFIG) as store:
    for overwrite in (False, True):
      with pytest.raises(StoreError, match=f'held by process {os.getpid()} on .* since 20'):
        Store.open(folder, CONFIG, overwrite)
    add(store, 'a')
    store.close()
    store.close()
  with Store.open(folder, CONFIG) as store:
    assert store.has_result('a')


def test_a_run_in_another_process_is_seen(folder):
  code = CHILD + "print('ready', flush=True); sys.stdin.read()"
  command = [sys.executable, '-c', code, str(folder)]
  with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
    assert child.stdout.readline() == b'ready\n'
    with pytest.raises(StoreError, match=f'held by process {child.pid} '):
      Store.open(folder, {'seed': 0})
    child.kill()
  Store.open(folder, {'seed': 0}).close()


# A disk that refuses.


class FullDisk:
  """A file that takes some bytes and then no more."""

  def __init__(self, file, room):
    self._file, self._room = file, room

  def write(self, data):
    self._file.write(data[: self._room])
    self._file.flush()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  def writelines(self, pieces):
    for piece in pieces:
      self.write(piece)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._file.close()


@pytest.mark.parametrize('room', [0, 5])
def test_a_full_disk_damages_nothing(folder, monkeypatch, room):
  def full_disk(path, mode):
    return FullDisk(builtins.open(path, mode), room)

  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
    before = files_of(folder)
    with monkeypatch.context() as patch:
      patch.setattr(journal, 'open', full_disk, raising=False)
      for write in (
        lambda: store.write_image('restored', 'a', PIXELS[:2]),
        lambda: store.write_image('restored', 'b', PIXELS),
        lambda: store.add_result({'name': 'b', 'source': 'b.png'}),
      ):
        with pytest.raises(StoreError, match=r'No space left .* free space'):
          write()
    assert files_of(folder) == before
    assert not store.has_result('b')
    add(store, 'b')
  assert [r['name'] for r in read_results(folder)[1]] == ['a', 'b']


def test_an_interrupt_in_the_middle_of_a_line_takes_it_back(folder, monkeypatch):
  def interrupt(_):
    raise KeyboardInterrupt

  with Store.open(folder, CONFIG) as store:
    add(store, 'a')
    with monkeypatch.context() as patch:
      patch.setattr('os.fsync', interrupt)
      with pytest.raises(KeyboardInterrupt):
        store.add_result({'name': 'b', 'source': 'b.png'})
    add(store, 'c')
  assert [r['name'] for r in read_results(folder)[1]] == ['a', 'c']


def test_an_output_that_cannot_be_a_folder(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(StoreError, match='cannot be written'):
    Store.open(tmp_path / 'file', CONFIG)
  with pytest.raises(StoreError, match='cannot be written'):
    Store.open(tmp_path / 'file/below', CONFIG)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_without_permission(folder):
  folder.mkdir(mode=0o500)
  with pytest.raises(StoreError, match='Permission denied'):
    Store.open(folder, CONFIG)


# Reading.


@pytest.mark.parametrize(
  'text', [None, '[]', '{"a": 1}', 'half', '[' * 100_000, ' ' * 2**20 + '[]']
)
def test_what_is_no_output(tmp_path, text):
  if text is not None:
    (tmp_path / 'config.json').write_text(text)
  assert not is_output(tmp_path)
  with pytest.raises(StoreError, match='no output folder of ganjax'):
    read_results(tmp_path)


def test_results_can_be_read_during_the_run(folder):
  with Store.open(folder, CONFIG) as store:
    assert read_results(folder) == (CONFIG, [], [])
    add(store, 'a')
    assert len(read_results(folder)[1]) == 1
