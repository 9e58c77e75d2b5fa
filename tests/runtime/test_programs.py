"""Compiled programs are let go before there are too many."""

import jax
import pytest

from ganjax.runtime import programs


@pytest.mark.skipif(
  not programs.MAPPINGS.exists(), reason='no /proc: mappings are NOT being counted'
)
@pytest.mark.parametrize(('most', 'kept'), [(10**9, 1), (0, 0)])
def test_only_many_programs_are_let_go(monkeypatch, most, kept):
  double = jax.jit(lambda x: 2 * x)
  assert double(3.0) == 6.0
  monkeypatch.setattr(programs, 'MOST_MAPPINGS', most)
  programs.clear_caches_near_map_limit()
  assert double._cache_size() == kept
  assert double(3.0) == 6.0


def test_where_mappings_cannot_be_counted_nothing_is_let_go(monkeypatch, tmp_path):
  double = jax.jit(lambda x: 2 * x)
  double(3.0)
  monkeypatch.setattr(programs, 'MAPPINGS', tmp_path / 'none')
  monkeypatch.setattr(programs, 'MOST_MAPPINGS', 0)
  programs.clear_caches_near_map_limit()
  assert double._cache_size() == 1
