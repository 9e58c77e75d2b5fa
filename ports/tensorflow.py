"""StyleGAN2 pickles of the TensorFlow implementations: (G, D, Gs), of which Gs and D are ported.

Both StyleGAN2 (2019) and StyleGAN2-ADA for TensorFlow (2020) use these names. Their kernels are
HWIO already; the up-sampling ones are flipped, and the styles' biases leave out the 1.
"""

import math
from typing import TypeGuard

import numpy as np

from ports import layout, numpy_pickle
from ports.table import PortError, Rule, raise_all, show
from ports.unpickle import Record

_NETWORK = 'dnnlib.tflib.network.Network'
CONSTRUCTORS = numpy_pickle.table({_NETWORK: lambda _: Record(_NETWORK)})
_MAX_DEPTH = 4
_UNSUPPORTED = ('G_style', 'G_synthesis_stylegan_revised', 'D_basic', 'D_stylegan')
_IGNORED = ('lod',)  # the progressive growing of StyleGAN1: stored, not used
_COMMON = {'nonlinearity': 'lrelu', 'resample_kernel': [1, 3, 3, 1], 'num_channels': 3}
_GENERATOR = _COMMON | {
  'mapping_nonlinearity': 'lrelu',
  'normalize_latents': True,
}
_DISCRIMINATOR = _COMMON | {'mbstd_num_features': 1}


def is_tensorflow(value: object) -> TypeGuard[tuple]:
  return (
    isinstance(value, tuple)
    and len(value) == 3
    and all(isinstance(network, Record) and network.name == _NETWORK for network in value)
  )


def port(value: tuple, limit_bytes: int) -> tuple[dict[str, np.ndarray], dict]:
  """Ports Gs and D.

  Args:
    value: what the pickle holds, three Records.
    limit_bytes: the file's size.

  Returns:
    (tensors, specs): ours by name, and the header's {'generator', 'discriminator'}.

  Raises:
    PortError: with everything that does not fit.
  """
  problems: list[str] = []
  specs = {}
  tensors: dict[str, np.ndarray] = {}
  for part, record, spec_of in (
    ('generator', value[2], _generator_spec),
    ('discriminator', value[1], _discriminator_spec),
  ):
    source, options = _take_apart(record)
    spec = spec_of(options, source, problems)
    ignored = [name for name in source if name in _IGNORED]
    more, specs[part] = layout.port(spec, source, _rules, ignored, limit_bytes, problems)
    tensors |= more
  raise_all(problems)
  return tensors, specs


def _take_apart(record: object, depth: int = 0) -> tuple[dict[str, np.ndarray], dict]:
  """The variables of a network and its components by 'component/name', and its options."""
  if not isinstance(record, Record) or depth > _MAX_DEPTH:
    raise PortError('a TensorFlow network with odd components')
  state = record.state
  version, function = state.get('version'), state.get('build_func_name')
  variables = state.get('variables')
  components, options = state.get('components'), state.get('static_kwargs')
  if not (
    isinstance(variables, list) and isinstance(components, dict) and isinstance(options, dict)
  ):
    raise PortError('a TensorFlow network without variables, components or static_kwargs')
  if type(version) is not int or version < 4:
    raise PortError(f'a TensorFlow network of version {show(version)}; StyleGAN2 has 4 or more')
  if not isinstance(function, str) or function.rpartition('.')[2] in _UNSUPPORTED:
    raise PortError(f'a {show(function)} network, which is not StyleGAN2')
  if len(components) > _MAX_DEPTH:
    raise PortError('a TensorFlow network with odd components')

  tensors: dict[str, np.ndarray] = {}
  inner_options: dict = {}
  for name, component in components.items():
    inner, more = _take_apart(component, depth + 1)
    tensors |= {f'{name}/{key}': array for key, array in inner.items()}
    inner_options |= more
  for variable in variables:
    if not isinstance(variable, tuple) or len(variable) != 2 or not isinstance(variable[0], str):
      raise PortError('a TensorFlow network whose variables are not pairs of name and array')
    array = numpy_pickle.as_array(variable[1])
    if array is None or variable[0] in tensors:
      raise PortError(f'the variable {show(variable[0])} is not one array')
    tensors[variable[0]] = array
  return tensors, inner_options | options


def _generator_spec(options: dict, tensors: dict, problems: list[str]) -> dict:
  _check(options, _GENERATOR, 'generator', problems)
  c_dim = _integer(options, 'label_size', 0)
  if c_dim and 'mapping/LabelEmbed/weight' not in tensors:
    raise PortError(
      'a conditional StyleGAN2 that concatenates labels before normalising (LabelConcat), '
      'which ganjax cannot represent; StyleGAN2-ADA can be ported'
    )
  return {
    'architecture': _architecture(options, 'skip'),
    'resolution': layout.check_resolution(_integer(options, 'resolution', 1024)),
    'z_dim': _integer(options, 'latent_size', 512),
    'c_dim': c_dim,
    'w_dim': _integer(options, 'dlatent_size', 512),
    'channels': {},
    'mapping': _mapping(options, 8, 0.01),
    'conv_clamp': _number(options, 'conv_clamp', None),
    'use_noise': options.get('use_noise', True) is True,
    'img_channels': 3,
  }


