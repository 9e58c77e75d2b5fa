"""A tiny network with random weights, for tests that need some network but no weights file."""

import jax
import numpy as np
from flax import nnx

from ganjax import weights
from ganjax.models.architecture import (
  DiscriminatorConfig,
  GeneratorConfig,
  MappingConfig,
  header_entry,
)
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.models.vgg16 import LPIPS
from ganjax.weights import CropTemplate, Networks
from ganjax.weights.networks import tensors_of

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


def networks():
  """A 16 px generator and discriminator."""
  generator = GeneratorConfig(16, WIDTHS, MappingConfig(2, 8), z_dim=8, w_dim=8)
  discriminator = DiscriminatorConfig(16, WIDTHS)
  return Networks(
    randomised(Generator(generator), 0),
    randomised(Discriminator(discriminator), 1),
    CropTemplate(2.0, 1.8, 0.1),
    'none',
  )


def write_vgg(path):
  """Writes a narrow VGG16 with LPIPS heads."""
  widths = (2,) * 13
  tensors = {
    name.removeprefix('.'): np.abs(value) if 'lin' in name else value
    for name, value in tensors_of({'': randomised(LPIPS(widths), 2)}).items()
  }
  weights.save(path, tensors, {'family': 'vgg16', 'widths': widths, 'lpips': True})


def write(path):
  """Writes `networks()` as a weights file; returns its header."""
  made = networks()
  modules = {'generator': made.generator, 'discriminator': made.discriminator}
  header = {
    'family': 'stylegan2',
    **{name: header_entry(module.config) for name, module in modules.items()},
    'template': made.template._asdict(),
  }
  weights.save(path, tensors_of(modules), header)
  return header


def bulk_flags(weights_file, photos, output):
  """The flags of a bulk run that takes next to no time."""
  return [
    '--task=bulk',
    f'--input={photos}',
    f'--output={output}',
    f'--weights={weights_file}',
    '--num_steps=4',
    '--align=never',
    '--batch_size=4',
    '--block_size=5',
    '--threads=2',
  ]
