"""StyleGAN2-ADA (PyTorch) pickles: {'G', 'D', 'G_ema'}, of which G_ema and D are ported.

Every module's class and every constant that its arithmetic depends on is compared with what ganjax
computes; a network that would come out different is refused.
"""

import math
from typing import NamedTuple

import numpy as np

from ports import layout, numpy_pickle, torch_file
from ports.table import PortError, Rule, raise_all, show
from ports.unpickle import Budget, Record, load

_MAX_MODULES = 4096
_MAX_DEPTH = 8
_FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
_BOOKKEEPING = ('_parameters', '_buffers', '_modules')
PERSISTENT = 'torch_utils.persistence._reconstruct_persistent_obj'


class Network(NamedTuple):
  """One network taken apart: its modules' (class, attributes) and its tensors, by path."""

  modules: dict[str, tuple[str, dict]]
  tensors: dict[str, np.ndarray]


def read(data: bytes) -> object:
  """Reads the pickle; modules come out as Records whose state is their class's __dict__."""
  budget = Budget()

  def storage_from_bytes(arguments: tuple) -> object:
    return torch_file.read_legacy(arguments[0], budget)

  constructors = torch_file.CONSTRUCTORS | numpy_pickle.table(
    {
      PERSISTENT: _persistent_object,
      'torch.storage._load_from_bytes': storage_from_bytes,
      'dnnlib.util.EasyDict': lambda _: {},
      'dnnlib.EasyDict': lambda _: {},
    }
  )
  value, _ = load(data, constructors, budget=budget)
  return value


def _persistent_object(arguments: tuple) -> Record:
  (meta,) = arguments
  if not isinstance(meta, dict) or not isinstance(meta.get('class_name'), str):
    raise PortError('the pickle holds a persistent object without a class name')
  record = Record(meta['class_name'])
  record.set_state(meta.get('state'))
  return record


def is_ada(value: object) -> bool:
  return isinstance(value, dict) and isinstance(value.get('G_ema'), Record)


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
        network.tensors[_join(path, name)] = array
    waiting += [(_join(path, name), child) for name, child in children.items()]
  return network


def _join(path: str, name: object) -> str:
  return f'{path}.{name}' if path else f'{name}'


def _check_filters(network: Network, problems: list[str]) -> list[str]:
  """The low-pass filters, which are constants of ours: checked, then left out."""
  filters = [name for name in network.tensors if name.endswith('resample_filter')]
  for name in filters:
    found = network.tensors[name]
    if found.shape != _FILTER.shape or not np.allclose(found, _FILTER, atol=1e-6):
      problems.append(f'{name} is not the filter [1, 3, 3, 1] that ganjax uses')
  return filters


def port(value: dict, limit_bytes: int) -> tuple[dict[str, np.ndarray], dict]:
  """Ports G_ema and, if there is one, D.

  Args:
    value: what `read` returned.
    limit_bytes: the file's size.

  Returns:
    (tensors, specs): ours by name, and the header's {'generator', 'discriminator'}.

  Raises:
    PortError: with everything that does not fit.
  """
  problems: list[str] = []
  tensors, generator = _port(value['G_ema'], _generator_spec, limit_bytes, problems)
  discriminator = None
  if value.get('D') is not None:
    more, discriminator = _port(value['D'], _discriminator_spec, limit_bytes, problems)
    tensors |= more
  raise_all(problems)
  return tensors, {'generator': generator, 'discriminator': discriminator}


def _port(record: Record, spec_of, limit_bytes: int, problems: list[str]):
  network = take_apart(record)
  spec = spec_of(network)
  check_constants(network, spec, problems)
  filters = _check_filters(network, problems)
  return layout.port(spec, network.tensors, _rules, filters, limit_bytes, problems)


def _generator_spec(network: Network) -> dict:
  """The header's part on the generator, widths still missing."""
  main, mapping, synthesis = (_attributes(network, p) for p in ('', 'mapping', 'synthesis'))
  resolution = layout.check_resolution(_get(main, 'img_resolution', int))
  last = _attributes(network, f'synthesis.b{resolution}')
  conv = _attributes(network, f'synthesis.b{resolution}.conv1')
  return {
    'architecture': _architecture(last),
    'resolution': resolution,
    'z_dim': _get(mapping, 'z_dim', int),
    'c_dim': _get(mapping, 'c_dim', int),
    'w_dim': _get(mapping, 'w_dim', int),
    'channels': {},
    'mapping': _mapping_spec(network),
    'conv_clamp': _clamp(conv),
    'use_noise': _get(conv, 'use_noise', bool),
    'img_channels': _get(synthesis, 'img_channels', int),
  }


def _discriminator_spec(network: Network) -> dict:
  """The header's part on the discriminator, widths still missing."""
  main, epilogue = (_attributes(network, path) for path in ('', 'b4'))
  c_dim = _get(main, 'c_dim', int)
  if 'b4.mbstd' not in network.modules:
    raise PortError('the discriminator has no minibatch standard deviation; ganjax needs it')
  return {
    'architecture': _architecture(epilogue),
    'resolution': layout.check_resolution(_get(main, 'img_resolution', int)),
    'c_dim': c_dim,
    'channels': {},
    'mapping': _mapping_spec(network) if c_dim else None,
    'cmap_dim': _get(epilogue, 'cmap_dim', int),
    'conv_clamp': _clamp(_attributes(network, 'b4.conv')),
    'mbstd_group_size': _get(_attributes(network, 'b4.mbstd'), 'group_size', int),
    'mbstd_num_channels': 1,
    'img_channels': _get(main, 'img_channels', int),
  }


