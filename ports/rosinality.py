"""rosinality's StyleGAN2 checkpoints: {'g_ema', 'd', 'latent_avg'} in a torch file.

The network is always a skip generator with a resnet discriminator; how large they are shows in
the names and shapes. Converted checkpoints have all three; those that its training saves lack
`latent_avg`, which is estimated then, and have the generator `g` besides, which is ported where
there is no moving average of it. A generator's state dict alone will do, too.
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
_AVERAGE, _FIRST = 'latent_avg', 'style.1.weight'
_W_AVG = f'{layout.GENERATOR}mapping.w_avg'
AVERAGED, AT_ONCE = 10_000, 1000  # samples of z; as many as StyleGAN2-ADA's projector takes
_EPSILON = 1e-8


def is_rosinality(value: object) -> TypeGuard[dict]:
  return isinstance(value, dict) and _generator(value) is not None


def _generator(value: dict) -> tuple[dict, list[str]] | None:
  """The generator's state dict, and what has to be said about it; None if there is none."""
  if isinstance(value.get('g_ema'), dict):
    return value['g_ema'], []
  if isinstance(value.get('g'), dict):
    return value['g'], [
      "no moving average 'g_ema' in the file: ported 'g', whose faces are rougher"
    ]
  bare = torch_file.without_parallel(value)
  return (bare, []) if _FIRST in bare else None


def port(value: dict, limit_bytes: int) -> tuple[dict[str, np.ndarray], dict, list[str]]:
  """Ports g_ema (or else g) with latent_avg and, if there is one, d.

  Args:
    value: what the torch file holds.
    limit_bytes: the size of its data.

  Returns:
    (tensors, specs, notes): ours by name, the header's {'generator', 'discriminator'}, and what
    the user should know.

  Raises:
    PortError: with everything that does not fit.
  """
  problems: list[str] = []
  found = _generator(value)
  if found is None:
    raise PortError("no 'g_ema': not rosinality's")
  source, notes = torch_file.state_dict(found[0]), found[1]
  if value.get(_AVERAGE) is not None:
    source |= torch_file.state_dict({_AVERAGE: value[_AVERAGE]})
  is_estimated = _AVERAGE not in source
  if is_estimated:
    notes.append(f'no {_AVERAGE} in the file: estimated from {AVERAGED} samples of z')
    source[_AVERAGE] = np.zeros(_width(source), np.float32)
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
  if is_estimated:
    tensors[_W_AVG] = average(tensors, generator['mapping']['num_layers'])
  return tensors, {'generator': generator, 'discriminator': discriminator}, notes


def average(tensors: dict[str, np.ndarray], num_layers: int) -> np.ndarray:
  """The mean of W over samples of z, float32 [w_dim]: what training's moving average tends to.

  Args:
    tensors: the generator's, by our names.
    num_layers: of its mapping network.
  """
  layers = [f'{layout.GENERATOR}mapping.fc{i}' for i in range(num_layers)]
  random = np.random.default_rng(0)
  total = np.zeros_like(tensors[_W_AVG], np.float64)
  for _ in range(AVERAGED // AT_ONCE):
    width = tensors[f'{layers[0]}.weight'].shape[0] if layers else total.size
    w = random.standard_normal((AT_ONCE, width), np.float32)
    w /= np.sqrt(np.mean(np.square(w), axis=1, keepdims=True) + _EPSILON)
    for layer in layers:
      w = _mapped(w, tensors[f'{layer}.weight'], tensors[f'{layer}.bias'])
    total += w.sum(axis=0, dtype=np.float64)
  return (total / AVERAGED).astype(np.float32)


def _mapped(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
  """One layer of the mapping network: [N, in] -> [N, out]."""
  rate = np.float32(_LEARNING_RATE_MULTIPLIER)
  y = x @ (weight * (rate / np.float32(math.sqrt(len(weight))))) + bias * rate
  return np.where(y < 0, np.float32(0.2) * y, y) * np.float32(math.sqrt(2))


def _width(source: dict) -> int:
  """That of W, as the generator's mapping network has it."""
  first = source.get(_FIRST, source.get(_AVERAGE))
  if first is None or first.ndim == 0:
    raise PortError(f'the generator has no {_FIRST!r}')
  return first.shape[-1]


def _channels(source: dict, name: str, axis: int) -> int:
  """Of pictures, as the tensor `name` has them; 3 where it is missing, which is told elsewhere."""
  array = source.get(name)
  return array.shape[axis] if array is not None and array.ndim > axis else 3


def _count(source: dict, prefix: str) -> int:
  """How many numbers follow `prefix` in the names."""
  numbers = {
    name.removeprefix(prefix).partition('.')[0] for name in source if name.startswith(prefix)
  }
  return len({number for number in numbers if number.isdecimal()})


def _resolution(log2: float) -> int:
  return layout.check_resolution(2 ** int(log2) if log2 == int(log2) and log2 < 32 else 0)


def _generator_spec(source: dict) -> dict:
  w_dim = _width(source)
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
    'img_channels': _channels(source, 'to_rgb1.bias', 1),
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
    'img_channels': _channels(source, 'convs.0.0.weight', 1),
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
