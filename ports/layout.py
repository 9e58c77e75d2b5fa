"""Fits a StyleGAN2's tensors to the network that its header describes.

The header's own numbers (channels, widths of the mapping layers) are read from the tensors, so that
a network of any width can be ported; every other tensor is then checked against them.
"""

import collections
from collections.abc import Callable, Iterable
from typing import Any, get_args

import numpy as np

from ganjax.models.architecture import (
  Architecture,
  discriminator_config,
  generator_config,
  resolutions,
)
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.models.initialisation import abstract
from ganjax.weights.parameters import shapes_of
from ports.table import PortError, Rule, check_shapes, convert

Shapes = dict[str, tuple[int, ...]]

GENERATOR = 'generator.'
DISCRIMINATOR = 'discriminator.'
ARCHITECTURES = get_args(Architecture)
MAX_MAPPING_LAYERS = 64
_FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def check_resolution(resolution: object) -> int:
  """Returns `resolution` if a StyleGAN2 can have it: a power of two from 8 to 4096."""
  if not isinstance(resolution, int) or resolution not in [2**n for n in range(3, 13)]:
    raise PortError(f'resolution {resolution} is not a power of two from 8 to 4096')
  return resolution


def check_filters(
  tensors: dict[str, np.ndarray], suffix: str, gain: int, problems: list[str]
) -> list[str]:
  """The names of the low-pass filters, constants of ours: checked, to be left out."""
  names = [name for name in tensors if name.endswith(suffix)]
  for name in names:
    shape = tensors[name].shape
    if shape != _FILTER.shape or not np.allclose(tensors[name], gain * _FILTER, atol=1e-6):
      problems.append(f'{name} is not the filter [1, 3, 3, 1] that ganjax uses')
  return names


def shapes(spec: dict) -> Shapes:
  """Name -> shape of every tensor of the network that `spec`, its part of the header, describes."""
  if _is_generator(spec):
    network: Any = abstract(Generator, generator_config(spec))
  else:
    network = abstract(Discriminator, discriminator_config(spec))
  return shapes_of({_name(spec): network})


def _is_generator(spec: dict) -> bool:
  return 'z_dim' in spec


def _name(spec: dict) -> str:
  return (GENERATOR if _is_generator(spec) else DISCRIMINATOR).removesuffix('.')


def port(
  spec: dict,
  tensors: dict[str, np.ndarray],
  rules_for: Callable[[list[str]], dict[str, Rule]],
  ignored: Iterable[str],
  limit_bytes: int,
  problems: list[str],
) -> tuple[dict[str, np.ndarray], dict]:
  """Ports one network, the generator or the discriminator.

  Args:
    spec: its part of the header, without the widths.
    tensors: the source's tensors by name.
    rules_for: makes the table for a list of our names.
    ignored, limit_bytes, problems: see `table.convert`.

  Returns:
    (tensors, spec): ours by name, and the header's part with its widths.

  Raises:
    PortError: its pictures are not RGB, or the tensors claim more than the file holds.
  """
  if spec['img_channels'] != 3:
    raise PortError(
      f'{_name(spec)}: its pictures have {spec["img_channels"]} channels; ganjax works with 3 (RGB)'
    )
  measure = _measure_generator if _is_generator(spec) else _measure_discriminator
  rules = rules_for(list(shapes(_placeholder(spec))))
  found: list[str] = []
  converted = convert(rules, tensors, ignored, limit_bytes, found)
  spec = measure(spec, converted)
  check_shapes(converted, shapes(spec), rules, found)
  problems += [f'{_name(spec)}: {line}' for line in found]
  return converted, spec


def _placeholder(spec: dict) -> dict:
  """`spec` with widths of 1: its shapes have the right names."""
  mapping = spec['mapping'] and spec['mapping'] | {'layer_features': 1, 'embed_features': 1}
  widths = {'channels': {str(r): 1 for r in resolutions(spec['resolution'])}, 'mapping': mapping}
  return spec | widths | ({} if _is_generator(spec) else {'cmap_dim': 1})


def _measure_generator(spec: dict, tensors: dict[str, np.ndarray]) -> dict:
  """`spec` with channels and mapping widths as the tensors (in our layout) have them."""
  candidates = {
    'conv1.bias': 0,
    'conv1.weight': 3,
    'conv1.affine.bias': 0,
    'conv1.affine.weight': 1,
  }
  channels = {
    str(r): _vote(tensors, f'{GENERATOR}synthesis.b{r}.', candidates)
    for r in resolutions(spec['resolution'])
  }
  mapping = _measure_mapping(spec['mapping'], GENERATOR, tensors, spec['c_dim'], spec['w_dim'])
  return spec | {'channels': channels, 'mapping': mapping}


def _measure_discriminator(spec: dict, tensors: dict[str, np.ndarray]) -> dict:
  """`spec` with channels and mapping widths as the tensors (in our layout) have them."""
  channels = {
    '4': _vote(tensors, f'{DISCRIMINATOR}b4.', {'conv.bias': 0, 'fc.bias': 0, 'fc.weight': 1})
  }
  for r in resolutions(spec['resolution'])[1:]:
    block = f'{DISCRIMINATOR}b{r}.'
    channels[str(r)] = _vote(
      tensors, block, {'conv0.bias': 0, 'conv0.weight': 3, 'conv1.weight': 2}
    )
  if not spec['mapping']:
    return spec | {'channels': channels}
  cmap_dim = _vote(tensors, f'{DISCRIMINATOR}b4.', {'out.bias': 0, 'out.weight': 1})
  mapping = _measure_mapping(spec['mapping'], DISCRIMINATOR, tensors, spec['c_dim'], cmap_dim)
  return spec | {'channels': channels, 'mapping': mapping, 'cmap_dim': cmap_dim}


def _measure_mapping(mapping, network, tensors, c_dim, w_dim) -> dict:
  last = mapping['num_layers'] - 1
  candidates = {'fc0.bias': 0, 'fc0.weight': 1, f'fc{last}.weight': 0}
  layer = _vote(tensors, f'{network}mapping.', candidates) if last > 0 else w_dim
  embedding = {'embed.bias': 0, 'embed.weight': 1}
  embed = _vote(tensors, f'{network}mapping.', embedding) if c_dim else 0
  return mapping | {'layer_features': layer, 'embed_features': embed}


def _vote(tensors: dict[str, np.ndarray], prefix: str, candidates: dict[str, int]) -> int:
  """The size that most of the tensors `prefix + name` have along the given axis."""
  sizes = collections.Counter(
    tensors[prefix + name].shape[axis]
    for name, axis in candidates.items()
    if prefix + name in tensors and tensors[prefix + name].ndim > axis
  )
  return sizes.most_common(1)[0][0] if sizes else 1
