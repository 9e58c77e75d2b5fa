"""Weights files of image-to-image generators."""

import os
import pathlib
from typing import Any, NamedTuple

from ganjax.models.initialisation import abstract
from ganjax.models.unet import UNet, unet_config
from ganjax.weights import tensor_file
from ganjax.weights.parameters import assign, compute_type, tensors_of

FAMILY = 'pix2pix'
DEFAULT = pathlib.Path(__file__).parent / 'pix2pix-faces128.safetensors'


class Translator(NamedTuple):
  """A generator, and what it was made for."""

  unet: UNet
  side: int  # of the pictures that it was trained on, px
  degradation: str  # spec of what it undoes; '' where it learnt from pairs
  sha256: str


def load(path: str | os.PathLike | None = None, precision: str = 'float32') -> Translator:
  """Loads a generator.

  Args:
    path: a file that `--task=pix2pix_train` or `python -m ports.pix2pix` made; None for the bundled
      one, which fills holes in aligned faces of 128 px.
    precision: 'float32', or 'bfloat16' for the convolutions alone.

  Raises:
    WeightsError: the file is missing, broken, of another family, or its tensors are not exactly
      those of the architecture in its header.
  """
  path = DEFAULT if path is None else path
  tensors, header = tensor_file.read_family(path, FAMILY)
  dtype = compute_type(precision)
  with tensor_file.reading_header(path):
    unet = abstract(UNet, unet_config(header['generator']), dtype)
    side, degradation = int(header['side']), str(header['degradation'])
    if side < 1 or side % unet.config.multiple:
      raise ValueError(f'side {side} is no multiple of {unet.config.multiple}')
  assign({'generator': unet}, tensors, path)
  return Translator(unet, side, degradation, tensor_file.sha256(path))


def to_bytes(unet: UNet, side: int, degradation: str, more: dict[str, Any]) -> bytes:
  """The file of a generator.

  Args:
    side: of the pictures that it was trained on, px.
    degradation: spec of what it undoes; '' where it learnt from pairs.
    more: whatever else the header shall say.
  """
  header = {
    'family': FAMILY,
    'generator': unet.config.record(),
    'side': side,
    'degradation': degradation,
  }
  return tensor_file.to_bytes(tensors_of({'generator': unet}), header | more)
