"""Adam in place against optax, and means over the axes that there are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from ganjax.ops import optimisers
from ganjax.runtime import devices


def _tree(key):
  first, second = jax.random.split(jax.random.key(key))
  return {'kernel': jax.random.normal(first, (3, 4)), 'bias': jax.random.normal(second, (4,))}


@pytest.mark.parametrize(('b1', 'b2'), [(0.9, 0.999), (0.5, 0.999), (0.0, 0.99)])
def test_adam_is_that_of_optax(b1, b2):
  params = expected = _tree(0)
  state = optimisers.adam_init(params)
  reference = optax.adam(0.01, b1, b2)
  expected_state = reference.init(params)
  for step in range(1, 6):
    gradient = _tree(step)
    params, state = optimisers.adam_update(gradient, state, params, 0.01, b1, b2)
    with jax.numpy_dtype_promotion('standard'):
      updates, expected_state = reference.update(gradient, expected_state)
    expected = optax.apply_updates(expected, updates)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), params, expected)
  for mine, theirs in zip(state, expected_state[0], strict=True):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), mine, theirs)


def test_adam_needs_no_copy_of_what_it_changes():
  shape = jax.ShapeDtypeStruct((256, 256), jnp.float32)
  learned = (shape, jax.eval_shape(optimisers.adam_init, shape))

  def update(learned, gradient):
    params, state = learned
    return optimisers.adam_update(gradient, state, params, 0.1)

  compiled = jax.jit(update, donate_argnums=0).lower(learned, shape).compile()
  assert compiled.memory_analysis().temp_size_in_bytes < 256 * 256 * 4


def test_norm_is_that_of_all_values():
  tree = _tree(0)
  np.testing.assert_allclose(optimisers.global_norm(tree), optax.tree.norm(tree), rtol=1e-6)


@pytest.mark.parametrize('count', [1, 4])
def test_means_are_over_images_and_devices(count):
  mesh = devices.data_mesh('data', jax.devices()[:count])
  values = jnp.arange(8.0).reshape(4, 2)

  def mean(values):
    over_both = jax.vmap(lambda x: devices.mean(x, ('images', 'data')), axis_name='images')
    return over_both(values)

  spec = PartitionSpec('data')
  means = jax.shard_map(mean, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(values)
  np.testing.assert_allclose(means, jnp.broadcast_to(jnp.mean(values, axis=0), (4, 2)))
