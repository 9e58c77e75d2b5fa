"""What networks are told of degradations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax import degradations
from ganjax.degradations import description

SPECS = {
  'identity()': {'Identity': 1},
  'blur(kernel_size=9, variance=64)': {'Blur': 1, 'Blur.variance': 1},
  'blur(kernel_size=9, variance=?)': {'Blur': 1, 'Blur?': 1},
  'noise(sigma=0.25)': {'GaussianNoise': 1, 'GaussianNoise.sigma': 1},
  'noise(photons=4, drop=0.5)': {
    'PhotonNoise': 1,
    'PhotonNoise.photons': 1,
    'PhotonNoise.drop': 0.5,
  },
  'jpeg(quality=25)': {'Jpeg': 1, 'Jpeg.quality': 0.5},
  'grayscale()': {'Grayscale': 1},
  'downsample(factor=32)': {'Downsample': 1, 'Downsample.factor': 1},
  'downsample(size=16)': {'Downsample': 1, 'Downsample.factor': 0.4},
  'mask(box=0:4:0:4) | grayscale()': {'Grayscale': 1},
  'downsample(factor=2) | downsample(size=16)': {'Downsample': 1, 'Downsample.factor': 0.2},
}


@pytest.mark.parametrize('spec', SPECS)
def test_what_is_told(spec):
  told = description.described(degradations.parse(spec), 64, 64)
  assert told == {name: pytest.approx(value) for name, value in SPECS[spec].items()}


def test_a_vector_has_what_it_is_asked_for():
  told = description.described(degradations.parse('jpeg(quality=50) | grayscale()'), 64, 64)
  names = 'Blur', 'Grayscale', 'Jpeg', 'Jpeg.quality', 'Jpeg?'
  values = description.vector(told, names)
  np.testing.assert_array_equal(values, [0, 1, 1, 1, 0])
  np.testing.assert_array_equal(description.without_parameters(values, names), [0, 1, 1, 0, 1])


def test_parameters_of_a_batch_can_be_told():
  pipelines = degradations.stack([degradations.parse(f'jpeg(quality={q})') for q in (5, 50)])

  def told(pipeline):
    return description.vector(description.described(pipeline, 64, 64), ('Jpeg.quality',))

  np.testing.assert_allclose(jax.vmap(told)(pipelines), jnp.asarray([[0.1], [1.0]]))
