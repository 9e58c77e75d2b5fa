"""What the documents say holds: commands are understood, links lead somewhere, tables are true."""

import importlib.util
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import processes
import pytest
import tiny
import yaml
from absl import flags
from PIL import Image

from ganjax import degradations
from ganjax.restoration import defaults
from ganjax.restoration.auto import Automatic
from ganjax.tasks import main, restore_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
CARDS = sorted((ROOT / 'ganjax' / 'weights').glob('*.md'))
PAGES = [
  *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
  *sorted((ROOT / 'docs').glob('*.md')),
  *CARDS,
]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text('utf-8') for path in PAGES}
README = TEXTS['README.md']
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
GANJAX = re.compile(r'[!%]?(?:python -m )?ganjax(?= |$)')


def blocks(text):
  """The lines of the blocks of commands."""
  found = (block for language, block in FENCE.findall(text) if language == 'bash')
  lines = (line for block in found for line in block.splitlines() if line)
  return [re.sub(r'^[A-Z]+=\S+ ', '', line) for line in lines]  # without the shell's settings


def mentioned(text):
  """Commands that stand in running text and in tables, perhaps over several lines."""
  spans = re.findall(r'`([^`]+)`', FENCE.sub('', text))
  found = (re.sub(r'\s+', ' ', span).replace(r'\|', '|') for span in spans)
  return [span for span in found if GANJAX.match(span) and not re.search(r'TASK|…', span)]


def cells(path):
  """A notebook's cells: its text, and its lines of code."""
  found = json.loads(path.read_text('utf-8'))['cells']
  texts = [(cell['cell_type'], ''.join(cell['source'])) for cell in found]
  return (
    '\n\n'.join(text for kind, text in texts if kind == 'markdown'),
    [line for kind, text in texts if kind == 'code' for line in text.splitlines()],
  )


def all_commands():
  """Every command of the documents, the examples and the notebooks that starts ganjax."""
  found = {line for text in TEXTS.values() for line in (*blocks(text), *mentioned(text))}
  for path in (ROOT / 'examples').glob('*.py'):
    found |= {line.strip() for line in path.read_text('utf-8').splitlines()}
  for path in (ROOT / 'examples').rglob('*.ipynb'):
    text, code = cells(path)
    found |= {*blocks(text), *mentioned(text), *(line.strip() for line in code)}
  commands = (line.partition(' > ')[0] for line in found if GANJAX.match(line))
  return sorted({GANJAX.sub('ganjax', line, count=1) for line in commands})


COMMANDS = [line for text in TEXTS.values() for line in blocks(text)]


def commands(start):
  return sorted({line for line in COMMANDS if line.startswith(start)})


@pytest.fixture(scope='module', autouse=True)
def declared():
  if 'task' not in flags.FLAGS:
    main.define_flags()


@pytest.fixture(autouse=True)
def no_flag_is_given():
  flags.FLAGS.unparse_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()


def test_all_commands_are_of_a_known_kind():
  programs = ('ganjax', 'python', 'bash', 'pip', 'ruff', 'mypy')
  assert {line.split()[0] for line in COMMANDS} <= set(programs)
  python = [line for line in COMMANDS if line.startswith('python ')]
  known = r'python (-m (ganjax|ports\.\w+)|(scripts|examples)/\w+\.py)( |$)'
  assert [line for line in python if not re.match(known, line)] == []


@pytest.fixture
def masks(tmp_path, monkeypatch):
  """A working folder that has the masks which commands name."""
  drawn = Image.new('L', (64, 64), 'white')
  drawn.paste(0, (20, 20, 30, 30))
  (tmp_path / 'masks').mkdir()
  drawn.save(tmp_path / 'scratches.png')
  folder = pathlib.Path('tests', 'photographs')
  (tmp_path / folder).mkdir(parents=True)
  shutil.copy(ROOT / folder / 'creased_mask.png', tmp_path / folder)
  monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('command', all_commands())
def test_ganjax_commands_make_a_configuration(command, masks):
  words = shlex.split(command, comments=True)
  if main._help(words) is not None:
    return
  assert main._parse(words) == ['ganjax']
  made = main.from_flags()
  if made.task in restore_config.RESTORATIONS and Automatic.of(made.degradation) is None:
    degradations.parse(made.degradation).check(128, 128)


def test_commands_are_found_wherever_they_stand():
  found = all_commands()
  assert "ganjax restore me.jpg --degradation='noise(sigma=?) | jpeg(quality=20)'" in found
  assert any('--align=never --num_steps=1200 --target_class=under21' in line for line in found)
  assert 'ganjax --completion=bash' in found
  assert 'ganjax interpolate --seeds=2,5 --output=out/seeds' in found  # in a notebook


@pytest.mark.slow
def test_the_quick_ones_run(tmp_path):
  shutil.copy(ROOT / 'scripts' / 'demo' / 'astronaut.png', tmp_path / 'me.jpg')
  quick = 'ganjax align me.jpg --output=out/aligned', 'ganjax --task=report --input=out'
  assert set(quick) <= set(all_commands())
  for command in quick:
    done = subprocess.run(
      [sys.executable, '-m', *shlex.split(command)],
      cwd=tmp_path,
      capture_output=True,
      text=True,
      env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
  assert (tmp_path / 'out' / 'report.html').is_file()


def anchors(text):
  """The anchors of a page's headings, as they are where Markdown is read without a site."""
  found = []
  for heading in re.findall(r'^#+ (.*)$', FENCE.sub('', text), re.MULTILINE):
    words = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).strip().lower()
    anchor = re.sub(r'[^\w\- ]', '', words).replace(' ', '-')
    found.append(f'{anchor}-{found.count(anchor)}' if anchor in found else anchor)
  return found


