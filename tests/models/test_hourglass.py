"""The untrained networks: shapes, normalisation, and convolution against XLA's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.models import hourglass
from ganjax.models.initialisation import abstract
from ganjax.runtime import platforms

KEY = jax.random.key(0)


@pytest.mark.parametrize(
  'config',
  [
    hourglass.plain_config(1, double=False, width=4),
    hourglass.plain_config(2, double=True, width=4),
    hourglass.plain_config(3, double=False, skip_channels=2, width=4),
    hourglass.HourglassConfig((6,) * 3, skip_channels=4, pointwise=True, in_channels=5),
  ],
)
def test_every_architecture_gives_a_picture_of_its_inputs_size(config):
  model = hourglass.Hourglass(config, rngs=nnx.Rngs(KEY))
  side = 2 * config.factor
  z = jax.random.normal(KEY, (side, 2 * side, config.in_channels))
  image = jax.jit(lambda model, z: model(z))(model, z)
  assert image.shape == (side, 2 * side, 3)
  assert np.all(np.abs(image) <= 1)


def test_the_papers_network_has_its_size():
  model = abstract(hourglass.Hourglass, hourglass.PAPER)
  count = sum(np.prod(x.shape) for x in jax.tree.leaves(nnx.state(model, nnx.Param)))
  assert 2.1e6 < count < 2.3e6  # 2.2 million, as published


@pytest.mark.parametrize('platform', ['cpu', 'gpu'])
@pytest.mark.parametrize(('size', 'stride'), [(1, 1), (3, 1), (3, 2)])
def test_convolution_and_its_gradients_are_xlas(size, stride, platform):
  conv = hourglass.Conv(KEY, size, 3, 4, stride)
  x = jax.random.normal(KEY, (18, 24, 3))  # large enough for a CPU's own forms
  weight = jax.random.normal(jax.random.key(1), (size, size, 3, 4))

  def ours(x, weight):
    clone = nnx.clone(conv)
    clone.weight = nnx.Param(weight)
    return clone(x)

  def plain(x, weight):
    reach = size // 2
    around = jnp.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode='reflect')
    y = jax.lax.conv_general_dilated(
      around[None], weight, (stride, stride), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )[0]
    return y + conv.bias[...][None, None]

  def both(function):
    gradients = jax.grad(lambda *a: jnp.sum(jnp.sin(function(*a))), argnums=(0, 1))
    return function(x, weight), *gradients(x, weight)

  with platforms.traced_for(platform):
    found = both(ours)
  for mine, theirs in zip(found, both(plain), strict=True):
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_norm_gives_zero_mean_and_unit_variance():
  x = 3 + 2 * jax.random.normal(KEY, (16, 16, 5))
  y = np.asarray(hourglass.Norm(5)(x))
  np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-5)
  np.testing.assert_allclose(y.std(axis=(0, 1)), 1, atol=1e-3)
