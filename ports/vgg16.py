"""Ports torchvision's VGG16: python -m ports.vgg16 --source=vgg16.pth --target=vgg16.safetensors

The convolutions alone; `--lpips` adds the five heads of LPIPS v0.1 (Zhang et al. 2018).
"""

import pathlib

import numpy as np
from absl import flags

from ganjax.weights import tensor_file
from ports import command, torch_file
from ports.table import Rule, fit, kernel, naming, raise_all, read_file

# Our name -> the number of the convolution among torchvision's `features`.
CONVOLUTIONS = {
  'conv1_1': 0,
  'conv1_2': 2,
  'conv2_1': 5,
  'conv2_2': 7,
  'conv3_1': 10,
  'conv3_2': 12,
  'conv3_3': 14,
  'conv4_1': 17,
  'conv4_2': 19,
  'conv4_3': 21,
  'conv5_1': 24,
  'conv5_2': 26,
  'conv5_3': 28,
}
TAPS = ('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3')  # what the heads weigh


def port(
  source: pathlib.Path, lpips: pathlib.Path | None = None
) -> tuple[dict[str, np.ndarray], dict]:
  """Reads a VGG16 state dict of any width.

  Args:
    source: torchvision's file, in either of torch's containers. `classifier.*` is left out.
    lpips: LPIPS v0.1 heads for it, `linN.model.1.weight`.

  Returns:
    (tensors, header): float32 arrays by our names, kernels HWIO, and the header.

  Raises:
    PortError: a file cannot be ported; the message begins with its path.
  """
  source = pathlib.Path(source)
  with naming(source):
    tensors = _port_convolutions(read_file(source))
    origin = {'file': source.name, 'kind': 'torchvision', 'sha256': tensor_file.sha256(source)}
  widths = [tensors[f'{name}.bias'].size for name in CONVOLUTIONS]
  if lpips is not None:
    lpips = pathlib.Path(lpips)
    with naming(lpips):
      channels = [tensors[f'{name}.bias'].size for name in TAPS]
      tensors |= _port_heads(read_file(lpips), channels)
      origin |= {'lpips_file': lpips.name, 'lpips_sha256': tensor_file.sha256(lpips)}
  header = {'format': tensor_file.FORMAT, 'family': 'vgg16', 'widths': widths}
  return tensors, header | {'lpips': lpips is not None, 'source': origin}


def _port_convolutions(data: bytes) -> dict[str, np.ndarray]:
  arrays, size = torch_file.read_state_dict(data, left_out='classifier.')
  rules: dict[str, Rule] = {}
  shapes: dict[str, tuple[int, ...]] = {}
  inputs = 3
  for name, number in CONVOLUTIONS.items():
    bias = arrays.get(f'features.{number}.bias')
    outputs = bias.size if bias is not None else 1
    rules[f'{name}.weight'] = Rule(f'features.{number}.weight', kernel)
    rules[f'{name}.bias'] = Rule(f'features.{number}.bias', np.transpose)
    shapes |= {f'{name}.weight': (3, 3, inputs, outputs), f'{name}.bias': (outputs,)}
    inputs = outputs
  return fit(rules, shapes, arrays, (), size)


def _port_heads(data: bytes, channels: list[int]) -> dict[str, np.ndarray]:
  arrays, size = torch_file.read_state_dict(data)
  numbers = range(len(channels))
  rules = {f'lin{i}.weight': Rule(f'lin{i}.model.1.weight', _head) for i in numbers}
  shapes = {f'lin{i}.weight': (channels[i],) for i in numbers}
  heads = fit(rules, shapes, arrays, (), size)
  raise_all([f'{name} has negative weights' for name, head in heads.items() if head.min() < 0])
  return heads


def _head(array: np.ndarray) -> np.ndarray:
  return array.squeeze((0, 2, 3))


def _describe(header: dict) -> str:
  return f'VGG16 {"with" if header["lpips"] else "without"} LPIPS heads'


if __name__ == '__main__':
  flags.DEFINE_string('lpips', None, 'LPIPS v0.1 heads for VGG16 (.pth).')
  command.run(
    'ports.vgg16',
    lambda source: port(source, flags.FLAGS.lpips),
    _describe,
    "torchvision's VGG16 state dict (.pth).",
  )
