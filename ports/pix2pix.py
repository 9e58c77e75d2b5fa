"""Ports pix2pix's U-Net: python -m ports.pix2pix --source=latest_net_G.pth --target=net.safetensors

Reads the generators of the widely used PyTorch implementation: nested blocks `model.model.1.model…`
with batch normalisation, of any depth (unet_256, unet_128) and width. Which damage it undoes, and
what the pictures stood for, is not in the file.
"""

import pathlib
import re

import numpy as np

from ganjax.models.initialisation import abstract
from ganjax.models.unet import UNet, UNetConfig
from ganjax.weights import pix2pix, tensor_file
from ganjax.weights.parameters import shapes_of
from ports import command, torch_file
from ports.table import PortError, Rule, fit, kernel, naming, read_file

MIN_DEPTH, MAX_DEPTH = 3, 12
_PARTS = {
  'bias': 'bias',
  'scale': 'weight',
  'shift': 'bias',
  'mean': 'running_mean',
  'variance': 'running_var',
}


def port(source: pathlib.Path) -> tuple[dict[str, np.ndarray], dict]:
  """Reads a U-Net's state dict.

  Args:
    source: a file that torch.save wrote, in either of torch's containers.

  Returns:
    (tensors, header): float32 arrays by our names, kernels HWIO, and the header.

  Raises:
    PortError: the file cannot be ported; the message begins with its path.
  """
  source = pathlib.Path(source)
  with naming(source):
    arrays, size = torch_file.read_state_dict(read_file(source))
    depth = _depth(arrays)
    config = _config(*_widths(arrays, depth))
    tensors = _convert(arrays, config, size)
    origin = {'file': source.name, 'kind': 'pytorch', 'sha256': tensor_file.sha256(source)}
  header = {'format': tensor_file.FORMAT, 'family': pix2pix.FAMILY, 'generator': config.record()}
  return tensors, header | {'side': 2**depth, 'degradation': '', 'source': origin}


def _block(level: int) -> str:
  """Where the source keeps what belongs to a level; 0 is the outermost."""
  return 'model.model.' + ''.join(f'{1 if i == 0 else 3}.model.' for i in range(level))


def _depth(arrays: dict[str, np.ndarray]) -> int:
  if any(name.endswith('running_mean') for name in arrays):
    for depth in range(MIN_DEPTH, MAX_DEPTH + 1):
      # The innermost block has one normalisation alone, its fifth part.
      if f'{_block(depth - 1)}4.running_mean' in arrays:
        return depth
  elif any(re.fullmatch(r'(model\.)+0\.weight', name) for name in arrays):
    raise PortError('has no batch normalisation; only --norm batch can be ported')
  raise PortError('no U-Net of nested blocks; only unet_128, unet_256 and their like can be ported')


def _sources(depth: int) -> dict[str, str]:
  """Our name of each layer -> the source's."""
  last = depth - 1
  layers = {'down0': f'{_block(0)}0', 'up0': f'{_block(0)}3'}
  for level in range(1, depth):
    block = _block(level)
    layers[f'down{level}'] = f'{block}1'
    layers[f'up{level}'] = f'{block}{3 if level == last else 5}'
    layers[f'up_norm{level}'] = f'{block}{4 if level == last else 6}'
    if level != last:
      layers[f'down_norm{level}'] = f'{block}2'
  return layers


def _widths(arrays: dict[str, np.ndarray], depth: int) -> tuple[list[int], int]:
  """The levels' channels, and the picture's."""
  layers = _sources(depth)
  widths, channels = [], 0
  for level in range(depth):
    name = f'{layers[f"down{level}"]}.weight'
    if name not in arrays or arrays[name].ndim != 4:
      raise PortError(f'missing tensor {name}, or of a wrong shape')
    widths.append(arrays[name].shape[0])
    channels = channels or arrays[name].shape[1]
  return widths, channels


def _config(widths: list[int], channels: int) -> UNetConfig:
  """The header's part; raises PortError where our U-Net cannot have these widths."""
  config = UNetConfig(len(widths), widths[0], max(widths), 'batch', channels)
  if widths != list(config.channels):
    raise PortError(f'the levels have {widths} channels; ours double three times at most')
  return config


def _convert(arrays: dict[str, np.ndarray], config: UNetConfig, size: int) -> dict[str, np.ndarray]:
  sources = _sources(config.depth)
  shapes = shapes_of({'generator': abstract(UNet, config)})
  # The source's encoder has no biases.
  missing = [name for name in shapes if re.search(r'down\d+\.bias', name)]
  rules = {name: _rule(name, sources) for name in shapes if name not in missing}
  counters = [name for name in arrays if name.endswith('num_batches_tracked')]
  zeros = {name: np.zeros(shapes[name], np.float32) for name in missing}
  return fit(rules, shapes, arrays, counters, size) | zeros


def _rule(name: str, sources: dict[str, str]) -> Rule:
  _, layer, part = name.split('.')
  if part == 'kernel':
    return Rule(f'{sources[layer]}.weight', kernel if layer.startswith('down') else _up)
  return Rule(f'{sources[layer]}.{_PARTS[part]}', np.transpose)


def _up(array: np.ndarray) -> np.ndarray:
  return array.transpose(2, 3, 0, 1)  # IOHW -> HWIO


if __name__ == '__main__':
  command.run(
    'ports.pix2pix',
    port,
    lambda header: f'U-Net of {header["side"]} px',
    'latest_net_G.pth, a U-Net with batch norm.',
  )
