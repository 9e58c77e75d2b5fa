import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ganjax.degradations import DegradationError, Grayscale
from ganjax.pixels import to_bytes, to_float

KEY = jax.random.key(0)
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)


def test_luma_is_pillows():
  grey = to_bytes(Grayscale.create('luma').true(to_float(PIXELS), KEY)).astype(int)
  expected = np.asarray(Image.fromarray(PIXELS).convert('L')).astype(int)
  assert np.abs(grey - expected[:, :, None]).max() <= 1


def test_mean_is_the_mean_of_the_channels():
  image = to_float(PIXELS)
  grey = Grayscale.create('mean').model(jnp.asarray(image), KEY)
  np.testing.assert_allclose(grey, np.repeat(image.mean(axis=-1, keepdims=True), 3, -1), atol=1e-6)


def test_unknown_mode_is_refused():
  with pytest.raises(DegradationError, match='mode=lab is unknown: use luma or mean'):
    Grayscale.create('lab')