def _discriminator_spec(options: dict, tensors: dict, problems: list[str]) -> dict:
  _check(options, _DISCRIMINATOR, 'discriminator', problems)
  c_dim = _integer(options, 'label_size', 0)
  if c_dim and 'LabelEmbed/weight' not in tensors:
    raise PortError(
      'a conditional StyleGAN2 whose discriminator has one output per label, '
      'which ganjax cannot represent; StyleGAN2-ADA can be ported'
    )
  return {
    'architecture': _architecture(options, 'resnet'),
    'resolution': layout.check_resolution(_integer(options, 'resolution', 1024)),
    'c_dim': c_dim,
    'channels': {},
    'mapping': _mapping(options, 0, 0.1) if c_dim else None,
    'cmap_dim': 0,
    'conv_clamp': _number(options, 'conv_clamp', None),
    'mbstd_group_size': _integer(options, 'mbstd_group_size', 4),
    'mbstd_num_channels': 1,
    'img_channels': 3,
  }


def _mapping(options: dict, num_layers: int, rate: float) -> dict:
  num_layers = _integer(options, 'mapping_layers', num_layers)
  if num_layers > layout.MAX_MAPPING_LAYERS:
    raise PortError(f'a mapping of {num_layers} layers')
  return {
    'num_layers': num_layers,
    'layer_features': 0,
    'embed_features': 0,
    'lr_multiplier': _number(options, 'mapping_lrmul', rate),
  }


def _check(options: dict, expected: dict, network: str, problems: list[str]) -> None:
  for name, value in expected.items():
    found = options.get(name, value)
    if type(found) is not type(value) or found != value:
      problems.append(f'{network}: {name} is {show(found)}, ganjax computes with {value}')


def _architecture(options: dict, default: str) -> str:
  architecture = options.get('architecture', default)
  if architecture not in layout.ARCHITECTURES:
    raise PortError(f'architecture {show(architecture)} is unknown')
  return architecture


def _integer(options: dict, name: str, default: int) -> int:
  value = options.get(name, default)
  if type(value) is not int or not 0 <= value < 1 << 20:
    raise PortError(f'the option {name} is {show(value)}, not a usable number')
  return value


def _number(options: dict, name: str, default: float | None) -> float | None:
  value = options.get(name, default)
  if value is not None and (type(value) not in (int, float) or not 0 < value < 1e6):
    raise PortError(f'the option {name} is {show(value)}, not a usable number')
  return None if value is None else float(value)


def _rules(names: list[str]) -> dict[str, Rule]:
  """The table: our name -> the TensorFlow variable and what is done to it."""
  return {name: Rule(_source(name), _transform(name)) for name in names}


_LAYERS = {
  'fromrgb': 'FromRGB',
  'torgb': 'ToRGB',
  'skip': 'Skip',
  'const': 'Const/const',
  'conv': 'Conv',
  'fc': 'Dense0',
}


def _source(name: str) -> str:
  network, part, *rest = name.split('.')
  if part == 'mapping':
    return _mapping_source(network, *rest)
  if network == 'generator':
    part, *rest = rest
  resolution = int(part[1:])
  layer, leaf = rest[0], '_'.join(rest[1:]).replace('affine', 'mod')
  if layer == 'out':
    return f'Output/{leaf}'
  prefix = 'synthesis/' if network == 'generator' else ''
  if leaf == 'noise_const':
    return f'{prefix}noise{2 * int(math.log2(resolution)) - 5 + int(layer == "conv1")}'
  if layer in ('conv0', 'conv1'):
    styled = {'conv0': 'Conv0_up', 'conv1': 'Conv1' if resolution > 4 else 'Conv'}
    plain = {'conv0': 'Conv0', 'conv1': 'Conv1_down'}
    source = (styled if network == 'generator' else plain)[layer]
  else:
    source = _LAYERS[layer]
  return f'{prefix}{resolution}x{resolution}/{source}' + (f'/{leaf}' if leaf else '')


def _mapping_source(network: str, layer: str, leaf: str = '') -> str:
  if layer == 'w_avg':
    return 'dlatent_avg'
  prefix, dense = ('mapping/', 'Dense') if network == 'generator' else ('', 'Mapping')
  return prefix + ('LabelEmbed' if layer == 'embed' else layer.replace('fc', dense)) + f'/{leaf}'


def _transform(name: str):
  if name.endswith('affine.bias'):
    return lambda array: array + array.dtype.type(1)
  if name.startswith(f'{layout.GENERATOR}synthesis') and name.endswith('conv0.weight'):
    return lambda array: array[::-1, ::-1]
  if name.endswith('noise_const'):
    return lambda array: array.squeeze((0, 1))
  if name.endswith('const'):
    return lambda array: array.squeeze(0).transpose(1, 2, 0)
  if name == f'{layout.DISCRIMINATOR}b4.fc.weight':
    return _rows_hwc
  return lambda array: array


def _rows_hwc(array: np.ndarray) -> np.ndarray:
  """[C·4·4, out] -> [4·4·C, out]: the rows in the order in which NHWC is flattened."""
  outputs = array.shape[1]
  return array.reshape(-1, 4, 4, outputs).transpose(1, 2, 0, 3).reshape(-1, outputs)
