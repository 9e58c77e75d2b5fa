"""Max-pooling, whose gradient is written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.ops import pool


@pytest.mark.parametrize('shape', [(6, 8, 3), (7, 5, 2)])
def test_maxima_and_their_gradient_are_xlas(shape):
  x = jax.random.normal(jax.random.key(0), shape)

  def xlas(x):
    return nnx.max_pool(x[None], (2, 2), (2, 2))[0]

  def gradient(function):
    return jax.grad(lambda x: jnp.sum(jnp.sin(function(x))))(x)

  np.testing.assert_array_equal(pool.max_pool(x), xlas(x))
  np.testing.assert_array_equal(gradient(pool.max_pool), gradient(xlas))
