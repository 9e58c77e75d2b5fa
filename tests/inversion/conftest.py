"""Networks of 8 px: most of these tests compile an inversion of their own."""

import pytest
import tiny

from ganjax import inversion


@pytest.fixture(scope='session')
def networks():
  """As everywhere else, but half the size."""
  return tiny.networks(tiny.WIDTHS[:2])


@pytest.fixture(scope='session')
def prior(networks):
  """What inversions with these share; that of all tests may have been made with the others."""
  return inversion.make_prior(networks)
