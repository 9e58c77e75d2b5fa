"""A tiny network with random weights, so that these tests need no weights file."""

import jax
import pytest
from flax import nnx

from ganjax import inversion
from ganjax.models.config import DiscriminatorConfig, GeneratorConfig, MappingConfig
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.weights import CropTemplate, Networks

WIDTHS = (16, 12, 8)


def randomised(module, seed):
  """Fills every parameter with what training starts from: N(0, 1), biases of styles at 1."""
  state = nnx.state(module, nnx.Param)
  flat = nnx.to_flat_state(state)
  for i, (path, variable) in enumerate(flat):
    key = jax.random.fold_in(jax.random.key(seed), i)
    value = jax.random.normal(key, variable.shape)
    name = '.'.join(map(str, path))
    if 'fc' in name and name.startswith('mapping') and name.endswith('weight'):
      value *= 100
    if name.endswith('bias'):
      value = value * 0.1 + (1.0 if 'affine' in name else 0.0)
    if name.endswith('noise_strength'):
      value *= 0.1
    variable[...] = value
  nnx.update(module, state)
  return module


@pytest.fixture(scope='session')
def networks():
  generator = GeneratorConfig(16, WIDTHS, MappingConfig(2, 8), z_dim=8, w_dim=8)
  discriminator = DiscriminatorConfig(16, WIDTHS)
  return Networks(
    randomised(Generator(generator), 0),
    randomised(Discriminator(discriminator), 1),
    CropTemplate(2.0, 1.8, 0.1),
    'none',
  )


@pytest.fixture(scope='session')
def prior(networks):
  return inversion.prior(networks)
