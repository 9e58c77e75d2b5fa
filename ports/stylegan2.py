"""Ports a StyleGAN2: python -m ports.stylegan2 --source=ffhq.pkl --target=ffhq.safetensors

Reads StyleGAN2-ADA (PyTorch) pickles (G_ema and D), TensorFlow pickles of StyleGAN2 and
StyleGAN2-ADA (Gs and D) and rosinality's checkpoints (g_ema and d); finds out which by itself and
runs nothing that a file holds.
"""

import pathlib
from typing import Any

import numpy as np
from absl import flags

from ganjax.faces.template import FFHQ, TIGHT
from ganjax.weights import tensor_file
from ports import ada, command, rosinality, tensorflow, torch_file
from ports.table import PortError, naming, read_file
from ports.unpickle import Budget, load

TEMPLATES = {'ffhq': FFHQ, 'tight': TIGHT}


def port(source: pathlib.Path, template: str = 'ffhq') -> tuple[dict[str, np.ndarray], dict]:
  """Reads a StyleGAN2 weight file of any known format.

  Args:
    source: the file.
    template: the crop of its training pictures, a key of `TEMPLATES`.

  Returns:
    (tensors, header): float32 arrays by our names, and the header that describes them.

  Raises:
    PortError: the file cannot be ported; the message begins with its path.
  """
  source = pathlib.Path(source)
  with naming(source):
    data = read_file(source)
    kind, tensors, specs, notes = _port(data)
    origin: dict[str, Any] = {'file': source.name, 'kind': kind}
    origin['sha256'] = tensor_file.sha256(source)
    if notes:
      origin['notes'] = notes
  header = {'format': tensor_file.FORMAT, 'family': 'stylegan2', **specs}
  return tensors, header | {'template': TEMPLATES[template]._asdict(), 'source': origin}


def _port(data: bytes) -> tuple[str, dict[str, np.ndarray], dict, list[str]]:
  """(kind, tensors, specs, what the user should know)."""
  if torch_file.is_torch(data):
    value, size = torch_file.read(data)
    if rosinality.is_rosinality(value):
      return 'rosinality', *rosinality.port(value, size)
    raise PortError("a torch file without rosinality's 'g_ema': not a StyleGAN2 that is known")
  budget = Budget()
  try:
    value, _ = load(data, ada.constructors(budget) | tensorflow.CONSTRUCTORS, budget=budget)
  except PortError:
    if b'stylegan3' in data:
      raise PortError(ada.STYLEGAN3) from None
    raise
  if ada.is_ada(value):
    return 'ada-pytorch', *ada.port(value, len(data)), []
  if tensorflow.is_tensorflow(value):
    return 'tensorflow', *tensorflow.port(value, len(data)), []
  raise PortError('a pickle, but neither {G, D, G_ema} nor (G, D, Gs): not a StyleGAN2')


def _describe(header: dict) -> str:
  generator, discriminator = header['generator'], header['discriminator']
  critic = f'{discriminator["architecture"]} discriminator' if discriminator else 'no discriminator'
  return (
    f'{header["source"]["kind"]}, {generator["architecture"]} generator, {critic}, '
    f'{generator["resolution"]} px'
  )


if __name__ == '__main__':
  flags.DEFINE_enum(
    'template', 'ffhq', list(TEMPLATES), 'The crop of the pictures that the network learned from.'
  )
  command.run(
    'ports.stylegan2',
    lambda source: port(source, flags.FLAGS.template),
    _describe,
    'The weight file to port.',
  )
