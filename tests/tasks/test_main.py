"""The command line: help, the short form, and wrong flags and files: one line, nothing damaged."""

import os
import pathlib
import subprocess
import sys

import pytest

from ganjax.tasks import main, settings, table

ASTRONAUT = 'scripts/demo/astronaut.png'


def ganjax(*flags, cwd=None):
  environment = {**os.environ, 'XLA_FLAGS': ''}
  return subprocess.run(
    [sys.executable, '-m', 'ganjax', *flags],
    cwd=cwd,
    capture_output=True,
    text=True,
    env=environment,
  )


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--task=deblurr'], '--task=deblurr: is none of the choices: did you mean deblur?'),
    (['deblurr', 'me.jpg'], "'deblurr' is no task: did you mean deblur?"),
    (['me.jpg'], "'me.jpg' is no task: write ganjax TASK PHOTO"),
    (['--nonsense=1'], '--nonsense: no such flag'),
    (['--learning_rte=1'], '--learning_rte: no such flag: did you mean --learning_rate?'),
    (['deblur', 'x.jpg', '-o', 'out'], '--o: no such flag: did you mean --output?'),
    (['--task=deblur', '--space=w_pls'], '--space=w_pls: is none of the choices: did you mean w_'),
    (['--task=deblur', '--num_steps=-1'], '--num_steps=-1'),
    (['--task=deblur', '--batch_size=0'], '--batch_size=0: give a positive number, or auto'),
    (['--task=deblur'], '--input is missing'),
    (['deblur'], '--input is missing'),
    (['--input=x.png'], '--task is missing'),
    (['deblur', 'a.jpg', 'b.jpg'], "unexpected 'b.jpg': give one photo, a folder, or a glob"),
    (['deblur', 'a.jpg', '--input=b.jpg'], "unexpected 'a.jpg'"),
    (['--task=deblur', 'a.jpg'], 'write --input=a.jpg'),
    (['--task=deblur', 'a.jpg', '--help'], 'write --input=a.jpg'),
    (['--task=restore', '--degrade_first', f'--input={ASTRONAUT}'], '--degradation is missing'),
    (['deblur', ASTRONAUT, '--preset=pivotal', '--fidelity=0'], 'no weight that it turns'),
    ([ASTRONAUT, 'deblur'], f'write ganjax deblur {ASTRONAUT}'),
    (['--taks=deblur'], 'did you mean --task?'),
    (['deblur', ASTRONAUT, '--num_steps=few'], '--num_steps=few: is no whole number'),
    (['deblur', ASTRONAUT, '--learning_rate=low'], '--learning_rate=low: is no number'),
    (['deblur', 'scripts/demo', '--output=scripts/demo/../demo'], 'holds the photos'),
    (['--task=deblur', '--input=nowhere.png'], 'nowhere.png'),
    (['--task=deblur', f'--input={ASTRONAUT}', '--degradation=blurr()'], 'did you mean blur?'),
    (['--task=invert', f'--input={ASTRONAUT}', f'--weights={ASTRONAUT}'], 'ports.stylegan2'),
    (['--task=invert', f'--input={ASTRONAUT}', '--perceptual=vgg16'], 'vgg16.safetensors'),
  ],
)
def test_wrong_flags_are_one_line(tmp_path, flags, message):
  result = ganjax(f'--output={tmp_path / "out"}', *flags)
  assert result.returncode == 1
  assert message in result.stderr
  assert 'Traceback' not in result.stderr
  assert len(result.stderr.strip().splitlines()) == 1
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('task', table.TASKS)
@pytest.mark.parametrize(
  ('output', 'message'),
  [('', '--output is empty; name a folder'), (' ', '--output is empty'), ('it', '--output=it: is')],
)
def test_results_go_into_a_folder_of_their_own(tmp_path, monkeypatch, task, output, message):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'it').write_text('a file')
  if 'task' not in settings.FLAGS:
    main.define_flags()
  for flag in settings.FLAGS:
    settings.FLAGS[flag].unparse()
  settings.FLAGS(['ganjax', f'--task={task}', f'--output={output}'])
  with pytest.raises(settings.ConfigError, match=message):
    main.from_flags()


def test_an_empty_output_is_refused_in_the_short_form(tmp_path):
  result = ganjax('align', str(pathlib.Path(ASTRONAUT).resolve()), '--output=', cwd=tmp_path)
  assert result.returncode == 1
  assert result.stderr == 'ganjax: --output is empty; name a folder for the results\n'
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'cp1252'])
@pytest.mark.parametrize('flags', [['--help'], ['--helpfull'], ['help', 'deep_prior'], ['…']])
def test_terminals_need_not_be_utf_8(flags, encoding):
  environment = {**os.environ, 'PYTHONIOENCODING': encoding}
  command = [sys.executable, '-m', 'ganjax', *flags]
  result = subprocess.run(command, capture_output=True, env=environment)
  assert result.returncode == (flags == ['…'])
  assert b'Traceback' not in result.stderr
  assert result.stdout.decode(encoding) or result.stderr.decode(encoding)


