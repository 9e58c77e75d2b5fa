"""An image has the same program alone and among others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.runtime.mapping import map_images


@jax.jit
def mapped(images):
  return map_images(lambda image: (jnp.sin(image), {'mean': jnp.mean(image)}), images)


@pytest.mark.parametrize('count', [1, 3])
def test_images_are_mapped(count):
  images = np.random.default_rng(0).normal(size=(count, 5, 4)).astype(np.float32)
  sines, told = mapped(images)
  np.testing.assert_allclose(sines, np.sin(images), atol=1e-6)
  np.testing.assert_allclose(told['mean'], images.mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize('count', [1, 3])
def test_a_single_image_is_in_a_loop_too(count):
  # Unrolled, it would be fused with what is around it, and differ in the last bits of sums.
  compiled = mapped.lower(np.zeros((count, 5, 4), np.float32)).compile()
  assert ' while(' in compiled.as_text()
