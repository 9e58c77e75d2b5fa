"""What is installed is whole, asks for no more than a task needs, and runs without the checkout."""

import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ganjax import data, editing
from ganjax.runtime import extras

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))
EXTRAS = PROJECT['project']['optional-dependencies']
PHOTO = ROOT / 'scripts' / 'demo' / 'astronaut.png'
# What only extras bring, by the names that are imported. (Flax brings etils and orbax, too.)
OPTIONAL = {
  'bulk': (
    'array_record',
    'etils',
    'google.protobuf',
    'importlib_resources',
    'tensorflow_datasets',
  ),
  'edit': ('sklearn',),
  'heif': ('pillow_heif',),
  'hub': ('huggingface_hub',),
  'train': ('orbax', 'tensorboardX'),
  'ray': ('ray',),
  'web': ('gradio',),
}


def requirements(name):
  lines = (ROOT / name).read_text('utf-8').splitlines()
  return {line for line in lines if not line.startswith('-r ')}


def test_requirements_are_those_of_the_package_and_its_extras():
  wanted = {*PROJECT['project']['dependencies'], *EXTRAS['bulk'], *EXTRAS['edit'], *EXTRAS['train']}
  assert requirements('requirements.txt') == wanted
  assert requirements('requirements-ray.txt') <= set(EXTRAS['ray'])


def test_constraints_hold_all_that_is_asked_for():
  lines = (ROOT / 'constraints.txt').read_text('utf-8').splitlines()
  pinned = dict(line.split('==') for line in lines if not line.startswith('#'))
  assert all(re.fullmatch(r'[a-z0-9-]+', name) for name in pinned)
  assert all(re.fullmatch(r'[0-9][0-9a-z.]*', version) for version in pinned.values())
  for name in ('requirements.txt', 'requirements-dev.txt', 'requirements-docs.txt'):
    for line in requirements(name):
      wanted = Requirement(line)
      assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), line


@pytest.mark.parametrize(
  'name',
  ['CITATION.cff', '.pre-commit-config.yaml', *map(str, (ROOT / '.github').rglob('*.yml'))],
)
def test_files_for_other_programs_can_be_read(name):
  assert yaml.safe_load((ROOT / name).read_text('utf-8'))


def test_the_citation_is_of_this_version():
  citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
  assert citation['version'] == PROJECT['project']['version']
  assert citation['license'] == PROJECT['project']['license']


def test_all_is_every_extra_that_needs_no_accelerator():
  (every,) = EXTRAS['all']
  assert set(re.findall(r'\w+', every)) == {'ganjax', *EXTRAS} - {'all', 'cuda', 'tpu'}
  assert set(OPTIONAL) <= set(EXTRAS)


def test_a_missing_package_names_its_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'sklearn', None)
  with pytest.raises(extras.MissingPackageError, match=r"sklearn.*pip install 'ganjax\[edit\]'"):
    editing.fit_direction(np.zeros((8, 2), np.float32), np.ones(8, np.int32))


def test_a_bucket_names_its_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'etils', None)
  with pytest.raises(extras.MissingPackageError, match=r"pip install 'ganjax\[bulk\]'"):
    data.sources.walk('gs://bucket/photos')


@pytest.fixture(scope='module')
def blocked(tmp_path_factory):
  """A folder that makes all optional packages missing to a process that has it on its path."""
  folder = tmp_path_factory.mktemp('blocked')
  names = [name for group in OPTIONAL.values() for name in group]
  (folder / 'sitecustomize.py').write_text(
    f'import sys\nsys.modules.update(dict.fromkeys({names}))\n'
  )
  return folder


def run(command, folder, *path):
  """Runs a command in `folder` with `path` before what is installed; (exit code, what it said)."""
  own = os.pathsep.join(map(str, path))
  done = subprocess.run(
    [str(part) for part in command],
    cwd=folder,
    env={**os.environ, 'PYTHONPATH': own},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )
  return done.returncode, done.stdout


