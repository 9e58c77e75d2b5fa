"""StyleGAN2-ADA (PyTorch) pickles: {'G', 'D', 'G_ema'}, of which G_ema and D are ported.

Every module's class and every constant that its arithmetic depends on is compared with what ganjax
computes; a network that would come out different is refused.
"""

from typing import Any, TypeGuard

import numpy as np

from ports import layout, numpy_pickle, torch_file
from ports.ada_modules import Network, check_constants, take_apart
from ports.table import PortError, Rule, raise_all, show
from ports.unpickle import Budget, Constructor, Record

STYLEGAN3 = 'this is StyleGAN3; ganjax reads StyleGAN2: name a pickle of that'
PERSISTENT = 'torch_utils.persistence._reconstruct_persistent_obj'


def constructors(budget: Budget) -> dict[str, Constructor]:
  """What ADA's pickles may name; modules become Records whose state is their __dict__."""

  def storage_from_bytes(arguments: tuple) -> object:
    return torch_file.read_legacy(arguments[0], budget)

  return torch_file.CONSTRUCTORS | numpy_pickle.table(
    {
      PERSISTENT: _persistent_object,
      'torch.storage._load_from_bytes': storage_from_bytes,
      'dnnlib.util.EasyDict': lambda _: {},
      'dnnlib.EasyDict': lambda _: {},
    }
  )


def _persistent_object(arguments: tuple) -> Record:
  (meta,) = arguments
  if not isinstance(meta, dict) or not isinstance(meta.get('class_name'), str):
    raise PortError('the pickle holds a persistent object without a class name')
  record = Record(meta['class_name'])
  record.set_state(meta.get('state'))
  return record


def is_ada(value: object) -> TypeGuard[dict]:
  return isinstance(value, dict) and isinstance(value.get('G_ema'), Record)


def port(value: dict, limit_bytes: int) -> tuple[dict[str, np.ndarray], dict]:
  """Ports G_ema and, if there is one, D.

  Args:
    value: what the pickle holds.
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
  if any(name == 'SynthesisInput' for name, _ in network.modules.values()):
    raise PortError(STYLEGAN3)
  spec = spec_of(network)
  check_constants(network, spec, problems)
  filters = layout.check_filters(network.tensors, 'resample_filter', 1, problems)
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
  if num_layers > layout.MAX_MAPPING_LAYERS:
    raise PortError(f'a mapping of {num_layers} layers')
  first: dict = _attributes(network, 'mapping.fc0') if num_layers else {'bias_gain': 0.01}
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


def _get(attributes: dict, name: str, kind: type) -> Any:
  value = attributes.get(name)
  value = value.item() if isinstance(value, np.generic) else value
  if kind is float and type(value) is int:
    return float(value)
  if type(value) is not kind or (type(value) is int and not 0 <= value < 1 << 20):
    raise PortError(f'the network has no usable {name!r} ({show(value)})')
  return value


def _rules(names: list[str]) -> dict[str, Rule]:
  """The table: ADA's names are ours without the network."""
  return {name: Rule(name.partition('.')[2], _transform(name)) for name in names}


def _transform(name: str):
  if name == f'{layout.DISCRIMINATOR}b4.fc.weight':
    return rows_hwc
  return np.asarray if name.endswith('.noise_const') else to_ours


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
