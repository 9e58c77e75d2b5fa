"""Pixels to floats and back, NumPy's arrays and JAX's."""

import jax
import numpy as np
import pytest

from ganjax.pixels import check_floats, to_bytes, to_float

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)


def test_every_value_comes_back():
  floats = to_float(ALL)
  assert floats.dtype == np.float32
  assert (floats.min(), floats.max()) == (-1, 1)
  np.testing.assert_array_equal(to_bytes(floats), ALL)


def test_what_is_beyond_the_range_is_clipped():
  np.testing.assert_array_equal(to_bytes(np.array([-1.1, 1.1, -1 - 1e-9])), [0, 255, 0])


def test_within_jit_they_do_the_same():
  floats = np.random.default_rng(0).uniform(-1.2, 1.2, (64, 64, 3)).astype(np.float32)
  # XLA may multiply by the reciprocal of what NumPy divides by.
  np.testing.assert_allclose(jax.jit(to_float)(ALL), to_float(ALL), atol=1.2e-7)
  found = jax.jit(to_bytes)(floats)
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, to_bytes(floats))


def test_floats_of_another_range_are_refused_or_told_of():
  check_floats(to_float(ALL), 'photos')
  with pytest.raises(ValueError, match=r'photos: is uint8; .*x / 127.5 - 1, or uint8'):
    check_floats(ALL, 'photos', ', or uint8')
  for wrong in (255.0, np.nan):
    with pytest.raises(ValueError, match=r'photos: lies in \[.*\]; give floats in \[-1, 1\]'):
      check_floats(np.array([0, wrong]), 'photos')
  with pytest.raises(ValueError, match=r'lies in \[0, 1.02\]'):
    check_floats(np.array([0, 1.02]), 'photos')
  check_floats(np.array([-1, 1.005]), 'photos', slack=0.01)
  with pytest.warns(UserWarning, match=r'\[0, 1\]; if its black is 0, give 2 \* x - 1'):
    check_floats(ALL / np.float32(255), 'photos')
