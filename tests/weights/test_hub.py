"""Weights of the hub: fetched by its library, in whose place a fake one stands: no network."""

import sys
import types

import pytest
import tiny

from ganjax import weights
from ganjax.runtime import extras
from ganjax.weights import WeightsError, hub

FILE = 'hf://me/faces/nets/best.safetensors'


class HfHubHTTPError(Exception):
  """What the hub's library raises where the hub refuses."""


class EntryNotFoundError(Exception):
  """What it raises for a file that a repository lacks."""


@pytest.fixture
def asked(monkeypatch):
  """What the library is asked for; `answers` has the paths or errors that it gives."""
  calls = []
  answers = []

  def hf_hub_download(repo_id, filename, revision=None):
    calls.append((repo_id, filename, revision))
    answer = answers[-1]
    if isinstance(answer, Exception):
      raise answer
    return str(answer)

  errors = types.SimpleNamespace(
    HfHubHTTPError=HfHubHTTPError, EntryNotFoundError=EntryNotFoundError
  )
  library = types.ModuleType('huggingface_hub')
  library.hf_hub_download, library.errors = hf_hub_download, errors
  monkeypatch.setitem(sys.modules, 'huggingface_hub', library)
  hub._fetched.cache_clear()
  yield types.SimpleNamespace(calls=calls, answers=answers)
  hub._fetched.cache_clear()


def test_a_file_is_fetched_once_and_loaded(asked, tmp_path):
  tiny.write(tmp_path / 'tiny.safetensors')
  asked.answers.append(tmp_path / 'tiny.safetensors')
  networks = weights.load(FILE)
  assert networks.resolution == 16
  assert networks.sha256 == weights.load(tmp_path / 'tiny.safetensors').sha256
  assert asked.calls == [('me/faces', 'nets/best.safetensors', None)]


def test_a_revision_can_be_named(asked, tmp_path):
  asked.answers.append(tmp_path / 'x')
  hub.located('hf://me/faces@v2/best.safetensors')
  assert asked.calls == [('me/faces', 'best.safetensors', 'v2')]


@pytest.mark.parametrize(
  'error',
  [
    ConnectionError('no route to host\nand more'),
    ValueError('a bad name'),
    HfHubHTTPError('401'),
    EntryNotFoundError(''),
  ],
)
def test_what_cannot_be_fetched_is_one_line(asked, error):
  asked.answers.append(error)
  with pytest.raises(WeightsError, match=f'^{FILE}: cannot be fetched .*give its path$') as caught:
    weights.load(FILE)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  'path', ['hf://', 'hf://me', 'hf://me/faces', 'hf://me//x', 'hf://me/@v2/x']
)
def test_an_incomplete_name_is_refused(asked, path):
  with pytest.raises(WeightsError, match='write hf://owner/name/file'):
    hub.located(path)
  assert asked.calls == []


def test_without_the_library_its_extra_is_named(monkeypatch):
  hub._fetched.cache_clear()
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(extras.MissingPackageError, match=r"pip install 'ganjax\[hub\]'"):
    weights.load(FILE)


def test_other_paths_are_left_alone(tmp_path):
  assert hub.located(tmp_path / 'a') == tmp_path / 'a'
  assert not hub.is_remote('hf:/x')
