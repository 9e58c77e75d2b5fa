"""The image-to-image networks: what a logit sees, normalisation, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.models import patchgan, unet
from ganjax.models.initialisation import abstract, initialised
from ganjax.models.patchgan import PatchGAN, PatchGANConfig
from ganjax.models.unet import Normalise, UNet, UNetConfig

KEY = jax.random.key(0)


@pytest.mark.parametrize('patch', [1, 16, 34, 70])
def test_a_logit_sees_its_patch_and_no_more(monkeypatch, patch):
  # Normalisation looks at the whole picture: it is left out here.
  monkeypatch.setattr(Normalise, '__call__', lambda self, x, axes=None: (x, None))
  monkeypatch.setattr(patchgan, 'leaky', lambda x: x)
  side = 96
  judge = initialised(PatchGAN, PatchGANConfig(patch, width=1, max_width=2), key=KEY)
  for name in [f'conv{i}' for i in range(judge.num_layers)] + ['out']:
    layer = getattr(judge, name)
    layer.kernel[...] = jnp.ones_like(layer.kernel[...])
  image = jnp.zeros((side, side, 3))
  logits = jax.eval_shape(judge, image, image)
  assert logits.shape == (PatchGANConfig(patch).logits(side),) * 2
  middle = logits.shape[0] // 2
  slope = jax.jit(jax.grad(lambda x: judge(image, x)[middle, middle]))(image)
  rows = np.flatnonzero(np.abs(slope).sum(axis=(1, 2)))
  assert rows[-1] - rows[0] + 1 == len(rows) == patch


@pytest.mark.parametrize('norm', unet.NORMS)
def test_normalisation(norm):
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.standard_normal((3, 8, 8, 2)) * 5 + 1, jnp.float32)
  layer = Normalise(2, norm, rngs=nnx.Rngs(0))
  layer.scale[...] = jnp.ones(2)
  y, (mean, variance) = jax.vmap(lambda x: layer(x, ('images',)), axis_name='images')(x)
  axes = (1, 2) if norm == 'instance' else (0, 1, 2)
  expected = (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)
  np.testing.assert_allclose(y, expected, atol=1e-5)
  if norm == 'batch':
    np.testing.assert_allclose(mean[0], x.mean(axes), atol=1e-5)
    np.testing.assert_allclose(variance[0], x.var(axes), rtol=1e-5)
    layer.mean[...], layer.variance[...] = mean[0], variance[0]
    np.testing.assert_allclose(layer(x[0])[0], expected[0], atol=1e-5)


def test_dropout_is_where_the_paper_has_it():
  network = abstract(UNet, UNetConfig(8, 1, 8))
  assert [network.drops(level) for level in range(8)] == [False] * 4 + [True] * 3 + [False]
  assert UNetConfig(8).channels == (64, 128, 256, 512, 512, 512, 512, 512)


def test_impossible_networks():
  with pytest.raises(ValueError, match='depth must be 2 to 12'):
    UNetConfig(1)
  with pytest.raises(ValueError, match='needs exactly'):
    unet.unet_config({'depth': 8})
  with pytest.raises(ValueError, match='patch must be one of'):
    PatchGANConfig(71)
  with pytest.raises(ValueError, match='multiples of 4'):
    initialised(UNet, UNetConfig(2, 1, 1), key=KEY)(jnp.zeros((6, 4, 3)))
