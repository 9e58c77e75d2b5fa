"""Weights files of encoders, each of which belongs to one generator."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from ganjax.models.encoder import Encoder, EncoderConfig
from ganjax.models.initialisation import abstract
from ganjax.weights import tensor_file
from ganjax.weights.networks import Networks
from ganjax.weights.parameters import assign, tensors_of

BUNDLED = pathlib.Path(__file__).parent / 'stylegan2-faces128-encoder.safetensors'
_FAMILY = 'encoder'


def has_encoder(networks: Networks) -> bool:
  """Whether an encoder for the networks comes with ganjax."""
  return BUNDLED.exists() and _generator_of(BUNDLED) == networks.sha256


def load_encoder(networks: Networks, path: str | os.PathLike | None = None) -> Encoder:
  """Loads the encoder of a generator.

  Args:
    networks: of the generator.
    path: a file made by `--task=train_encoder`; None for the bundled one.

  Raises:
    WeightsError: the file is missing, broken, no encoder, or one of another generator.
  """
  path = BUNDLED if path is None else path
  tensors, header = tensor_file.read_family(path, _FAMILY)
  if header.get('generator_sha256') != networks.sha256:
    raise tensor_file.WeightsError(
      f'{path}: is the encoder of other weights than those that are loaded; train one with '
      '--task=train_encoder and these --weights'
    )
  with tensor_file.reading_header(path):
    entry = dict(header['encoder'])
    lists = {name: tuple(entry[name]) for name in ('told', 'widths')}
    encoder = abstract(Encoder, EncoderConfig(**{**entry, **lists}))
  assign({'': encoder}, tensors, path)
  return encoder


def _generator_of(path: pathlib.Path) -> str | None:
  return tensor_file.read_header(path).get('generator_sha256')


def to_bytes(encoder: Encoder, generator_sha256: str, card: dict[str, Any]) -> bytes:
  """An encoder's file; its weights as float16, which is exact enough and half the size.

  Args:
    generator_sha256: of the generator's file.
    card: what people should know: data, settings, terms.
  """
  named = tensors_of({'': encoder}).items()
  header = {
    'family': _FAMILY,
    'encoder': dataclasses.asdict(encoder.config),
    'generator_sha256': generator_sha256,
    'card': card,
  }
  return tensor_file.to_bytes({name: value.astype(np.float16) for name, value in named}, header)
