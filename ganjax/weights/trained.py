"""Weights files of generators that were trained here."""

from typing import Any

import numpy as np
from flax import nnx

from ganjax.faces.template import Template
from ganjax.models.architecture import DiscriminatorConfig, GeneratorConfig, header_entry
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.weights import tensor_file
from ganjax.weights.parameters import tensors_of


def to_bytes(
  generator: Generator, discriminator: Discriminator, template: Template, card: dict[str, Any]
) -> bytes:
  """The file of two networks, as `weights.load` reads it.

  Args:
    template: how faces are cropped for the generator.
    card: what people should know: data, settings, terms; 'card' in the header.
  """
  modules: dict[str, nnx.Module] = {'generator': generator, 'discriminator': discriminator}
  configs: dict[str, GeneratorConfig | DiscriminatorConfig] = {
    'generator': generator.config,
    'discriminator': discriminator.config,
  }
  header = {
    'family': 'stylegan2',
    **{name: header_entry(config) for name, config in configs.items()},
    'template': template._asdict(),
    'card': card,
  }
  tensors = {name: value.astype(np.float32) for name, value in tensors_of(modules).items()}
  return tensor_file.to_bytes(tensors, header)
