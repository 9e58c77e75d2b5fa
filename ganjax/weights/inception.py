"""Weights files of FID's Inception."""

import os

from ganjax.models.inception import Inception
from ganjax.models.initialisation import abstract
from ganjax.weights import tensor_file
from ganjax.weights.parameters import assign


def load_inception(path: str | os.PathLike) -> Inception:
  """Loads FID's Inception, as made by `python -m ports.inception`.

  Raises:
    WeightsError: as `networks.load`.
  """
  tensors, header = tensor_file.read_family(path, 'inception')
  with tensor_file.reading_header(path):
    inception = abstract(Inception, header['width'])
  assign({'': inception}, tensors, path)
  return inception
