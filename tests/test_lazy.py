"""Packages import what they export when it is asked for."""

import pkgutil

import pytest

import ganjax
from ganjax import inversion, lazy


@pytest.mark.parametrize('package', [ganjax, inversion])
def test_every_export_is_there(package):
  for name in package.__all__:
    assert name in dir(package)
    assert getattr(package, name) is not None


@pytest.mark.parametrize('package', [ganjax, inversion])
def test_no_export_is_called_like_a_submodule(package):
  """Importing the submodule would put it in the export's place."""
  assert not {m.name for m in pkgutil.iter_modules(package.__path__)} & set(package.__all__)


def test_an_export_is_found_where_it_is_defined():
  assert inversion.PRESETS is inversion.presets.PRESETS
  assert ganjax.parse_degradation is ganjax.degradations.parse


def test_what_is_not_exported_is_missing():
  with pytest.raises(AttributeError, match="'ganjax' has no attribute 'nothing'"):
    _ = ganjax.nothing


def test_a_module_stands_for_itself():
  assert lazy.module('math').sqrt(4) == 2
