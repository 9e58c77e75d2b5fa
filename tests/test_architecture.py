"""Imports run one way, from floor to floor, and never in a circle."""

import ast
import functools
import importlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# From the top down. A module may import from its own floor's own folder and from floors below; what
# stands on one floor side by side does not know one another.
FLOORS = (
  ('ganjax.__main__',),
  ('ganjax.tasks',),
  ('ganjax.bulk', 'ganjax.web'),
  ('ganjax',),  # the package itself: what a researcher imports
  ('ganjax.restoration',),
  ('ganjax.training',),
  (
    'ganjax.inversion',
    'ganjax.editing',
    'ganjax.report',
  ),
  ('ganjax.pix2pix',),
  ('ganjax.weights', 'ganjax.degradations'),
  ('ganjax.models', 'ganjax.metrics'),
  ('ganjax.ops',),
  ('ganjax.data', 'ganjax.faces'),
  ('ganjax.runtime',),
  ('ganjax.pixels', 'ganjax.errors', 'ganjax.choices', 'ganjax.lazy'),
)
# (who, whom) that may make a circle: why.
EXCEPTIONS = {
  (
    'ganjax.tasks.deep_prior_config',
    'ganjax.tasks.deep_prior_study',
  ): 'checks of a sweep need JAX, which help does without: imported once flags are read',
}


@functools.cache
def modules():
  """Every module's dotted name -> its file."""
  files = (ROOT / 'ganjax').rglob('*.py')
  named = {'.'.join(path.relative_to(ROOT).with_suffix('').parts): path for path in files}
  return {name.removesuffix('.__init__'): path for name, path in named.items()}


@functools.cache
def imports(name):
  """The modules of the package that a module imports, in functions as well.

  `from a import b` is an import of a.b where that is a module; of a alone otherwise.
  """
  found = set()
  for node in ast.walk(ast.parse(modules()[name].read_text('utf-8'))):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{name}: write absolute imports'
      whole = {f'{node.module}.{alias.name}' for alias in node.names}
      found |= {one if one in modules() else node.module for one in whole}
  return found & modules().keys() - {name}


def place(name):
  """A module's (floor, folder); floor 0 is the top."""
  folder = name if name == 'ganjax' else '.'.join(name.split('.')[:2])
  for floor, folders in enumerate(FLOORS):
    if folder in folders:
      return floor, folder
  raise AssertionError(f'{name} stands on no floor: enter {folder} in FLOORS')


def is_downwards(who, whom):
  floor, folder = place(who)
  below, other = place(whom)
  return below > floor or folder == other


@pytest.mark.parametrize('name', sorted(modules()))
def test_imports_run_downwards(name):
  wrong = {whom for whom in imports(name) if not is_downwards(name, whom)}
  assert wrong == set()


def test_no_imports_run_in_circles():
  graph = {
    name: {whom for whom in imports(name) if (name, whom) not in EXCEPTIONS} for name in modules()
  }
  while leaves := {name for name, wanted in graph.items() if not wanted}:
    graph = {name: wanted - leaves for name, wanted in graph.items() if name not in leaves}
  assert graph == {}  # what is left imports itself in the end, or imports what does


def test_every_folder_of_the_floors_exists():
  folders = {folder for floor in FLOORS for folder in floor}
  assert folders == {place(name)[1] for name in modules()}


def test_the_document_names_every_folder():
  text = (ROOT / 'docs' / 'architecture.md').read_text('utf-8')
  for folder in (folder for floor in FLOORS for folder in floor if folder != 'ganjax'):
    name = folder.removeprefix('ganjax.')
    assert f'`{name}/`' in text or f'`{name}.py`' in text


def resolved(dotted):
  """Whether `inversion.batch.run`, say, is a module or something in it."""
  parts = dotted.split('.')
  for count in range(len(parts), 0, -1):
    name = '.'.join(['ganjax', *parts[:count]])
    if name in modules():
      found = importlib.import_module(name)
      for part in parts[count:]:
        found = getattr(found, part, None)
      return found is not None
  return False


@pytest.mark.parametrize('document', ['docs/architecture.md', 'CONTRIBUTING.md'])
def test_documents_name_what_exists(document):
  text = (ROOT / document).read_text('utf-8')
  folders = {name.split('.')[1] for name in modules() if '.' in name}
  names = {name for name in re.findall(r'`([a-z_0-9]+(?:\.\w+)+)', text)}
  names = {
    name for name in names if name.split('.')[0] in folders and not name.endswith(('.py', '.html'))
  }
  assert names
  assert {name for name in names if not resolved(name)} == set()


@pytest.mark.parametrize('document', ['docs/architecture.md', 'CONTRIBUTING.md', 'README.md'])
def test_documents_name_files_that_exist(document):
  text = (ROOT / document).read_text('utf-8')
  links = set(re.findall(r'\]\(([^)#:]+)\)', text))
  paths = {path for path in re.findall(r'`((?:ganjax|tests|scripts|docs|ports)/[\w/.]+)`', text)}
  missing = [path for path in links if not ((ROOT / document).parent / path).exists()]
  missing += [path for path in paths if 'NAME' not in path and not (ROOT / path).exists()]
  assert missing == []


@pytest.mark.parametrize('document', ['docs/architecture.md', 'CONTRIBUTING.md'])
def test_commands_of_documents_are_known(document):
  blocks = re.findall(r'```bash\n(.*?)```', (ROOT / document).read_text('utf-8'), re.DOTALL)
  for line in (line for block in blocks for line in block.splitlines()):
    words = [word for word in line.split('#')[0].split() if not re.match('[A-Z]+=', word)]
    known = words[0] in ('ruff', 'mypy') or (ROOT / words[1]).is_file()
    assert known, line
