"""The projector follows the public implementation's trace, step by step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax.weights
import ports.stylegan2
import ports.vgg16
from ganjax import degradations
from ganjax.inversion import PROJECTOR, Hyper, losses, stylegan
from ganjax.inversion.latent_distances import Euclidean
from ganjax.inversion.perceptual import LPIPSDistance
from ganjax.inversion.problem import Prior, Problem
from ganjax.models.layers import freeze

NUM_STEPS = 60


@pytest.fixture(scope='module')
def trace(shared):
  return dict(np.load(shared / 'reference' / 'projector-trace.npz'))


@pytest.fixture(scope='module')
def followed(shared, trace, tmp_path_factory):
  """Our run with the trace's own random numbers: terms [60] and w [60, w_dim] per step."""
  folder, reference = tmp_path_factory.mktemp('weights'), shared / 'reference'
  ported = ports.stylegan2.port(reference / 'ada-skip-32.pkl')
  ganjax.weights.save(folder / 'g.safetensors', *ported)
  ported = ports.vgg16.port(
    reference / 'vgg16-narrow.pth', reference / 'vgg16-narrow-lpips-lin.pth'
  )
  ganjax.weights.save(folder / 'vgg.safetensors', *ported)
  prior = Prior(
    freeze(ganjax.weights.load(folder / 'g.safetensors').generator),
    LPIPSDistance(freeze(ganjax.weights.load_lpips(folder / 'vgg.safetensors'))),
    jnp.asarray(trace['w_avg'][0, 0]),
    jnp.float32(trace['w_std']),
    {'euclidean': Euclidean(jnp.asarray(trace['w_avg'][0, 0]))},
  )
  image = jnp.asarray(np.moveaxis(trace['target'][0], 0, -1) / 127.5 - 1, jnp.float32)
  weights = {
    'latent_dist_reg_weight': trace['dist_weight'],
    'noise_reg_weight': trace['noise_weight'],
    'w_noise': trace['noise_factor'],
  }
  hyper = Hyper(num_steps=jnp.int32(NUM_STEPS), **{k: jnp.float32(v) for k, v in weights.items()})
  visible = jnp.ones((32, 32, 1))
  damage = degradations.parse('identity()')
  problem = Problem(image, visible, damage, hyper, jax.random.key(0), prior.w_avg)
  state = stylegan.StyleGANInversion(PROJECTOR).init(prior, problem, None)
  start = {
    name.removeprefix('init_').removesuffix('.noise_const'): jnp.asarray(value)
    for name, value in trace.items()
    if name.startswith('init_')
  }
  assert start.keys() == state.noise.keys()
  state = state._replace(noise=start)
  target = stylegan.target(prior, PROJECTOR, problem)
  step = jax.jit(functools.partial(stylegan.step, prior, PROJECTOR, 0, problem, target))
  terms, ws = [], []
  for i in range(NUM_STEPS):
    draws = stylegan.Draws(jnp.asarray(trace['w_noise'][i, 0]), jax.random.key(i))
    state, now = step(state, draws)
    terms.append(jax.tree.map(float, now))
    ws.append(np.asarray(state.latent[0]))
  return losses.Terms(*np.transpose(terms)), np.stack(ws), state


def test_loss(followed, trace):
  terms, _, _ = followed
  np.testing.assert_allclose(terms.loss[:30], trace['loss'][:30], rtol=0.01)
  np.testing.assert_allclose(terms.perceptual[:30], trace['dist'][:30], rtol=0.01)
  np.testing.assert_allclose(terms.loss, trace['loss'], rtol=0.05)


def test_w(followed, trace):
  _, ws, _ = followed
  error = np.linalg.norm(ws - trace['w'], axis=1) / np.linalg.norm(trace['w'], axis=1)
  assert np.max(error[:30]) < 1e-2
  assert np.max(error) < 5e-2


def test_noise_maps(followed, trace):
  _, _, state = followed
  for name, noise in state.noise.items():
    expected = trace[f'final_{name}.noise_const']
    correlation = np.corrcoef(np.ravel(noise), np.ravel(expected))[0, 1]
    assert correlation > 0.99, name
