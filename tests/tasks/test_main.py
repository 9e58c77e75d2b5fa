"""Wrong flags and files: one line on stderr, an exit code, nothing damaged."""

import os
import pathlib
import subprocess
import sys

import pytest

from ganjax.tasks.config import ConfigError, parse_seeds

ASTRONAUT = 'scripts/demo/astronaut.png'


def ganjax(*flags):
  environment = {**os.environ, 'XLA_FLAGS': ''}
  return subprocess.run(
    [sys.executable, '-m', 'ganjax', *flags], capture_output=True, text=True, env=environment
  )


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--task=deblurr'], '--task'),
    (['--nonsense=1'], 'nonsense'),
    (['--task=deblur'], '--input is missing'),
    (['--task=restore', f'--input={ASTRONAUT}'], '--degradation is missing'),
    (['--task=deblur', '--input=nowhere.png'], 'nowhere.png'),
    (['--task=deblur', f'--input={ASTRONAUT}', '--degradation=blurr()'], 'blurr'),
    (['--task=invert', f'--input={ASTRONAUT}', f'--weights={ASTRONAUT}'], 'ports.stylegan2'),
    (['--task=invert', f'--input={ASTRONAUT}', '--perceptual=vgg16'], 'vgg16.safetensors'),
    (['deblur'], "'deblur'"),
  ],
)
def test_wrong_flags_are_one_line(tmp_path, flags, message):
  result = ganjax(f'--output={tmp_path / "out"}', *flags)
  assert result.returncode != 0
  assert message in result.stderr
  assert 'Traceback' not in result.stderr
  assert len(result.stderr.strip().splitlines()) == 1
  assert not (tmp_path / 'out').exists()


def test_the_console_command_is_the_same_program(tmp_path):
  command = pathlib.Path(sys.executable).with_name('ganjax')
  result = subprocess.run([command, '--task=deblur'], cwd=tmp_path, capture_output=True, text=True)
  assert result.returncode == 1
  assert '--input is missing' in result.stderr


def test_seeds():
  assert parse_seeds(['3', '5-7']) == (3, 5, 6, 7)


@pytest.mark.parametrize('wrong', ['x', '3-', '7-5', '-1', '1-2-3'])
def test_wrong_seeds_are_named(wrong):
  with pytest.raises(ConfigError, match=wrong):
    parse_seeds([wrong])
