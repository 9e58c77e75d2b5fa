"""Convolutions: what each platform makes of them, against XLA's own forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.ops import convolution, convolution_cpu
from ganjax.runtime import platforms

RNG = np.random.default_rng(0)
KINDS = {  # convolution, pictures, kernel
  'same': (convolution.conv, (3, 70, 64, 5), (3, 3, 5, 40)),
  'narrow': (convolution.conv, (2, 64, 64, 12), (3, 3, 12, 12)),
  '1×1': (convolution.conv, (2, 64, 64, 3), (1, 1, 3, 12)),
  'down': (convolution.conv_down, (2, 66, 64, 4), (3, 3, 4, 6)),
  'up': (convolution.conv_up, (2, 64, 66, 4), (3, 3, 4, 6)),
  'inside': (lambda x, k: convolution.conv_inside(x, k, 1), (2, 33, 40, 4), (3, 3, 4, 6)),
  'inside 1×1': (lambda x, k: convolution.conv_inside(x, k, 1), (2, 32, 40, 4), (1, 1, 4, 6)),
  'inside, in twos': (lambda x, k: convolution.conv_inside(x, k, 2), (2, 33, 41, 4), (3, 3, 4, 6)),
  'small': (convolution.conv, (2, 16, 20, 5), (3, 3, 5, 6)),
  'small up': (convolution.conv_up, (2, 8, 20, 4), (3, 3, 4, 6)),
}


def normals(shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def derivatives(apply, x, kernel):
  """The output, its gradients, and the gradients of a function of them."""

  def gradients(*arrays):
    return jax.grad(lambda *a: jnp.sum(jnp.sin(apply(*a))), (0, 1))(*arrays)

  def slope(*arrays):
    return sum(jnp.sum(jnp.sin(g / 50)) for g in gradients(*arrays))  # sines of small numbers

  arrays = x, kernel
  return apply(*arrays), *gradients(*arrays), *jax.grad(slope, (0, 1))(*arrays)


@pytest.mark.parametrize('kind', KINDS)
def test_values_gradients_and_their_gradients_are_those_of_a_plain_convolution(kind):
  apply, *shapes = KINDS[kind]
  x, kernel = (normals(shape) for shape in shapes)

  def all_of(x, kernel):
    return derivatives(jax.vmap(apply, (0, None)), x, kernel)

  found = jax.jit(all_of)(x, kernel)
  with platforms.traced_for('gpu'):
    expected = jax.jit(all_of)(x, kernel)
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(jnp.max(jnp.abs(other))))


def test_several_strips_and_a_rest_add_up(monkeypatch):
  x, kernel = normals((70, 64, 5)), normals((3, 3, 5, 8))

  def gradient(x, kernel):
    return jax.grad(lambda k: jnp.sum(jnp.sin(convolution.conv(x, k))))(kernel)

  whole = jax.jit(gradient)(x, kernel)
  monkeypatch.setattr(convolution_cpu, 'STRIP', 9 * 64 * 8)  # of nine rows; seven are left
  text = jax.jit(lambda *a: gradient(*a)).lower(x, kernel).as_text()
  assert text.count('stablehlo.convolution') >= 70 // 9 + 1
  np.testing.assert_allclose(
    jax.jit(lambda *a: gradient(*a))(x, kernel), whole, rtol=1e-4, atol=1e-4
  )


def test_pictures_and_kernels_of_their_own_may_be_mapped_together():
  x, kernels = normals((2, 64, 64, 3)), normals((2, 3, 3, 3, 4))

  def gradient(x, kernel):
    return jax.grad(lambda k: jnp.sum(jnp.sin(convolution.conv(x, k))))(kernel)

  mapped = jax.jit(jax.vmap(gradient))(x, kernels)
  alone = jnp.stack([jax.jit(gradient)(*pair) for pair in zip(x, kernels, strict=True)])
  np.testing.assert_allclose(mapped, alone, rtol=1e-4, atol=1e-4)


PLATFORMS = ['cpu', 'gpu', 'tpu']
FORMS = {  # convolution, how its kernel is frozen
  'same': (convolution.conv, convolution.frozen),
  'down': (convolution.conv_down, convolution.frozen_down),
  'up': (convolution.conv_up, convolution.frozen_up),
}


@pytest.mark.parametrize('platform', PLATFORMS)
@pytest.mark.parametrize('channels', [6, 130])  # with the filter in the kernel, and without
@pytest.mark.parametrize('kind', FORMS)
def test_a_frozen_kernel_does_what_the_kernel_does(kind, channels, platform):
  apply, prepare = FORMS[kind]
  x, kernel = normals((8, 6, 6)), normals((3, 3, 6, channels))

  def value_and_slope(kernel):
    y, pull = jax.vjp(lambda x: apply(x, kernel), x)
    return y, *pull(jnp.sin(y))

  @jax.jit
  def both(kernel):
    return value_and_slope(prepare(kernel)), value_and_slope(kernel)

  with platforms.traced_for(platform):
    found, expected = both(kernel)
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('platform', PLATFORMS)
@pytest.mark.parametrize('kind', ['same', 'up'])
def test_kernels_of_each_image_do_what_a_shared_one_does(kind, platform):
  apply, _ = FORMS[kind]
  x, kernels = normals((2, 8, 6, 5)), normals((2, 3, 3, 5, 4))

  @jax.jit
  def both(x, kernels):
    found = jax.vmap(lambda x, kernel: apply(x, kernel, per_image=True))(x, kernels)
    return found, jnp.stack([apply(*pair) for pair in zip(x, kernels, strict=True)])

  with platforms.traced_for(platform):
    found, expected = both(x, kernels)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
