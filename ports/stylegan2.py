"""Ports a StyleGAN2 weight file: python -m ports.stylegan2 --source=ffhq.pkl --target=ffhq.safetensors

Reads StyleGAN2-ADA (PyTorch) pickles, and takes G_ema and D.
Finds out the format itself and runs nothing that the file holds.
"""

import pathlib
import sys

import numpy as np
from absl import app, flags

from ganjax.weights import store
from ports import ada
from ports.table import PortError, naming

_MAX_FILE = 1 << 33
# Where the crop puts the face; see ganjax.faces. FFHQ's, and the bundled default's closer one.
TEMPLATES = {
  'ffhq': {'eye_scale': 2.0, 'mouth_scale': 1.8, 'centre_shift': 0.1},
  'tight': {'eye_scale': 1.2075, 'mouth_scale': 1.2308, 'centre_shift': 0.5385},
}

_SOURCE = flags.DEFINE_string('source', None, 'The weight file to port.', required=True)
_TARGET = flags.DEFINE_string('target', None, 'The .safetensors file to write.', required=True)
_TEMPLATE = flags.DEFINE_enum(
  'template', 'ffhq', list(TEMPLATES), 'The crop of the pictures that the network learned from.'
)


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
    kind, tensors, specs = _port(data)
    origin = {'file': source.name, 'kind': kind, 'sha256': store.sha256(source)}
  header = {'format': store.FORMAT, 'family': 'stylegan2', **specs}
  return tensors, header | {'template': TEMPLATES[template], 'source': origin}


def _port(data: bytes) -> tuple[str, dict[str, np.ndarray], dict]:
  value = ada.read(data)
  if ada.is_ada(value):
    return 'ada-pytorch', *ada.port(value, len(data))
  raise PortError('holds no StyleGAN2')


def read_file(path: pathlib.Path) -> bytes:
  """The bytes of a regular file of at most 8 GiB; PortError otherwise."""
  if not path.is_file():
    raise PortError('no such file')
  if path.stat().st_size > _MAX_FILE:
    raise PortError('larger than 8 GiB: not a StyleGAN2 or VGG16')
  return path.read_bytes()


def _describe(tensors: dict[str, np.ndarray], header: dict) -> str:
  generator, discriminator = header['generator'], header['discriminator']
  critic = f'{discriminator["architecture"]} discriminator' if discriminator else 'no discriminator'
  count = sum(array.size for array in tensors.values())
  return (
    f'{header["source"]["kind"]}, {generator["architecture"]} generator, {critic}, '
    f'{generator["resolution"]} px, {count} parameters'
  )


def main(argv: list[str]) -> int:
  if len(argv) > 1:
    raise app.UsageError(f'unknown arguments {argv[1:]}')
  try:
    tensors, header = port(pathlib.Path(_SOURCE.value), _TEMPLATE.value)
    with naming(_TARGET.value):
      store.save(_TARGET.value, tensors, header)
  except PortError as error:
    print(f'ports.stylegan2: {error}', file=sys.stderr)
    return 1
  print(f'ported {_SOURCE.value} ({_describe(tensors, header)}) to {_TARGET.value}')
  return 0


if __name__ == '__main__':
  app.run(main)
