"""4×4 convolutions of image-to-image networks, against plain ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.ops import convolution_4x4
from ganjax.runtime import platforms

HIGHEST = jax.lax.Precision.HIGHEST


def plain(x, kernel, kind):
  dimensions = ('NHWC', 'HWIO', 'NHWC')
  if kind == 'up':  # y[2i + k - 1] += x[i] w[k]: the flipped kernel over x spread out
    return jax.lax.conv_general_dilated(
      x[None], kernel[::-1, ::-1], (1, 1), ((2, 2), (2, 2)), (2, 2),
      dimension_numbers=dimensions, precision=HIGHEST,
    )[0]  # fmt: skip
  stride = (2, 2) if kind == 'down' else (1, 1)
  return jax.lax.conv_general_dilated(
    x[None], kernel, stride, ((1, 1), (1, 1)), dimension_numbers=dimensions, precision=HIGHEST
  )[0]


@pytest.mark.parametrize('platform', ['cpu', 'gpu'])
@pytest.mark.parametrize('kind', ['down', 'same', 'up'])
@pytest.mark.parametrize(('side', 'c_in', 'c_out'), [(6, 3, 5), (6, 24, 5), (4, 256, 256)])
def test_convolutions_and_their_gradients(kind, platform, side, c_in, c_out):
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.standard_normal((side, 8, c_in)), jnp.float32)
  kernel = jnp.asarray(rng.standard_normal((4, 4, c_in, c_out)) / c_in**0.5, jnp.float32)
  function = getattr(convolution_4x4, f'conv_{kind}')

  @functools.partial(jax.jit, static_argnums=0)
  def value_and_slopes(function, x, kernel):
    y, pull = jax.vjp(function, x, kernel)
    return y, *pull(jnp.sin(y))

  expected = value_and_slopes(functools.partial(plain, kind=kind), x, kernel)
  with platforms.traced_for(platform):
    made = value_and_slopes(function, x, kernel)
  for a, b in zip(made, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)
