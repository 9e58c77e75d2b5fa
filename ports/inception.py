"""Ports FID's Inception: python -m ports.inception --source=FILE.pth --target=inception.safetensors

Reads the weights that PyTorch programs compute the Fréchet Inception distance with
(pt_inception-2015-12-05-….pth): those of TensorFlow's classifier of 2015, by torchvision's names.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from ganjax.models.inception import Inception
from ganjax.models.initialisation import abstract
from ganjax.weights import tensor_file
from ganjax.weights.parameters import shapes_of
from ports import command, torch_file
from ports.table import PortError, Rule, fit, kernel, naming, read_file

FIRST = 'Conv2d_1a_3x3.conv.weight'
_PARTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
  'conv.kernel': ('conv.weight', kernel),
  'bn.scale': ('bn.weight', np.transpose),
  'bn.bias': ('bn.bias', np.transpose),
  'bn.mean': ('bn.running_mean', np.transpose),
  'bn.var': ('bn.running_var', np.transpose),
}


def port(source: pathlib.Path) -> tuple[dict[str, np.ndarray], dict]:
  """Reads a state dict; the classifier `fc` is left out.

  Args:
    source: a file that torch.save wrote, in either of torch's containers.

  Returns:
    (tensors, header): float32 arrays by our names, kernels HWIO, and the header.

  Raises:
    PortError: the file cannot be ported; the message begins with its path.
  """
  source = pathlib.Path(source)
  with naming(source):
    arrays, size = torch_file.read_state_dict(read_file(source), left_out='fc.')
    if any(name.startswith('AuxLogits.') for name in arrays):
      raise PortError(
        "torchvision's own classifier, whose distances are no Fréchet Inception distances; "
        'take pt_inception-2015-12-05-….pth'
      )
    if FIRST not in arrays:
      raise PortError(f'holds no Inception v3: {FIRST} is missing')
    width = arrays[FIRST].shape[0]
    tensors = _convert(arrays, width, size)
    origin = {'file': source.name, 'kind': 'pytorch', 'sha256': tensor_file.sha256(source)}
  header = {'format': tensor_file.FORMAT, 'family': 'inception', 'width': width}
  return tensors, header | {'source': origin}


def _convert(arrays: dict[str, np.ndarray], width: int, size: int) -> dict[str, np.ndarray]:
  shapes = shapes_of({'': abstract(Inception, width)})
  rules = {name: _rule(name) for name in shapes}
  counters = [name for name in arrays if name.endswith('num_batches_tracked')]
  return fit(rules, shapes, arrays, counters, size)


def _rule(name: str) -> Rule:
  unit, layer, part = name.rsplit('.', 2)
  theirs, transform = _PARTS[f'{layer}.{part}']
  return Rule(f'{unit.removeprefix("stem.")}.{theirs}', transform)


if __name__ == '__main__':
  command.run(
    'ports.inception', port, lambda header: 'Inception v3', 'pt_inception-2015-12-05-….pth.'
  )
