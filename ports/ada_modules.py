"""The modules inside a StyleGAN2-ADA (PyTorch) network, and the constants that they compute with.

A module's class and constants decide its arithmetic as much as its tensors do, so each of them is
compared with what ganjax computes; a network that would come out different is refused.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ganjax.models.architecture import resolutions
from ports import torch_file
from ports.table import PortError, show
from ports.unpickle import Record

Modules = dict[str, tuple[str, dict[str, Any]]]

_MAX_MODULES = 4096
_MAX_DEPTH = 8
_BOOKKEEPING = ('_parameters', '_buffers', '_modules')


class Network(NamedTuple):
  """One network taken apart: its modules' (class, attributes) and its tensors, by path."""

  modules: Modules
  tensors: dict[str, np.ndarray]


def take_apart(record: Record) -> Network:
  """Flattens a network into modules and tensors by dotted path ('' is the network itself)."""
  network = Network({}, {})
  waiting: list[tuple[str, object]] = [('', record)]
  while waiting:
    path, module = waiting.pop()
    if not isinstance(module, Record):
      raise PortError(f'module {show(path)} is {show(module)}, not a network module')
    if len(network.modules) >= _MAX_MODULES or path.count('.') > _MAX_DEPTH:
      raise PortError('more or deeper modules than any StyleGAN2 has')
    parts = [module.state.get(key, {}) for key in _BOOKKEEPING]
    if not all(isinstance(part, dict) for part in parts):
      raise PortError(f'module {show(path)} has a broken state')
    parameters, buffers, children = parts
    network.modules[path] = module.name, module.state
    for name, value in [*parameters.items(), *buffers.items()]:
      array = torch_file.as_array(value)
      if array is not None:
        network.tensors[join(path, name)] = array
    waiting += [(join(path, name), child) for name, child in children.items()]
  return network


def join(path: str, name: object) -> str:
  return f'{path}.{name}' if path else f'{name}'


def check_constants(network: Network, spec: dict, problems: list[str]) -> None:
  """Compares every module's class and constants with what ganjax computes for `spec`.

  Args:
    network: the generator or the discriminator.
    spec: its part of the header.
    problems: one line per difference is appended here.
  """
  expected = _generator_modules(spec) if 'z_dim' in spec else _discriminator_modules(spec)
  for path in sorted(expected.keys() | network.modules.keys()):
    if path not in network.modules:
      problems.append(f'missing module {path}')
    elif path not in expected:
      problems.append(f'unknown module {show(path)} ({show(network.modules[path][0])})')
    else:
      _compare(network, path, *expected[path], problems)


def _compare(network: Network, path: str, name: str, constants: dict, problems: list) -> None:
  found_name, attributes = network.modules[path]
  if found_name != name:
    problems.append(f'module {path!r} is a {show(found_name)}, expected {name}')
    return
  if 'weight_gain' in constants and f'{path}.weight' in network.tensors:
    fan_in = math.prod(network.tensors[f'{path}.weight'].shape[1:])
    constants = constants | {'weight_gain': constants['weight_gain'] / math.sqrt(max(fan_in, 1))}
  for key, value in constants.items():
    found = attributes.get(key)
    found = found.item() if isinstance(found, np.generic) else found
    if isinstance(value, float) and isinstance(found, int | float):
      same = math.isclose(found, value, rel_tol=1e-6)
    else:
      same = type(found) in (str, int, bool, type(None)) and found == value
    if not same:
      problems.append(f'{join(path, key)} is {show(found)}, ganjax computes with {show(value)}')


_LINEAR = ('FullyConnectedLayer', {'activation': 'linear', 'weight_gain': 1.0, 'bias_gain': 1.0})


def _mapping_modules(spec: dict, c_dim: int) -> Modules:
  rate = spec['lr_multiplier']
  constants = {'activation': 'lrelu', 'weight_gain': rate, 'bias_gain': rate}
  modules: Modules = {'mapping': ('MappingNetwork', {'c_dim': c_dim})}
  modules |= {'mapping.embed': _LINEAR} if c_dim else {}
  layers = range(spec['num_layers'])
  return modules | {f'mapping.fc{i}': ('FullyConnectedLayer', constants) for i in layers}


def _generator_modules(spec: dict) -> Modules:
  clamp, architecture = spec['conv_clamp'], spec['architecture']
  layer = {'activation': 'lrelu', 'act_gain': math.sqrt(2), 'conv_clamp': clamp}
  layer |= {'use_noise': spec['use_noise'], 'padding': 1}
  modules: Modules = {
    '': ('Generator', {}),
    'synthesis': ('SynthesisNetwork', {'w_dim': spec['w_dim']}),
    **_mapping_modules(spec['mapping'], spec['c_dim']),
  }
  modules['mapping'][1]['num_ws'] = 2 * len(resolutions(spec['resolution']))
  for r in resolutions(spec['resolution']):
    block = f'synthesis.b{r}'
    last = r == spec['resolution']
    modules[block] = 'SynthesisBlock', {'architecture': architecture, 'is_last': last}
    if r > 4:
      modules[f'{block}.conv0'] = 'SynthesisLayer', layer | {'up': 2, 'resolution': r}
    modules[f'{block}.conv1'] = 'SynthesisLayer', layer | {'up': 1, 'resolution': r}
    if last or architecture == 'skip':
      modules[f'{block}.torgb'] = 'ToRGBLayer', {'conv_clamp': clamp, 'weight_gain': 1.0}
    if r > 4 and architecture == 'resnet':
      modules[f'{block}.skip'] = _conv_module('linear', 1.0, None, up=2)
  styled = [path for path, (name, _) in modules.items() if name in ('SynthesisLayer', 'ToRGBLayer')]
  return modules | {f'{path}.affine': _LINEAR for path in styled}


def _discriminator_modules(spec: dict) -> Modules:
  clamp, architecture = spec['conv_clamp'], spec['architecture']
  block_constants = {'architecture': architecture}
  conv = _conv_module('lrelu', math.sqrt(2), clamp)
  modules: Modules = {
    '': ('Discriminator', {}),
    'b4': ('DiscriminatorEpilogue', {**block_constants, 'resolution': 4}),
    'b4.mbstd': ('MinibatchStdLayer', {'num_channels': 1}),
    'b4.conv': conv,
    'b4.fc': ('FullyConnectedLayer', _LINEAR[1] | {'activation': 'lrelu'}),
    'b4.out': _LINEAR,
  }
  if architecture == 'skip':  # here, and only here, the public code does not clamp
    modules['b4.fromrgb'] = _conv_module('lrelu', math.sqrt(2), None)
  if spec['mapping']:
    modules |= _mapping_modules(spec['mapping'], spec['c_dim'])
  for r in resolutions(spec['resolution'])[1:]:
    modules[f'b{r}'] = 'DiscriminatorBlock', block_constants | {'resolution': r}
    modules[f'b{r}.conv0'] = conv
    modules[f'b{r}.conv1'] = _conv_module('lrelu', math.sqrt(2), clamp, down=2)
    if r == spec['resolution'] or architecture == 'skip':
      modules[f'b{r}.fromrgb'] = conv
    if architecture == 'resnet':
      modules[f'b{r}.skip'] = _conv_module('linear', 1.0, None, down=2)
  return modules


def _conv_module(activation: str, gain: float, clamp, up: int = 1, down: int = 1):
  constants = {'activation': activation, 'act_gain': gain, 'conv_clamp': clamp, 'weight_gain': 1.0}
  return 'Conv2dLayer', constants | {'up': up, 'down': down}