def test_a_run_whose_pipe_is_closed_goes_on(tmp_path):
  output = tmp_path / 'out'
  flags = f'--task=align --input={ASTRONAUT} --align=never --output={output}'
  command = f'{sys.executable} -m ganjax {flags} | true'
  result = subprocess.run(command, shell=True, capture_output=True, text=True)
  assert result.stderr == ''
  assert (output / 'report.html').is_file()


@pytest.mark.parametrize('flags', [[], ['--help'], ['-h'], ['help']])
def test_help_lists_every_task(tmp_path, flags):
  result = ganjax(*flags, cwd=tmp_path)
  assert result.returncode == 0
  assert result.stderr == ''
  lines = [line.split() for line in result.stdout.splitlines()]
  for task in table.TASKS.values():
    assert [task.name, *task.summary.split()] in lines


@pytest.mark.parametrize(
  'flags', [['--task=colorize', '--help'], ['colorize', '-h'], ['help', 'colorize']]
)
def test_help_on_a_task_has_its_own_defaults(flags):
  result = ganjax(*flags)
  assert result.returncode == 0
  entry = result.stdout.partition('--noise_reg_weight')[2].partition('  --')[0]
  assert ' '.join(entry.split()).endswith('default: 10)')
  assert result.stdout.index('--input') < result.stdout.index('--w_noise')
  assert '--max_side' not in result.stdout  # of another task


def test_full_help_has_every_flag_of_every_task():
  result = ganjax('--helpfull')
  assert result.returncode == 0
  words = set(result.stdout.replace('[no]', '').split())
  for task in table.TASKS.values():
    for own in settings.settings_of(task.kind()).values():
      assert f'--{own.flag}' in words
  assert '--flagfile' in result.stdout


def test_help_may_be_cut_short():
  command = f'{sys.executable} -m ganjax --helpfull | head -1'
  result = subprocess.run(command, shell=True, capture_output=True, text=True)
  assert result.stdout.startswith('ganjax')
  assert result.stderr == ''


def test_version():
  assert ganjax('--version').stdout == f'ganjax {main.ganjax.__version__}\n'


@pytest.mark.parametrize(
  'flags', [['--help'], ['--helpfull'], ['train_generator', '--help'], ['deblur', '--spce=w', 'x']]
)
def test_help_and_errors_do_without_jax(flags):
  program = (
    'import sys; from ganjax.__main__ import main\n'
    'try: main()\n'
    "finally: print({'jax', 'numpy', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
  )
  command = [sys.executable, '-c', program, *flags]
  result = subprocess.run(command, capture_output=True, text=True)
  assert 'set()' in result.stderr.splitlines()[0]


def test_the_console_command_is_the_same_program(tmp_path):
  command = pathlib.Path(sys.executable).with_name('ganjax')
  result = subprocess.run([command, '--task=deblur'], cwd=tmp_path, capture_output=True, text=True)
  assert result.returncode == 1
  assert '--input is missing' in result.stderr
  assert list(tmp_path.iterdir()) == []


def test_the_short_form_writes_beside_the_photo(tmp_path):
  source = pathlib.Path(ASTRONAUT).read_bytes()
  (tmp_path / 'me.png').write_bytes(source)
  result = ganjax('align', 'me.png', '--align=never', cwd=tmp_path)
  assert result.returncode == 0, result.stderr
  assert result.stdout.splitlines()[-1] == 'report: me-align/report.html'
  assert (tmp_path / 'me-align' / 'aligned' / 'me.png').is_file()


@pytest.mark.parametrize(
  ('photos', 'expected'),
  [
    ('me.jpg', 'me-deblur'),
    ('holiday/me.v2.jpg', 'holiday/me.v2-deblur'),
    ('album.2024', 'album.2024-deblur'),
    ('album.2024/', 'album.2024-deblur'),
    ('pair/*.jpg', 'pair/pair-deblur'),
    ('odd[1].png', 'odd[1]-deblur'),
    ('.', 'HERE-deblur'),
    ('*.jpg', 'HERE-deblur'),
    ('gs://bucket/faces', None),
    ('tfds:lfw:train', None),
  ],
)
def test_results_lie_beside_photos(tmp_path, monkeypatch, photos, expected):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'album.2024').mkdir()
  (tmp_path / 'odd[1].png').touch()
  here = expected and expected.replace('HERE', tmp_path.name)
  assert main._beside(photos, 'deblur') == here
