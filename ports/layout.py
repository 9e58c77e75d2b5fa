"""Our names and shapes for a StyleGAN2, given its header.

The header's own numbers (channels, widths of the mapping layers) are read from the tensors, so that
a network of any width can be ported; every other tensor is then checked against them.
"""

import collections
import math
from collections.abc import Callable, Iterable

import numpy as np

from ports.table import PortError, Rule, check_shapes, convert

Shapes = dict[str, tuple[int, ...]]

GENERATOR = 'generator.'
DISCRIMINATOR = 'discriminator.'
ARCHITECTURES = ('skip', 'resnet', 'orig')
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


def resolutions(resolution: int) -> list[int]:
  """[4, 8, ..., resolution]."""
  return [2**n for n in range(2, int(math.log2(resolution)) + 1)]


def generator(spec: dict) -> Shapes:
  """Name -> shape of every tensor of the generator that `spec` (the header's part) describes."""
  shapes = _mapping(GENERATOR, spec['mapping'], spec['z_dim'], spec['c_dim'], spec['w_dim'])
  shapes[f'{GENERATOR}mapping.w_avg'] = (spec['w_dim'],)
  width = spec['channels']
  for r in resolutions(spec['resolution']):
    block = f'{GENERATOR}synthesis.b{r}.'
    channels = width[str(r)]
    if r == 4:
      shapes[f'{block}const'] = (4, 4, channels)
    else:
      shapes |= _styled(f'{block}conv0.', 3, width[str(r // 2)], channels, spec['w_dim'])
    shapes |= _styled(f'{block}conv1.', 3, channels, channels, spec['w_dim'])
    if spec['use_noise']:
      for conv in ('conv0', 'conv1') if r > 4 else ('conv1',):
        shapes[f'{block}{conv}.noise_strength'] = ()
        shapes[f'{block}{conv}.noise_const'] = (r, r)
    if spec['architecture'] == 'skip' or r == spec['resolution']:
      shapes |= _styled(f'{block}torgb.', 1, channels, spec['img_channels'], spec['w_dim'])
    if spec['architecture'] == 'resnet' and r > 4:
      shapes[f'{block}skip.weight'] = (1, 1, width[str(r // 2)], channels)
  return shapes


def discriminator(spec: dict) -> Shapes:
  """Name -> shape of every tensor of the discriminator that `spec` describes."""
  shapes: Shapes = {}
  width = spec['channels']
  for r in resolutions(spec['resolution']):
    block = f'{DISCRIMINATOR}b{r}.'
    channels = width[str(r)]
    if spec['architecture'] == 'skip' or r == spec['resolution']:
      shapes |= _conv(f'{block}fromrgb.', 1, spec['img_channels'], channels)
    if r > 4:
      shapes |= _conv(f'{block}conv0.', 3, channels, channels)
      shapes |= _conv(f'{block}conv1.', 3, channels, width[str(r // 2)])
    if r > 4 and spec['architecture'] == 'resnet':
      shapes[f'{block}skip.weight'] = (1, 1, channels, width[str(r // 2)])
  shapes |= _conv(f'{DISCRIMINATOR}b4.conv.', 3, width['4'] + 1, width['4'])
  shapes |= _linear(f'{DISCRIMINATOR}b4.fc.', 16 * width['4'], width['4'])
  shapes |= _linear(f'{DISCRIMINATOR}b4.out.', width['4'], spec['cmap_dim'] or 1)
  if spec['mapping']:
    shapes |= _mapping(DISCRIMINATOR, spec['mapping'], 0, spec['c_dim'], spec['cmap_dim'])
  return shapes


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
  """
  is_generator = 'z_dim' in spec
  shapes = generator if is_generator else discriminator
  measure = _measure_generator if is_generator else _measure_discriminator
  rules = rules_for(list(shapes(_placeholder(spec))))
  found: list[str] = []
  converted = convert(rules, tensors, ignored, limit_bytes, found)
  spec = measure(spec, converted)
  check_shapes(converted, shapes(spec), rules, found)
  problems += [f'{"generator" if is_generator else "discriminator"}: {line}' for line in found]
  return converted, spec


def _placeholder(spec: dict) -> dict:
  """`spec` with widths of 1: its shapes have the right names."""
  channels = {str(r): 1 for r in resolutions(spec['resolution'])}
  mapping = spec['mapping'] and spec['mapping'] | {'layer_features': 1, 'embed_features': 1}
  return spec | {'channels': channels, 'mapping': mapping, 'cmap_dim': 1}


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


def _mapping(network: str, spec: dict, z_dim: int, c_dim: int, w_dim: int) -> Shapes:
  shapes: Shapes = {}
  if c_dim:
    shapes |= _linear(f'{network}mapping.embed.', c_dim, spec['embed_features'])
  hidden = [spec['layer_features']] * (spec['num_layers'] - 1)
  widths = [z_dim + spec['embed_features'] * bool(c_dim), *hidden, w_dim]
  for index in range(spec['num_layers']):
    shapes |= _linear(f'{network}mapping.fc{index}.', *widths[index : index + 2])
  return shapes


def _linear(prefix: str, inputs: int, outputs: int) -> Shapes:
  return {f'{prefix}weight': (inputs, outputs), f'{prefix}bias': (outputs,)}


def _conv(prefix: str, size: int, inputs: int, outputs: int) -> Shapes:
  return {f'{prefix}weight': (size, size, inputs, outputs), f'{prefix}bias': (outputs,)}


def _styled(prefix: str, size: int, inputs: int, outputs: int, w_dim: int) -> Shapes:
  return _conv(prefix, size, inputs, outputs) | _linear(f'{prefix}affine.', w_dim, inputs)
