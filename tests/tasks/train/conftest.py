"""What the tests of trainings share."""

import pytest

from ganjax import report


@pytest.fixture(autouse=True)
def no_further_curves(whole, monkeypatch):
  """The whole run of a file draws its curves; those of all others are not looked at."""
  monkeypatch.setattr(report, 'curve', lambda steps, values, title: b'')
