"""Weights files of VGG16 with LPIPS heads."""

import os

from ganjax.models.initialisation import abstract
from ganjax.models.vgg16 import LPIPS
from ganjax.weights import tensor_file
from ganjax.weights.parameters import assign, compute_type


def load_lpips(path: str | os.PathLike, precision: str = 'float32') -> LPIPS:
  """Loads VGG16 with LPIPS heads, as made by `python -m ports.vgg16`.

  Raises:
    WeightsError: as `networks.load`; also when the file holds no heads.
  """
  tensors, header = tensor_file.read_family(path, 'vgg16')
  if not header.get('lpips'):
    raise tensor_file.WeightsError(f'{path}: holds no LPIPS heads; port it again with --lpips')
  dtype = compute_type(precision)
  with tensor_file.reading_header(path):
    lpips = abstract(LPIPS, tuple(header['widths']), dtype)
  assign({'': lpips}, tensors, path)
  return lpips
