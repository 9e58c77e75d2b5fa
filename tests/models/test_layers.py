"""bias_act, whose gradient is found from its output alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.models import layers

KEY = jax.random.key(0)


def plain(x, scale, noise, bias, gain, clamp):
  """The same, for JAX to differentiate."""
  x = x if scale is None else x * scale[None, None]
  x = x if noise is None else x + noise
  return layers.activate(x + bias[None, None], gain, clamp)


@pytest.mark.parametrize('gain', [1.0, 0.5**0.5])
@pytest.mark.parametrize('clamp', [None, 0.8])
@pytest.mark.parametrize('has_scale', [True, False])
@pytest.mark.parametrize('has_noise', [True, False])
def test_value_gradient_and_its_gradient(gain, clamp, has_scale, has_noise):
  keys = jax.random.split(KEY, 4)
  x = jax.random.normal(keys[0], (6, 5, 4))
  scale = jnp.exp(jax.random.normal(keys[1], (4,))) if has_scale else None
  noise = jax.random.normal(keys[2], (6, 5, 1)) if has_noise else None
  bias = jax.random.normal(keys[3], (4,))
  arrays = x, scale, noise, bias

  def all_of(function):
    def value(arrays):
      return jnp.sum(jnp.sin(function(*arrays, gain, clamp)))

    def slope(arrays):
      return sum(jnp.sum(jnp.cos(g)) for g in jax.tree.leaves(jax.grad(value)(arrays)))

    return jax.jit(lambda a: (function(*a, gain, clamp), jax.grad(value)(a), jax.grad(slope)(a)))

  found, expected = (all_of(f)(arrays) for f in (layers.bias_act, plain))
  for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_layer_keeps_one_array_of_its_size():
  """Leaky ReLU's mask and the convolution's output are not kept beside the activations."""
  x, scale, noise, bias = (jnp.ones(s) for s in ((6, 5, 4), (4,), (6, 5, 1), (4,)))
  _, pull = jax.vjp(lambda *a: layers.bias_act(*a), x, scale, noise, bias)
  kept = [leaf for leaf in jax.tree.leaves(pull) if getattr(leaf, 'shape', ()) == x.shape]
  assert len(kept) == 1
