"""The networks reproduce what the public implementations compute, forward and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax.weights
import ports.stylegan2
import ports.vgg16
from ganjax.models.layers import freeze

NETWORKS = ['ada-skip-32.pkl', 'ada-conditional-16.pkl', 'tf-config-f-32.pkl', 'rosinality-32.pt']


def nhwc(array):
  return np.moveaxis(array, 1, -1)


def assert_close(ours, reference, tolerance):
  """Relative to the reference's standard deviation, as its README asks."""
  error = np.max(np.abs(np.asarray(ours) - reference)) / np.std(reference)
  assert error < tolerance, f'relative error {error:.2g}'


@pytest.fixture(scope='module', params=NETWORKS)
def case(request, shared, tmp_path_factory):
  source = shared / 'reference' / request.param
  path = tmp_path_factory.mktemp('weights') / 'ported.safetensors'
  ganjax.weights.save(path, *ports.stylegan2.port(source))
  return ganjax.weights.load(path), dict(np.load(source.with_suffix('.npz')))


def mapped(networks, expected, **truncation):
  mapping = networks.generator.mapping
  given = (expected['z'], expected['c']) if 'c' in expected else (expected['z'],)
  return jax.jit(jax.vmap(lambda *given: mapping(*given, **truncation)))(*given)


def test_mapping(case):
  networks, expected = case
  if 'ws' not in expected:
    np.testing.assert_allclose(mapped(networks, expected)[:, 0], expected['w'], atol=1e-4)
    return
  assert_close(mapped(networks, expected), expected['ws'], 1e-4)
  assert_close(mapped(networks, expected, psi=0.7), expected['ws_psi07'], 1e-4)
  assert_close(mapped(networks, expected, psi=0.5, cutoff=2), expected['ws_psi05_cutoff2'], 1e-4)


@pytest.mark.parametrize('noise', ['const', 'none'])
def test_synthesis(case, noise):
  networks, expected = case
  if f'image_{noise}' not in expected:
    pytest.skip('the reference has no such image')
  synthesis = jax.vmap(lambda g, ws: g.synthesis(ws, noise), in_axes=(None, 0))
  images = jax.jit(synthesis)(networks.generator, expected['wplus'])
  assert_close(images, nhwc(expected[f'image_{noise}']), 1e-4)


@pytest.mark.parametrize('prepare', [lambda m: m, freeze], ids=['plain', 'frozen'])
def test_gradient_to_ws(case, prepare):
  networks, expected = case
  if 'grad_ws' not in expected:
    pytest.skip('the reference has no gradient')

  @jax.jit
  def gradient(generator, ws, probe):
    generator = prepare(generator)

    def inner(ws, probe):
      return jnp.vdot(generator.synthesis(ws), probe)

    return jax.vmap(jax.grad(inner))(ws, probe)

  ours = gradient(networks.generator, expected['wplus'], nhwc(expected['probe']))
  assert_close(ours, expected['grad_ws'], 1e-3)


@pytest.mark.parametrize('prepare', [lambda m: m, freeze], ids=['plain', 'frozen'])
def test_discriminator(case, prepare):
  networks, expected = case
  logits = jax.jit(lambda d, x, c: prepare(d).logits(x, c))(
    networks.discriminator, nhwc(expected['d_image']), expected.get('c')
  )
  assert_close(logits, expected['d_logits'][:, 0], 1e-4)


@pytest.fixture(scope='module')
def vgg(shared, tmp_path_factory):
  folder = shared / 'reference'
  path = tmp_path_factory.mktemp('vgg') / 'vgg.safetensors'
  ported = ports.vgg16.port(folder / 'vgg16-narrow.pth', folder / 'vgg16-narrow-lpips-lin.pth')
  ganjax.weights.save(path, *ported)
  return ganjax.weights.load_lpips(path), dict(np.load(folder / 'vgg16-narrow.npz'))


def test_vgg_taps(vgg):
  lpips, expected = vgg
  image = nhwc(expected['image0'])
  for i, tap in enumerate(zip(*map(jax.jit(lpips.taps), image), strict=True)):
    assert_close(np.stack(tap), nhwc(expected[f'feature{i}']), 1e-4)


@pytest.mark.parametrize('prepare', [lambda m: m, freeze], ids=['plain', 'frozen'])
def test_lpips_and_its_gradient(vgg, prepare):
  lpips, expected = vgg
  a, b = nhwc(expected['image0']), nhwc(expected['image1'])

  @jax.jit
  def distance(lpips, a, b):
    return jax.vmap(jax.value_and_grad(prepare(lpips), argnums=1))(a, b)

  value, gradient = distance(lpips, a, b)
  np.testing.assert_allclose(value, expected['lpips'], rtol=1e-4)
  assert_close(gradient, nhwc(expected['grad_image1']), 1e-3)
