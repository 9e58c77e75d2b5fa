"""Real processes: killed, stopped, sharing a data set, on more devices, on a Ray cluster.

Whatever happens to them, the data set comes out the same, to the last byte.
"""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import tiny
from pictures import write_photos
from processes import QUICKLY_COMPILED, distributed

COUNT, BLOCK, KILLS = 60, 5, 4
pytestmark = pytest.mark.slow


class Runs:
  """Starts bulk runs over the same pictures."""

  def __init__(self, folder, weights_file):
    self.folder = folder
    self.photos = write_photos(folder / 'photos', COUNT)
    self._weights = weights_file
    self._started = []

  def start(self, output, *given, devices=1):
    flags = [*tiny.bulk_flags(self._weights, self.photos, self.folder / output)]
    flags += ['--num_steps=24', f'--block_size={BLOCK}', '--previews=0', *given]
    environment = os.environ | {
      'GANJAX_COMPILATION_CACHE': str(self.folder / 'cache'),
      'XLA_FLAGS': f'{QUICKLY_COMPILED} --xla_force_host_platform_device_count={devices}',
    }
    process = subprocess.Popen(
      [sys.executable, '-m', 'ganjax', *flags],
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    self._started.append(process)
    return process

  def end(self):
    """Kills what a failed test has left behind."""
    for process in self._started:
      if process.poll() is None:
        process.kill()
        process.communicate()

  def finish(self, *given, **options):
    process = self.start(*given, **options)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said

  def content(self, output):
    folder = self.folder / output
    paths = [*folder.glob('ganjax-train*'), *folder.glob('blocks/*')]
    return {path.name: path.read_bytes() for path in paths}

  def blocks(self, output):
    return len(list((self.folder / output / 'blocks').glob('*')))

  def wait_for_blocks(self, output, count, process):
    while self.blocks(output) < count:
      assert process.poll() is None, process.communicate()[0]
      time.sleep(0.02)


@pytest.fixture(scope='module')
def runs(tmp_path_factory, weights_file):
  made = Runs(tmp_path_factory.mktemp('runs'), weights_file)
  yield made
  made.end()


@pytest.fixture(scope='module')
def expected(runs):
  """What an undisturbed process makes."""
  code, said = runs.finish('expected')
  assert code == 0, said
  content = runs.content('expected')
  assert len(content) == 2 * COUNT // BLOCK
  return content


def test_four_devices_give_what_one_gives(runs, expected):
  code, said = runs.finish('four', devices=4)
  assert code == 0, said
  assert runs.content('four') == expected


def test_kills_at_any_moment_lose_and_repeat_nothing(runs, expected):
  rng = random.Random(7)
  status = runs.folder / 'killed/status/00000-of-00001.json'
  progress = []
  for kill in range(KILLS):
    before = runs.blocks('killed')
    process = runs.start('killed')
    if kill % 4 == 0:  # while it starts
      time.sleep(rng.uniform(0.2, 2.5))
    elif kill % 4 == 1:  # before or after the first block
      wait_until(process, lambda p=process: is_of(status, p.pid))
      time.sleep(rng.uniform(0, 1.5))
    else:  # while it writes blocks
      wait_until(process, lambda n=before: runs.blocks('killed') > n)
      time.sleep(rng.uniform(0, 0.3))
    process.kill()
    process.communicate()
    progress.append(runs.blocks('killed'))
  assert 0 < progress[-1] < COUNT // BLOCK, progress
  code, said = runs.finish('killed')
  assert code == 0, said
  assert runs.content('killed') == expected
  lines = (runs.folder / 'killed/results.jsonl').read_text().splitlines()
  names = [json.loads(line)['name'] for line in lines]
  assert sorted(names, key=int) == [str(i) for i in range(COUNT)]
  assert not list((runs.folder / 'killed/.ganjax/scratch').glob('*/*'))


def wait_until(process, happened):
  while process.poll() is None and not happened():
    time.sleep(0.02)


def is_of(status, pid):
  return status.exists() and json.loads(status.read_text())['pid'] == pid


def test_a_signal_stops_it_and_it_says_how_to_go_on(runs, expected):
  for number in (signal.SIGTERM, signal.SIGINT):  # what the one has stopped goes on to the other
    before = runs.blocks('stopped')
    process = runs.start('stopped')
    runs.wait_for_blocks('stopped', before + 1, process)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert 'the same command goes on where it stopped' in said
    assert 'Traceback' not in said
    assert before < runs.blocks('stopped') < COUNT // BLOCK
  code, said = runs.finish('stopped')
  assert code == 0, said
  assert runs.content('stopped') == expected


def test_a_second_process_on_the_same_shard_is_refused(runs, expected):
  process = runs.start('twice')
  runs.wait_for_blocks('twice', 1, process)
  process.send_signal(signal.SIGSTOP)  # or it may be done before the second has started
  code, said = runs.finish('twice', '--shard_index=1', '--shard_count=2')
  process.send_signal(signal.SIGCONT)
  process.communicate()
  assert code == 1
  assert f'held by process {process.pid} on {socket.gethostname()}' in said
  assert 'Traceback' not in said
  assert runs.content('twice') == expected


def start_distributed(runs, output):
  """Starts two processes, which share the folder of compiled programs."""
  return [runs.start(output, *own) for own in distributed()]


def test_two_processes_of_jax_distributed_share_a_data_set(runs, expected):
  processes = start_distributed(runs, 'two')
  said = [process.communicate(timeout=300)[0] for process in processes]
  assert [process.returncode for process in processes] == [0, 0], said
  assert sum('bulk: complete' in text for text in said) >= 1, said
  assert runs.content('two') == expected
  states = [
    json.loads((runs.folder / f'two/status/0000{i}-of-00002.json').read_text()) for i in range(2)
  ]
  assert [state['pictures'] for state in states] == [COUNT // 2] * 2


def test_a_dead_process_costs_its_own_blocks_only(runs, expected):
  survivor, victim = start_distributed(runs, 'one_dead')
  runs.wait_for_blocks('one_dead', 2, survivor)
  victim.kill()
  victim.communicate()
  said, _ = survivor.communicate(timeout=300)
  assert survivor.returncode == 0, said
  assert 'bulk: not complete yet' in said
  assert runs.blocks('one_dead') >= COUNT // BLOCK // 2
  code, said = runs.finish('one_dead')
  assert code == 0, said
  assert runs.content('one_dead') == expected


def test_a_ray_cluster_that_loses_a_worker_gives_the_same(runs, expected):
  process = runs.start('ray', '--engine=ray', '--ray_actors=2')
  runs.wait_for_blocks('ray', 2, process)
  scratch = list((runs.folder / 'ray/.ganjax/scratch').glob('*-*-*'))
  owners = [re.search(r'-(\d+)-[0-9a-f]{32}$', path.name) for path in scratch]
  actors = {int(owner[1]) for owner in owners if owner and 'ray::' in command_of(owner[1])}
  assert len(actors) == 2
  assert runs.blocks('ray') < COUNT // BLOCK
  os.kill(actors.pop(), signal.SIGKILL)
  said, _ = process.communicate(timeout=300)
  assert process.returncode == 0, said
  assert runs.content('ray') == expected


def command_of(pid):
  try:
    return pathlib.Path(f'/proc/{pid}/cmdline').read_text()
  except OSError:
    return ''
