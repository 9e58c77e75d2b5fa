"""Filters folded into kernels, and packed images, against the plain forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.ops import convolution, packing
from ganjax.runtime import platforms

RNG = np.random.default_rng(0)


def normals(*shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def test_packing_is_undone():
  x = normals(6, 8, 5)
  packed = packing.space_to_depth(x)
  np.testing.assert_array_equal(packed[1, 2, 5:10], x[2, 5])  # row 0, column 1 of its four pixels
  np.testing.assert_array_equal(packing.depth_to_space(packed), x)
  one = x[:, :, :1]
  packed = packing.space_to_depth(one)
  np.testing.assert_array_equal(packing.packed_map(one[:, :, 0]), packed)


@pytest.mark.parametrize('size', [1, 3])
def test_a_packed_kernel_does_what_the_kernel_does(size):
  x, kernel = normals(6, 8, 5), normals(size, size, 5, 4)
  plain = convolution.conv(x, kernel)
  packed = packing.packed_kernel(kernel)
  made = convolution.conv(packing.space_to_depth(x), packed)
  np.testing.assert_allclose(packing.depth_to_space(made), plain, atol=1e-4)


@pytest.mark.parametrize('height', [4, 6])
def test_folded_kernels_filter_and_convolve(height):
  x, kernel = normals(height, 8, 5), normals(3, 3, 5, 4)
  up, down = convolution.conv_up(x, kernel), convolution.conv_down(x, kernel)  # as on a CPU
  folded = convolution.conv(x, packing.fold_up(kernel))
  np.testing.assert_allclose(packing.depth_to_space(folded), up, atol=1e-4)
  folded = convolution.conv(packing.space_to_depth(x), packing.fold_down(kernel))
  np.testing.assert_allclose(folded, down, atol=1e-4)


def test_only_narrow_layers_are_folded_and_only_on_accelerators():
  def convolutions(platform, channels):
    x, kernel = jnp.zeros((8, 8, channels)), jnp.zeros((3, 3, channels, channels))
    with platforms.traced_for(platform):
      jaxpr = jax.make_jaxpr(lambda x, k: convolution.conv_up(x, k))(x, kernel)
    found = [e for e in jaxpr.eqns if e.primitive.name == 'conv_general_dilated']
    return [(e.invars[1].aval.shape, e.params['lhs_dilation']) for e in found]

  assert convolutions('gpu', 128) == [((3, 3, 128, 512), (1, 1))]
  assert convolutions('gpu', 256) == [((3, 3, 256, 256), (2, 2))]
  assert len(convolutions('cpu', 128)) == 4  # by parity
