"""Changes of size: averages on every platform."""

import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.ops.resize import resize
from ganjax.runtime import platforms


@pytest.mark.parametrize('platform', ['cpu', 'tpu'])
def test_resizing_by_whole_factors_is_an_average(platform):
  image = jnp.asarray(np.random.default_rng(0).random((8, 8, 3)), jnp.float32)
  expected = np.asarray(image).reshape(4, 2, 4, 2, 3).mean((1, 3))
  with platforms.traced_for(platform):
    averaged = resize(image, 4, 4)
  np.testing.assert_allclose(averaged, expected, rtol=1e-6)
  assert resize(image, 16, 16).shape == (16, 16, 3)
  assert resize(image, 8, 8) is image
