"""Strict JAX for every test: no silent promotion, no silent broadcasting, four devices."""

import collections
import importlib.metadata
import os
import pathlib
import shutil

import processes

# Must be set before jax is imported.
os.environ.setdefault(
  'XLA_FLAGS', f'--xla_force_host_platform_device_count=4 {processes.QUICKLY_COMPILED}'
)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
if importlib.metadata.version('jax').startswith('0.10.'):
  # As commands do (`devices.plain_cpu_fusions`): the same program here and there, to the last bit.
  os.environ['XLA_FLAGS'] += ' --xla_cpu_use_fusion_emitters=false'
# Commands that tests start keep their programs beside pytest's own files, not the user's.
os.environ['GANJAX_COMPILATION_CACHE'] = str(
  pathlib.Path(__file__).resolve().parents[1] / '.pytest_cache' / 'compiled'
)

import jax
import pytest
import tiny

from ganjax import inversion
from ganjax.runtime import programs

jax.config.update('jax_numpy_dtype_promotion', 'strict')
jax.config.update('jax_numpy_rank_promotion', 'raise')

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
SHARED = pathlib.Path(__file__).resolve().parents[2] / 'shared'


def pytest_collection_modifyitems(items):
  """Files with slow tests come first: one of them at the end would keep a single process busy."""
  slow = collections.Counter(item.path for item in items if item.get_closest_marker('slow'))
  count = collections.Counter(item.path for item in items)
  items.sort(key=lambda item: (-slow[item.path], -count[item.path], item.path))


@pytest.fixture(scope='module', autouse=True)
def few_programs():
  """Lets compiled programs go before a process has more of them than Linux allows."""
  yield
  programs.clear_caches_near_map_limit()


@pytest.fixture(scope='module')
def browser():
  """A headless Chromium, by Playwright."""
  playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
  path = next(filter(None, map(shutil.which, BROWSERS)), None)
  if path is None:
    pytest.skip(f'none of {", ".join(BROWSERS)} found: pages are NOT being checked in a browser')
  with playwright.sync_playwright() as running:
    started = running.chromium.launch(executable_path=path, args=['--no-sandbox'])
    yield started
    started.close()


@pytest.fixture(scope='session')
def networks():
  """A tiny generator and discriminator with random weights."""
  return tiny.networks()


@pytest.fixture(scope='session')
def weights_file(tmp_path_factory):
  """`networks` as a file."""
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return path


@pytest.fixture(scope='session')
def prior(networks):
  """What inversions with `networks` share."""
  return inversion.make_prior(networks)


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
  """The folder of reference outputs; tests that need it skip where it is absent."""
  if not SHARED.is_dir():
    pytest.skip(f'reference data not found at {SHARED}: parity is NOT being checked')
  return SHARED
