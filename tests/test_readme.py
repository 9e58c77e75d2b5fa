"""Every command of the README is one that the program understands."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from absl import flags
from PIL import Image

from ganjax import degradations
from ganjax.restoration import defaults
from ganjax.tasks import main, restore_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text('utf-8')
BLOCKS = re.findall(r'```bash\n(.*?)```', README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line]


def commands(start):
  return [line for line in COMMANDS if line.startswith(start)]


@pytest.fixture(scope='module', autouse=True)
def declared():
  if 'task' not in flags.FLAGS:
    main.define_flags()


def test_all_commands_are_of_a_known_kind():
  known = ('ganjax ', 'python -m ganjax ', 'python -m ports.', 'bash scripts/', 'python scripts/')
  assert [line for line in COMMANDS if not line.startswith(known)] == []


@pytest.fixture
def masks(tmp_path, monkeypatch):
  """A working folder that has the masks which commands name."""
  (tmp_path / 'masks').mkdir()
  drawn = Image.new('L', (64, 64), 'white')
  drawn.paste(0, (20, 20, 30, 30))
  drawn.save(tmp_path / 'scratches.png')
  monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('command', commands('python -m ganjax ') + commands('ganjax '))
def test_ganjax_commands_make_a_configuration(command, masks):
  flags.FLAGS.unparse_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  words = shlex.split(command.removeprefix('python -m '), comments=True)
  assert main._parse(words) == ['ganjax']
  made = main.from_flags()
  if made.task in restore_config.RESTORATIONS:
    degradations.parse(made.degradation).check(128, 128)


@pytest.mark.parametrize('task', restore_config.RESTORATIONS)
def test_the_table_names_the_defaults(task):
  spec = restore_config.RESTORATIONS[task].get('degradation', '')
  found = defaults.AS_IT_IS.get(task, spec)
  row = next(line for line in README.splitlines() if line.startswith(f'| `{task}`'))
  assert task in ('invert', 'restore') or f'`{spec}`' in row
  if task in ('deblur', 'denoise', 'dejpeg'):
    assert f'`{found}`' in row


def test_every_task_has_an_example():
  shown = {re.search(r'--task=(\w+)', command)[1] for command in commands('python -m ganjax ')}
  assert shown == set(main.TASKS)


@pytest.mark.parametrize('command', commands('python -m ports.'))
def test_port_commands_only_lack_their_file(command, tmp_path):
  arguments = [sys.executable, *shlex.split(command)[1:]]
  result = subprocess.run(
    arguments, cwd=tmp_path, capture_output=True, text=True, env={'PYTHONPATH': str(ROOT)}
  )
  assert result.returncode == 1
  assert 'no such file' in result.stderr
  assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize('script', commands('bash scripts/') + commands('python scripts/'))
def test_scripts_exist(script):
  assert (ROOT / shlex.split(script)[1]).is_file()


@pytest.mark.slow
def test_the_demo_restores_all_six_and_is_quick_the_second_time(tmp_path):
  command = ['bash', 'scripts/demo.sh', str(tmp_path), '--num_steps=2']
  # One device, as users have it; two steps need no optimised program.
  environment = {**os.environ, 'XLA_FLAGS': '--xla_backend_optimization_level=0'}
  for _ in range(2):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith(f'report: {tmp_path}/report.html')
  assert (tmp_path / 'report.html').stat().st_size
  for task in ('deblur', 'colorize', 'inpaint', 'super_resolve', 'denoise', 'dejpeg'):
    assert (tmp_path / task / 'restored' / 'astronaut.png').is_file()
