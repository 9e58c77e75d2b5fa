"""Two processes never work on the same blocks, and nobody waits for the dead."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from ganjax.bulk import shards
from ganjax.bulk.shards import ShardLock, overlap
from ganjax.data import StoreError
from ganjax.runtime.cluster import Shard


@pytest.mark.parametrize(
  ('a', 'b', 'expected'),
  [
    ((0, 1), (3, 7), True),
    ((0, 2), (1, 2), False),
    ((0, 2), (2, 4), True),
    ((1, 2), (2, 4), False),
  ],
)
def test_overlap(a, b, expected):
  assert overlap(Shard(*a), Shard(*b)) == expected
  assert expected == bool(set(range(a[0], 28, a[1])) & set(range(b[0], 28, b[1])))


def test_a_shard_is_held_once_and_the_owner_is_named(tmp_path):
  with ShardLock(tmp_path, Shard(0, 2)):
    with pytest.raises(StoreError, match=f'held by process {os.getpid()} on .* for 0 s'):
      ShardLock(tmp_path, Shard(0, 2)).__enter__()
    with ShardLock(tmp_path, Shard(1, 2)):
      pass
  with ShardLock(tmp_path, Shard(0, 2)):
    pass


def test_another_number_of_shards_with_the_same_blocks_is_refused(tmp_path):
  with (
    ShardLock(tmp_path, Shard(1, 2)),
    pytest.raises(StoreError, match='00001-of-00002: held by'),
  ):
    ShardLock(tmp_path, Shard(0, 1)).__enter__()
  with ShardLock(tmp_path, Shard(0, 1)):
    pass


def test_a_killed_owner_leaves_no_lock(tmp_path):
  code = (
    'import time; from ganjax.bulk.shards import ShardLock\n'
    'from ganjax.runtime.cluster import Shard\n'
    f'ShardLock(__import__("pathlib").Path({str(tmp_path)!r}), Shard()).__enter__()\n'
    'print("held", flush=True); time.sleep(60)'
  )
  with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE) as owner:
    owner.stdout.readline()
    with pytest.raises(StoreError, match=f'held by process {owner.pid}'):
      ShardLock(tmp_path, Shard()).__enter__()
    owner.kill()
  with ShardLock(tmp_path, Shard()):
    pass


def elsewhere(path, age):
  """A lock whose owner is on another machine, which flock does not reach."""
  path.write_text(json.dumps({'host': 'elsewhere', 'pid': 1, 'since': time.time() - 100}))
  os.utime(path, (time.time() - age,) * 2)


def test_an_owner_elsewhere_that_lives_is_respected(tmp_path, monkeypatch):
  monkeypatch.setattr(shards, 'EXPIRY', 1.0)
  path = tmp_path / '00000-of-00001'
  elsewhere(path, age=0)
  beat = threading.Timer(0.3, os.utime, [path])
  beat.start()
  with pytest.raises(StoreError, match='held by process 1 on elsewhere'):
    ShardLock(tmp_path, Shard()).__enter__()
  beat.join()


@pytest.mark.parametrize('age', [0, 1000])
def test_an_owner_elsewhere_that_died_is_waited_for_and_no_longer(tmp_path, monkeypatch, age):
  monkeypatch.setattr(shards, 'EXPIRY', 1.0)
  elsewhere(tmp_path / '00000-of-00001', age)
  started = time.monotonic()
  with ShardLock(tmp_path, Shard()):
    assert (time.monotonic() - started >= 1) == (age == 0)