def ganjax(*flags):
  return [sys.executable, '-m', 'ganjax', *flags]


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
  folder = tmp_path_factory.mktemp('photos')
  for i in range(4):
    pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
    (folder / f'{i}.png').write_bytes(data.encode_png(pixels))
  return folder


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flags', 'extra'),
  [
    (
      ['--task=pix2pix_train', '--num_steps=1', '--batch_size=4', '--side=8', '--patch=16'],
      'train',
    ),
    (['--task=bulk', '--num_steps=1', '--align=never'], 'bulk'),
    (['--task=bulk', '--num_steps=1', '--align=never', '--engine=ray'], 'ray'),
  ],
)
def test_a_task_that_lacks_its_extra_says_so(photos, blocked, tmp_path, flags, extra):
  flags = [*flags, f'--input={photos}', '--output=out']
  code, said = run(ganjax(*flags), tmp_path, blocked, ROOT)
  assert code == 1
  assert said.splitlines()[-1].endswith(f"run `pip install 'ganjax[{extra}]'`")
  assert 'Traceback' not in said


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """A folder into which the wheel is installed, and nothing else."""
  (wanted,) = PROJECT['build-system']['requires']
  have, need = importlib.metadata.version('setuptools'), wanted.partition('>=')[2]
  if int(have.split('.')[0]) < int(need):
    pytest.skip(f'setuptools {have} is older than {need}: the wheel is NOT being checked')
  source, wheels, target = (tmp_path_factory.mktemp(name) for name in ('source', 'wheels', 'site'))
  for name in ('ganjax', 'ports'):  # building would leave its own files in the checkout
    shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
  for name in ('pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(ROOT / name, source)
  pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-cache-dir']
  offline = ['--no-deps', '--no-index']
  for command in (
    [*pip, 'wheel', *offline, '--no-build-isolation', '--wheel-dir', wheels, source],
    [*pip, 'install', *offline, '--target', target, '--find-links', wheels, 'ganjax'],
  ):
    code, said = run(command, source)
    assert code == 0, said
  return target


@pytest.mark.slow
class TestTheWheel:
  def test_it_holds_all_files_of_the_packages(self, installed):
    for package in ('ganjax', 'ports'):
      files = [path.relative_to(ROOT) for path in (ROOT / package).rglob('*') if path.is_file()]
      files = [path for path in files if '__pycache__' not in path.parts]
      assert [path for path in files if not (installed / path).is_file()] == []
    assert (installed / 'ganjax' / 'py.typed').is_file()

  def test_its_commands_start(self, installed, tmp_path):
    (found,) = importlib.metadata.distributions(path=[str(installed)])
    commands = [entry.name for entry in found.entry_points if entry.group == 'console_scripts']
    assert 'ganjax' in commands
    for name in commands:
      code, said = run([installed / 'bin' / name, '--version'], tmp_path, installed)
      assert (code, said.strip()) == (0, f'ganjax {found.version}')

  def test_it_aligns_restores_generates_and_reports_without_extras(
    self, installed, blocked, tmp_path
  ):
    where = 'import ganjax; print(ganjax.__file__)'
    code, said = run([sys.executable, '-c', where], tmp_path, blocked, installed)
    assert (code, pathlib.Path(said.strip())) == (0, installed / 'ganjax' / '__init__.py')
    for flags, made in (
      (['--task=align', f'--input={PHOTO}'], 'aligned/astronaut.png'),
      (
        [
          *('--task=inpaint', f'--input={PHOTO}', '--degrade_first'),
          *('--num_steps=2', '--preset=projector'),  # which has a single program
        ],
        'restored/astronaut.png',
      ),
      (['--task=generate', '--seeds=0'], 'report.html'),
    ):
      output = tmp_path / flags[0].partition('=')[2]
      code, said = run(ganjax(*flags, f'--output={output}'), tmp_path, blocked, installed)
      assert code == 0, said
      assert (output / made).is_file()
    code, said = run(ganjax('--task=report', f'--output={tmp_path}'), tmp_path, blocked, installed)
    assert code == 0, said
    assert 'generate' in (tmp_path / 'report.html').read_text('utf-8')

  def test_it_ports(self, installed, tmp_path):
    source = ROOT / 'tests' / 'ports' / 'unet_256.pth'
    command = [
      sys.executable,
      '-m',
      'ports.pix2pix',
      f'--source={source}',
      '--target=x.safetensors',
    ]
    code, said = run(command, tmp_path, installed)
    assert code == 0, said
    assert (tmp_path / 'x.safetensors').is_file()
