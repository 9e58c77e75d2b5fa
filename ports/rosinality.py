"""rosinality's StyleGAN2 checkpoints: {'g_ema', 'd', 'latent_avg'} in a torch file.

The network is always a skip generator with a resnet discriminator; how large they are shows in
the names and shapes.
"""

import math
from collections.abc import Callable
from typing import TypeGuard

import numpy as np

from ganjax.models.architecture import resolutions
from ports import layout, torch_file
from ports.ada import rows_hwc
from ports.table import PortError, Rule, raise_all

_LEARNING_RATE_MULTIPLIER = 0.01  # not in the file; every published network has it
_GROUP_SIZE = 4
_UP_GAIN = 4  # its generator's filters hold the gain of up-sampling
_AVERAGE = 'latent_avg'


def is_rosinality(value: object) -> TypeGuard[dict]:
  return isinstance(value, dict) and isinstance(value.get('g_ema'), dict)


def port(value: dict, limit_bytes: int) -> tuple[dict[str, np.ndarray], dict]:
  """Ports g_ema with latent_avg and, if there is one, d.

  Args:
    value: what the torch file holds.
    limit_bytes: the size of its data.

  Returns:
    (tensors, specs): ours by name, and the header's {'generator', 'discriminator'}.

  Raises:
    PortError: with everything that does not fit.
  """
  problems: list[str] = []
  source = torch_file.state_dict(value['g_ema'])
  if _AVERAGE in value:
    source |= torch_file.state_dict({_AVERAGE: value[_AVERAGE]})
  kernels = layout.check_filters(source, '.kernel', _UP_GAIN, problems)
  spec = _generator_spec(source)
  tensors, generator = layout.port(spec, source, _generator_rules, kernels, limit_bytes, problems)
  discriminator = None
  if value.get('d') is not None:
    source = torch_file.state_dict(value['d'])
    kernels = layout.check_filters(source, '.kernel', 1, problems)
    spec = _discriminator_spec(source)
    rules = _discriminator_rules(spec['resolution'])
    more, discriminator = layout.port(spec, source, rules, kernels, limit_bytes, problems)
    tensors |= more
  raise_all(problems)
  return tensors, {'generator': generator, 'discriminator': discriminator}


def _count(source: dict, prefix: str) -> int:
  """How many numbers follow `prefix` in the names."""
  numbers = {
    name.removeprefix(prefix).partition('.')[0] for name in source if name.startswith(prefix)
  }
  return len({number for number in numbers if number.isdecimal()})


def _resolution(log2: float) -> int:
  return layout.check_resolution(2 ** int(log2) if log2 == int(log2) and log2 < 32 else 0)


def _generator_spec(source: dict) -> dict:
  first = source.get('style.1.weight', source.get(_AVERAGE))
  if first is None or first.ndim == 0:
    raise PortError("the generator has no 'style.1.weight'")
  w_dim = first.shape[-1]
  return {
    'architecture': 'skip',
    'resolution': _resolution(_count(source, 'convs.') / 2 + 2),
    'z_dim': w_dim,
    'c_dim': 0,
    'w_dim': w_dim,
    'channels': {},
    'mapping': {
      'num_layers': _count(source, 'style.'),
      'layer_features': 0,
      'embed_features': 0,
      'lr_multiplier': _LEARNING_RATE_MULTIPLIER,
    },
    'conv_clamp': None,
    'use_noise': True,
    'img_channels': 3,
  }


def _discriminator_spec(source: dict) -> dict:
  return {
    'architecture': 'resnet',
    'resolution': _resolution(_count(source, 'convs.') + 1),
    'c_dim': 0,
    'channels': {},
    'mapping': None,
    'cmap_dim': 0,
    'conv_clamp': None,
    'mbstd_group_size': _GROUP_SIZE,
    'mbstd_num_channels': 1,
    'img_channels': 3,
  }


def _generator_rules(names: list[str]) -> dict[str, Rule]:
  """The table for g_ema: our name -> rosinality's and the change of layout."""
  return {name: _generator_rule(name) for name in names}


def _generator_rule(name: str) -> Rule:
  _, part, *rest = name.split('.')
  if part == 'mapping':
    if rest == ['w_avg']:
      return Rule(_AVERAGE, np.ravel)
    layer, leaf = rest
    return Rule(f'style.{int(layer[2:]) + 1}.{leaf}', np.transpose)
  log2 = int(math.log2(int(rest[0][1:])))
  layer, leaf = rest[1], '.'.join(rest[2:])
  if layer == 'const':
    return Rule('input.input', lambda array: array.squeeze(0).transpose(1, 2, 0))
  if leaf == 'noise_const':
    number = 2 * log2 - 5 + int(layer == 'conv1')
    return Rule(f'noises.noise_{number}', lambda array: array.squeeze((0, 1)))
  if layer == 'torgb':
    source = f'to_rgbs.{log2 - 3}' if log2 > 2 else 'to_rgb1'
  else:
    source = f'convs.{2 * log2 - 6 + int(layer == "conv1")}' if log2 > 2 else 'conv1'
  suffix, transform = _STYLED[leaf]
  if layer == 'torgb' and leaf == 'bias':
    suffix, transform = 'bias', lambda array: array.squeeze((0, 2, 3))
  return Rule(f'{source}.{suffix}', transform)


_STYLED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
  'weight': ('conv.weight', lambda array: array.squeeze(0).transpose(2, 3, 1, 0)),
  'bias': ('activate.bias', np.transpose),
  'affine.weight': ('conv.modulation.weight', np.transpose),
  'affine.bias': ('conv.modulation.bias', np.transpose),
  'noise_strength': ('noise.weight', lambda array: array.squeeze(0)),
}


def _discriminator_rules(resolution: int) -> Callable[[list[str]], dict[str, Rule]]:
  """The table for d, whose blocks are counted from the picture down."""
  sources = {'b4.conv.weight': 'final_conv.0.weight', 'b4.conv.bias': 'final_conv.1.bias'}
  for layer, number in (('fc', 0), ('out', 1)):
    sources[f'b4.{layer}.weight'] = f'final_linear.{number}.weight'
    sources[f'b4.{layer}.bias'] = f'final_linear.{number}.bias'
  sources[f'b{resolution}.fromrgb.weight'] = 'convs.0.0.weight'
  sources[f'b{resolution}.fromrgb.bias'] = 'convs.0.1.bias'
  for index, r in enumerate(reversed(resolutions(resolution)[1:]), 1):
    sources[f'b{r}.conv0.weight'] = f'convs.{index}.conv1.0.weight'
    sources[f'b{r}.conv0.bias'] = f'convs.{index}.conv1.1.bias'
    sources[f'b{r}.conv1.weight'] = f'convs.{index}.conv2.1.weight'
    sources[f'b{r}.conv1.bias'] = f'convs.{index}.conv2.2.bias'
    sources[f'b{r}.skip.weight'] = f'convs.{index}.skip.1.weight'

  def rules(names: list[str]) -> dict[str, Rule]:
    short = {name: name.removeprefix(layout.DISCRIMINATOR) for name in names}
    return {name: Rule(sources[key], _plain(key)) for name, key in short.items()}

  return rules


def _plain(name: str) -> Callable[[np.ndarray], np.ndarray]:
  if name == 'b4.fc.weight':
    return rows_hwc
  if name.endswith('weight') and not name.startswith('b4.out'):
    return lambda array: array.transpose(2, 3, 1, 0)
  return np.transpose
