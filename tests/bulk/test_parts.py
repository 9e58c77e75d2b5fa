"""Parts and their lines are written together or not at all, and read back bit by bit."""

import resource
import signal

import numpy as np
import pytest

from ganjax.bulk.parts import Outcome, Parts
from ganjax.data import StoreError


@pytest.fixture
def parts(tmp_path):
  (tmp_path / 'scratch').mkdir()
  return Parts(tmp_path, 3, tmp_path / 'scratch')


def result(index, face=0, faces=1, size=100):
  line = {'name': f'n{index}', 'source': 's', 'index': index, 'face': face, 'num_results': faces}
  return Outcome((index, face), line, np.random.default_rng(index).bytes(size))


def failure(index):
  return Outcome(
    (index, 0), {'name': f'n{index}', 'source': 's', 'index': index, 'reason': 'r'}, None
  )


def test_a_block_is_sorted_and_done(parts):
  assert parts.done() == set()
  parts.write(1, [result(5), failure(4), result(3, 1, 2), result(3, 0, 2)])
  assert parts.done() == {1}
  lines = parts.read_lines(1)
  assert [(line['index'], line.get('face'), line.get('row')) for line in lines] == [
    (3, 0, 0),
    (3, 1, 1),
    (4, None, None),
    (5, 0, 2),
  ]
  assert parts.check(1) == 3
  assert sorted(path.name for path in parts.scratch.iterdir()) == []


def test_a_block_without_results(parts):
  parts.write(0, [failure(0)])
  assert parts.check(0) == 0


def test_the_order_of_finishing_changes_no_byte(parts):
  def content():
    return (parts.folder / parts.part(0)).read_bytes(), (parts.folder / parts.lines(0)).read_bytes()

  parts.write(0, [result(1), result(0), failure(2)])
  first = content()
  parts.write(0, [failure(2), result(0), result(1)])
  assert content() == first


def test_what_is_set_aside_comes_back(parts):
  outcomes = [result(0), failure(1)]
  parts.set_aside(2, outcomes)
  assert parts.done() == set()
  kept = parts.aside(2)
  assert [(o.order, o.example) for o in kept] == [(o.order, o.example) for o in outcomes]
  parts.write(2, [*kept, result(2)])
  assert parts.aside(2) == []


def test_a_kill_between_the_two_files_of_what_was_set_aside(parts):
  parts.set_aside(2, [result(0)])
  _, lines = parts._partial(2)
  old = lines.read_bytes()
  parts.set_aside(2, [result(0), result(1)])
  lines.write_bytes(old)
  assert parts.aside(2) == []


def test_failures_are_tried_again_and_results_kept(parts):
  parts.write(0, [result(0), failure(1)])
  assert parts.reopen(0)
  assert parts.done() == set()
  assert [outcome.order for outcome in parts.aside(0)] == [(0, 0)]
  parts.write(0, parts.aside(0))
  assert not parts.reopen(0)
  assert parts.done() == {0}


def test_a_part_that_was_cut_is_noticed(parts):
  parts.write(0, [result(i, size=70_000) for i in range(4)])
  path = parts.folder / parts.part(0)
  path.write_bytes(b'junk' * 20_000)
  with pytest.raises(StoreError, match='holds 0 results, but its lines say 4'):
    parts.check(0)


@pytest.fixture
def full_disk():
  """Lets no file grow beyond 200 kB: what a full disk does, without one."""
  earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
  handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, earlier[1]))
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
  signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_damages_nothing(parts, full_disk):
  parts.write(0, [result(0)])
  with pytest.raises(StoreError, match='cannot be written'):
    parts.write(1, [result(i, size=1_000_000) for i in range(3)])
  assert parts.done() == {0}
  assert not (parts.folder / parts.part(1)).exists()
  assert list(parts.scratch.iterdir()) == []
  assert parts.check(0) == 1
