"""Ports torchvision's VGG16: python -m ports.vgg16 --source=vgg16.pth --target=vgg16.safetensors

The convolutions alone; `--lpips` adds the five heads of LPIPS v0.1 (Zhang et al. 2018).
"""

import pathlib

import numpy as np
from absl import flags

from ganjax.models.initialisation import abstract
from ganjax.models.vgg16 import LPIPS
from ganjax.weights import tensor_file
from ganjax.weights.parameters import shapes_of
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
    tensors, widths = _port_convolutions(read_file(source))
    origin = {'file': source.name, 'kind': 'torchvision', 'sha256': tensor_file.sha256(source)}
  if lpips is not None:
    lpips = pathlib.Path(lpips)
    with naming(lpips):
      tensors |= _port_heads(read_file(lpips), widths)
      origin |= {'lpips_file': lpips.name, 'lpips_sha256': tensor_file.sha256(lpips)}
  header = {'format': tensor_file.FORMAT, 'family': 'vgg16', 'widths': widths}
  return tensors, header | {'lpips': lpips is not None, 'source': origin}


def _port_convolutions(data: bytes) -> tuple[dict[str, np.ndarray], list[int]]:
  """The convolutions, and how many channels each has."""
  arrays, size = torch_file.read_state_dict(data, left_out='classifier.')
  biases = [arrays.get(f'features.{number}.bias') for number in CONVOLUTIONS.values()]
  widths = [1 if bias is None else bias.size for bias in biases]
  rules: dict[str, Rule] = {}
  for name, number in CONVOLUTIONS.items():
    rules[f'{name}.weight'] = Rule(f'features.{number}.weight', kernel)
    rules[f'{name}.bias'] = Rule(f'features.{number}.bias', np.transpose)
  return fit(rules, _shapes(widths), arrays, (), size), widths


def _shapes(widths: list[int]) -> dict[str, tuple[int, ...]]:
  return shapes_of({'': abstract(LPIPS, tuple(widths))})


def _port_heads(data: bytes, widths: list[int]) -> dict[str, np.ndarray]:
  arrays, size = torch_file.read_state_dict(data)
  shapes = _shapes(widths)
  names = [name for name in shapes if name.startswith('lin')]
  rules = {name: Rule(name.replace('.', '.model.1.'), _head) for name in names}
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
