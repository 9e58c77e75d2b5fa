"""What is printed to terminals that are not UTF-8, and to pipes that nobody reads any more."""

import os
import subprocess
import sys

import pytest

WORDS = 'a → b … 2 × 3 · ± ≥ ü \udcff 漢'


def printing(program, encoding, *more):
  command = [sys.executable, *more, '-c', f'from ganjax.runtime import streams\n{program}']
  environment = {**os.environ, 'PYTHONIOENCODING': encoding, 'PYTHONUTF8': '0'}
  return subprocess.run(command, capture_output=True, env=environment)


@pytest.mark.parametrize('stream', ['stdout', 'stderr'])
@pytest.mark.parametrize(
  ('encoding', 'expected'),
  [
    ('ascii', 'a -> b ... 2 x 3 * +- >= ? ? ?'),
    ('latin-1', 'a -> b ... 2 × 3 · ± >= ü ? ?'),
    ('cp1252', 'a -> b … 2 × 3 · ± >= ü ? ?'),
    ('utf-8', 'a → b … 2 × 3 · ± ≥ ü ? 漢'),
  ],
)
def test_what_cannot_be_encoded_is_written_in_plain_words(stream, encoding, expected):
  program = f'import sys; streams.make_robust(); print({WORDS!a}, file=sys.{stream})'
  done = printing(program, encoding)
  assert done.returncode == 0
  assert getattr(done, stream).decode(encoding) == expected + '\n'


@pytest.mark.parametrize('more', [[], ['-u']])
def test_a_closed_pipe_does_not_end_the_work(more):
  program = """
import os, sys
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(writing)
streams.make_robust()
os.close(reading)
for _ in range(3):
  print('nobody reads this', flush=True)
sys.exit('done')
"""
  done = printing(program, 'utf-8', *more)
  assert done.stderr == b'done\n'
  assert done.returncode == 1


def test_streams_of_others_stay_as_they_are(capsys):
  from ganjax.runtime import streams

  before = sys.stdout
  assert streams._robust(before) is before
  assert streams._robust(None) is None
