"""The scripts that complete commands, in the shells that they are for."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys

import pytest

from ganjax.tasks import completion, main, table

BASH = completion.script('bash', main.Always)

pytestmark = pytest.mark.skipif(not shutil.which('bash'), reason='there is no bash')


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'ganjax.bash').write_text(BASH)
  (tmp_path / 'my photo.jpg').touch()
  return tmp_path


def completed(folder, line, wordbreaks='="\'><;|&(: \t\n'):
  """What bash offers where the cursor is at the end of a line."""
  # compopt only works while the key is being answered; see the test with a terminal.
  commands = f"""
    source ganjax.bash
    compopt() {{ :; }}
    COMP_WORDBREAKS={shlex.quote(wordbreaks)}
    COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
    read -r _ _ function _ <<< "$(complete -p ganjax)"
    "$function"
    printf '%s\\n' "${{COMPREPLY[@]}}"
  """
  done = subprocess.run(
    ['bash', '--norc', '-u', '-c', commands], cwd=folder, capture_output=True, text=True
  )
  assert done.stderr == ''
  return [line for line in done.stdout.splitlines() if line]


def test_tasks(folder):
  assert completed(folder, 'ganjax ') == list(table.TASKS)
  assert completed(folder, 'ganjax de') == ['deblur', 'denoise', 'dejpeg', 'deep_prior']
  assert completed(folder, 'ganjax --task=col') == ['colorize']


@pytest.mark.parametrize('start', ['ganjax deblur', 'ganjax --task=deblur', 'ganjax --task deblur'])
def test_flags_are_those_of_the_task(folder, start):
  assert completed(folder, f'{start} --deg') == ['--degradation=', '--degrade_first']
  assert completed(folder, f'{start} --trun') == []
  assert completed(folder, 'ganjax generate --trun') == ['--truncation_psi=', '--truncations=']


def test_switches_can_be_turned_off(folder):
  assert completed(folder, 'ganjax bulk --noover') == ['--nooverwrite']


def test_values(folder):
  assert completed(folder, 'ganjax deblur --preset=pr') == ['projector']
  assert completed(folder, 'ganjax evaluate --levels=XS,X') == ['XS,XS', 'XS,XL']


def test_values_where_words_are_not_broken_at_the_sign(folder):
  found = completed(folder, 'ganjax evaluate --levels=XS,X', wordbreaks=' \t\n')
  assert found == ['--levels=XS,XS', '--levels=XS,XL']


def test_files(folder):
  assert completed(folder, 'ganjax inpaint my') == ['my photo.jpg']
  assert completed(folder, 'ganjax inpaint a.jpg --mask=my') == ['my photo.jpg']


def test_the_key_in_a_terminal(folder):
  """A real bash is asked, which puts what it completed into the line."""
  terminal, end = pty.openpty()
  environment = {'PATH': os.environ['PATH'], 'TERM': 'dumb', 'HOME': str(folder)}
  shell = subprocess.Popen(
    ['bash', '--norc', '--noprofile', '-i'],
    **dict.fromkeys(('stdin', 'stdout', 'stderr'), end),
    cwd=folder,
    env=environment,
    start_new_session=True,
  )
  os.close(end)
  try:
    os.write(terminal, b'source ganjax.bash; ganjax() { printf "<%s>" "$@"; }\n')
    os.write(terminal, b'ganjax colo\tmy\t--pres\tproj\t --mas\tmy\t\n')
    said = b''
    while b'<--mask=my photo.jpg>' not in said:
      assert select.select([terminal], [], [], 60)[0], said
      said += os.read(terminal, 4096)
  finally:
    os.close(terminal)
    shell.kill()
    shell.wait()
  assert b'<colorize><my photo.jpg><--preset=projector><--mask=my photo.jpg>' in said


@pytest.mark.parametrize('shell', ['zsh', 'fish'])
def test_other_shells_read_theirs(shell, tmp_path):
  if not shutil.which(shell):
    pytest.skip(f'there is no {shell}: its script is NOT being checked')
  script = tmp_path / 'script'
  script.write_text(completion.script(shell, main.Always))
  done = subprocess.run([shell, '-n', str(script)], capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.skipif(not shutil.which('fish'), reason='there is no fish')
def test_fish_completes(tmp_path):
  script = completion.script('fish', main.Always)

  def offered(line):
    commands = f'source; complete -C {shlex.quote(line)}'
    environment = {**os.environ, 'HOME': str(tmp_path)}
    done = subprocess.run(
      ['fish', '--no-config', '-c', commands],
      input=script,
      cwd=tmp_path,
      env=environment,
      capture_output=True,
      text=True,
    )
    return [found.split('\t')[0] for found in done.stdout.splitlines()]

  assert sorted(offered('ganjax de')) == ['deblur', 'deep_prior', 'dejpeg', 'denoise']
  assert offered('ganjax deblur --trun') == []
  assert offered('ganjax generate --truncations') == ['--truncations']
  assert offered('ganjax deblur --preset=pr') == ['--preset=projector']


@pytest.mark.parametrize('shell', completion.SHELLS)
def test_every_flag_is_known(shell):
  script = completion.script(shell, main.Always)
  for flag in {name for own in completion._flags(main.Always).values() for name in own}:
    assert re.search(rf'(--|-l ){flag}\b', script)


def test_it_is_asked_for_without_jax(tmp_path):
  code = (
    'import sys; sys.argv = ["ganjax", "--completion=bash"]; from ganjax.tasks import main; '
    'main.main(); assert "jax" not in sys.modules'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout == BASH + '\n'


@pytest.mark.parametrize('given', ['--completion', '--completion=tcsh'])
def test_another_shell_is_refused(given):
  done = subprocess.run([sys.executable, '-m', 'ganjax', given], capture_output=True, text=True)
  assert done.returncode == 1
  assert done.stderr == 'ganjax: --completion: name a shell, one of bash, zsh, fish\n'