def _mapping_spec(network: Network) -> dict:
  num_layers = _get(_attributes(network, 'mapping'), 'num_layers', int)
  if not 0 <= num_layers <= 64:
    raise PortError(f'a mapping of {num_layers} layers')
  first = _attributes(network, 'mapping.fc0') if num_layers else {'bias_gain': 0.01}
  return {
    'num_layers': num_layers,
    'layer_features': 0,
    'embed_features': 0,
    'lr_multiplier': float(_get(first, 'bias_gain', float)),
  }


def _architecture(attributes: dict) -> str:
  architecture = _get(attributes, 'architecture', str)
  if architecture not in layout.ARCHITECTURES:
    raise PortError(f'architecture {show(architecture)} is unknown')
  return architecture


def _clamp(attributes: dict) -> float | None:
  clamp = attributes.get('conv_clamp')
  return None if clamp is None else float(_get(attributes, 'conv_clamp', float))


def _attributes(network: Network, path: str) -> dict:
  if path not in network.modules:
    raise PortError(f'the network has no module {path!r}')
  return network.modules[path][1]


def _get(attributes: dict, name: str, kind: type):
  value = attributes.get(name)
  value = value.item() if isinstance(value, np.generic) else value
  if kind is float and type(value) is int:
    return float(value)
  if type(value) is not kind or (kind is int and not 0 <= value < 1 << 20):
    raise PortError(f'the network has no usable {name!r} ({show(value)})')
  return value


def _rules(names: list[str]) -> dict[str, Rule]:
  """The table: ADA's names are ours without the network; its kernels are OIHW, matrices [out, in]."""
  return {name: Rule(name.partition('.')[2], _transform(name)) for name in names}


def _transform(name: str):
  return rows_hwc if name == f'{layout.DISCRIMINATOR}b4.fc.weight' else to_ours


def to_ours(array: np.ndarray) -> np.ndarray:
  """torch's layout to ours: OIHW to HWIO, CHW to HWC, [out, in] to [in, out]."""
  if array.ndim == 4:
    return array.transpose(2, 3, 1, 0)
  if array.ndim == 3:
    return array.transpose(1, 2, 0)
  return array.T


def rows_hwc(array: np.ndarray) -> np.ndarray:
  """[out, C·4·4] -> [4·4·C, out]: the rows in the order in which NHWC is flattened."""
  outputs = array.shape[0]
  return array.reshape(outputs, -1, 4, 4).transpose(2, 3, 1, 0).reshape(-1, outputs)


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
    if isinstance(value, float) and type(found) in (int, float):
      same = math.isclose(found, value, rel_tol=1e-6)
    else:
      same = type(found) in (str, int, bool, type(None)) and found == value
    if not same:
      problems.append(f'{_join(path, key)} is {show(found)}, ganjax computes with {show(value)}')


_LINEAR = ('FullyConnectedLayer', {'activation': 'linear', 'weight_gain': 1.0, 'bias_gain': 1.0})


def _mapping_modules(spec: dict, c_dim: int) -> dict[str, tuple[str, dict]]:
  rate = spec['lr_multiplier']
  constants = {'activation': 'lrelu', 'weight_gain': rate, 'bias_gain': rate}
  modules = {'mapping': ('MappingNetwork', {'c_dim': c_dim})}
  modules |= {'mapping.embed': _LINEAR} if c_dim else {}
  layers = range(spec['num_layers'])
  return modules | {f'mapping.fc{i}': ('FullyConnectedLayer', constants) for i in layers}


def _generator_modules(spec: dict) -> dict[str, tuple[str, dict]]:
  clamp, architecture = spec['conv_clamp'], spec['architecture']
  layer = {'activation': 'lrelu', 'act_gain': math.sqrt(2), 'conv_clamp': clamp}
  layer |= {'use_noise': spec['use_noise'], 'padding': 1}
  modules: dict[str, tuple[str, dict]] = {
    '': ('Generator', {}),
    'synthesis': ('SynthesisNetwork', {'w_dim': spec['w_dim']}),
    **_mapping_modules(spec['mapping'], spec['c_dim']),
  }
  modules['mapping'][1]['num_ws'] = 2 * len(layout.resolutions(spec['resolution']))
  for r in layout.resolutions(spec['resolution']):
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


def _discriminator_modules(spec: dict) -> dict[str, tuple[str, dict]]:
  clamp, architecture = spec['conv_clamp'], spec['architecture']
  block_constants = {'architecture': architecture}
  conv = _conv_module('lrelu', math.sqrt(2), clamp)
  modules: dict[str, tuple[str, dict]] = {
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
  for r in layout.resolutions(spec['resolution'])[1:]:
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