@pytest.mark.parametrize('name', TEXTS)
def test_links_lead_somewhere(name):
  text = FENCE.sub('', TEXTS[name])
  for link in re.findall(r'\]\(([^)\s]+)\)', text):
    if re.match(r'[a-z]+:', link):
      continue
    path, _, anchor = link.partition('#')
    target = (ROOT / name).parent / path if path else ROOT / name
    assert target.is_file(), link
    if anchor:
      assert anchor in anchors(target.read_text('utf-8')), link
  named = re.findall(r'`((?:ganjax|tests|scripts|docs|ports|examples)/[\w/.-]+)`', text)
  named = (path for path in named if 'NAME' not in path and path != 'ganjax/compiled')  # a cache
  gone = [path for path in named if not (ROOT / path).exists()]
  assert gone == []


def test_the_readme_is_short():
  assert len(README.splitlines()) <= 130


def script(name):
  """A module of scripts/."""
  spec = importlib.util.spec_from_file_location(name, ROOT / 'scripts' / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def test_the_page_of_flags_is_up_to_date():
  text = TEXTS['docs/tasks.md']
  assert script('reference').page(text) == text, 'run python scripts/reference.py'


def test_the_site_has_every_page():
  navigation = (ROOT / 'zensical.toml').read_text('utf-8')
  pages = {place for place in script('docs').pages().values() if place.endswith('.md')}
  shown = set(re.findall(r'"([\w/.-]+\.md)"', navigation))
  assert {place for place in pages if place != 'examples/support.md'} == shown


def test_links_go_along_into_the_site():
  docs = script('docs')
  text = 'See [a](../README.md#x), [b](tasks.md) and [c](../ganjax/weights/under21.md).'
  found = docs.moved(text, 'docs/methods.md', docs.pages())
  assert found == 'See [a](index.md#x), [b](tasks.md) and [c](cards/under21.md).'
  with pytest.raises(SystemExit, match=r'links to nowhere\.md, which is no file'):
    docs.moved('[a](nowhere.md)', 'docs/methods.md', docs.pages())


def test_all_that_is_exported_is_documented():
  import ganjax

  documented = set(re.findall(r'^::: ganjax\.(\w+)$', TEXTS['docs/api.md'], re.MULTILINE))
  assert documented == set(ganjax.__all__)


@pytest.mark.parametrize('card', CARDS, ids=lambda path: path.stem)
def test_cards_have_a_header(card):
  header = yaml.safe_load(card.read_text('utf-8').split('---\n')[1])
  assert header['library_name'] == 'ganjax'
  assert header['license'] == 'other'
  assert {'license_name', 'tags', 'pipeline_tag'} <= header.keys()
  assert card.with_suffix('.safetensors').is_file()


@pytest.mark.parametrize('task', restore_config.RESTORATIONS)
def test_the_table_names_the_defaults(task):
  spec = restore_config.RESTORATIONS[task].get('degradation', '')
  found = defaults.AS_IT_IS.get(task, spec)
  row = next(
    line for line in TEXTS['docs/photos.md'].splitlines() if line.startswith(f'| `{task}`')
  )
  assert task in ('invert', 'restore') or f'`{spec}`' in row
  if task in ('deblur', 'denoise', 'dejpeg'):
    assert f'`{found}`' in row


def test_every_task_has_an_example():
  shown = re.findall(r'^python -m ganjax --task=(\w+)', TEXTS['docs/tasks.md'], re.MULTILINE)
  assert set(shown) == set(main.TASKS)


@pytest.mark.parametrize('command', commands('python -m ports.'))
def test_port_commands_only_lack_their_file(command, tmp_path):
  arguments = [sys.executable, *shlex.split(command)[1:]]
  result = subprocess.run(
    arguments, cwd=tmp_path, capture_output=True, text=True, env={'PYTHONPATH': str(ROOT)}
  )
  assert result.returncode == 1
  assert 'no such file' in result.stderr
  assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize('start', ['bash scripts/', 'python scripts/', 'python examples/'])
def test_scripts_exist(start):
  missing = [line for line in commands(start) if not (ROOT / shlex.split(line)[1]).is_file()]
  assert missing == []


@pytest.mark.slow
def test_the_demo_restores_all_six_and_makes_nothing_twice(tmp_path):
  weights, encoder = tmp_path / 'tiny.safetensors', tmp_path / 'encoder.safetensors'
  tiny.write(weights, (8, 8, 8, 8))  # 32 px: no less for its blur
  tiny.write_encoder(encoder, weights)
  output = tmp_path / 'out'
  # The answer of an encoder: a search of each task would be a program to compile.
  quick = [f'--weights={weights}', f'--init={encoder}', '--num_steps=0', '--align=never']
  # One device, as users have it, and nothing that is worth optimising.
  environment = {**os.environ, 'XLA_FLAGS': processes.QUICKLY_COMPILED}

  def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

  assert run('bash', 'scripts/demo.sh', output, *quick).endswith(f'report: {output}/report.html')
  assert (output / 'report.html').stat().st_size
  made = [
    output / task / 'restored' / 'astronaut.png'
    for task in ('deblur', 'colorize', 'inpaint', 'super_resolve', 'denoise', 'dejpeg')
  ]
  assert [path for path in made if not path.is_file()] == []

  # One command of the script again: all six would only say the same.
  before = {path: path.stat().st_mtime_ns for path in made}
  again = 'source scripts/setup.sh requirements.txt; python -m ganjax "$@"'
  same = ['--task=deblur', '--input=scripts/demo/astronaut.png', f'--output={output / "deblur"}']
  run('bash', '-c', again, 'again', *same, '--degrade_first', *quick)
  assert {path: path.stat().st_mtime_ns for path in made} == before
