"""Doubling an image's sides, against Pillow, and its written-out gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ganjax.ops.upsample import upsample

KEY = jax.random.key(0)


def test_upsampling_keeps_constants_and_is_smooth_inside():
  flat = upsample(jnp.full((4, 6, 2), 0.3))
  np.testing.assert_allclose(flat, 0.3, atol=1e-6)
  ramp = jnp.broadcast_to(jnp.arange(8.0)[:, None, None], (8, 8, 1))
  inside = np.asarray(upsample(ramp))[4:12, 0, 0]
  np.testing.assert_allclose(inside, np.arange(8) / 2 + 1.75, atol=1e-5)


@pytest.mark.parametrize('kind', ['bicubic', 'bilinear'])
def test_upsampling_is_what_it_is_called(kind):
  picture = np.random.default_rng(0).random((8, 8)).astype(np.float32)
  ours = np.asarray(upsample(jnp.asarray(picture)[:, :, None], kind))[:, :, 0]
  theirs = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling[kind.upper()]))
  assert np.abs(ours - theirs)[4:-4, 4:-4].max() < 1e-4


@pytest.mark.parametrize('kind', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('shape', [(1, 3), (2, 4), (5, 1)])
def test_the_gradient_of_upsampling_is_its_adjoint(shape, kind):
  x = jax.random.normal(KEY, (*shape, 2))
  gradient = jax.random.normal(jax.random.key(1), (2 * shape[0], 2 * shape[1], 2))
  y, pull = jax.vjp(lambda x: upsample(x, kind), x)
  np.testing.assert_allclose(
    jnp.sum(y * gradient), jnp.sum(x * pull(gradient)[0]), rtol=1e-4, atol=1e-5
  )
