"""A tiny network with random weights, for tests that need some network but no weights file."""

import functools

import jax
import numpy as np
from flax import nnx

from ganjax import inversion, weights
from ganjax.faces.template import FFHQ
from ganjax.models.architecture import (
  DiscriminatorConfig,
  GeneratorConfig,
  MappingConfig,
  header_entry,
)
from ganjax.models.discriminator import Discriminator
from ganjax.models.encoder import Encoder
from ganjax.models.generator import Generator
from ganjax.models.initialisation import initialised
from ganjax.models.vgg16 import LPIPS
from ganjax.training.encoder import plan
from ganjax.weights import Networks, encoders
from ganjax.weights.parameters import tensors_of

WIDTHS = (16, 12, 8)


def trained(network, *args, seed):
  """A network as after some training: no parameter is at the value that it starts from."""
  return nnx.clone(_trained(network, *args, seed=seed))


@functools.cache
def _trained(network, *args, seed):
  module = initialised(network, *args, key=jax.random.key(seed))
  # By NumPy: compiling a draw for each parameter takes seconds.
  random = np.random.default_rng(seed)

  def shaken(x):
    return x + 0.1 * random.standard_normal(x.shape, np.float32)

  nnx.update(module, jax.tree.map(shaken, nnx.state(module, nnx.Param)))
  return module


def networks(widths=WIDTHS):
  """A generator and a discriminator, of 16 px where there are three widths."""
  side = 2 ** (len(widths) + 1)
  generator = GeneratorConfig(side, widths, MappingConfig(2, 8), z_dim=8, w_dim=8)
  discriminator = DiscriminatorConfig(side, widths)
  return Networks(
    trained(Generator, generator, seed=7),  # its w varies in every direction
    trained(Discriminator, discriminator, seed=1),
    FFHQ,
    'none',
  )


def encoder(networks):
  """An encoder of `networks` with random weights, whose answers differ from image to image."""
  prior = inversion.make_prior(networks)
  made = trained(Encoder, plan.architecture(networks.generator.config), seed=3)
  center, basis = plan.statistics(prior)
  made.center[...], made.basis[...] = center, basis
  return made


def write_encoder(path, generator):
  """Writes an encoder of the weights file `generator`."""
  networks = weights.load(generator)
  path.write_bytes(encoders.to_bytes(encoder(networks), networks.sha256, {}))


def write_vgg(path):
  """Writes a narrow VGG16 with LPIPS heads."""
  widths = (2,) * 13
  tensors = tensors_of({'': trained(LPIPS, widths, seed=2)})
  weights.save(path, tensors, {'family': 'vgg16', 'widths': widths, 'lpips': True})


def write(path, widths=WIDTHS):
  """Writes `networks` as a weights file; returns its header."""
  made = networks(widths)
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
