"""Weights files of encoders, each of which belongs to one generator."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from ganjax.choices import INIT_AUTO, INIT_AVERAGE, INIT_ENCODER, INITS
from ganjax.models.encoder import Encoder, EncoderConfig
from ganjax.models.initialisation import abstract
from ganjax.weights import tensor_file
from ganjax.weights.parameters import assign, tensors_of

BUNDLED = pathlib.Path(__file__).parent / 'stylegan2-faces128-encoder.safetensors'
_FAMILY = 'encoder'


def find(generator_sha256: str, init: str | os.PathLike = INIT_AUTO) -> str | os.PathLike | None:
  """The file of the encoder that is meant; None for the average face.

  Args:
    generator_sha256: of the generator's file.
    init: one of INITS, or a file.

  Raises:
    WeightsError: the file is missing, no encoder, or one of another generator; or INIT_ENCODER is
      asked for, and none for this generator comes with ganjax.
  """
  if init not in INITS:
    _check(init, tensor_file.read_header(init), generator_sha256)
    return init
  there = init != INIT_AVERAGE and BUNDLED.exists()
  if there and tensor_file.read_header(BUNDLED).get('generator_sha256') == generator_sha256:
    return BUNDLED
  if init == INIT_ENCODER:
    raise tensor_file.WeightsError(
      'no encoder for these weights comes with ganjax: train one with --task=train_encoder and '
      'name its file (--init=encoder.safetensors), or begin at the average face (--init=average)'
    )
  return None


def load_encoder(path: str | os.PathLike, generator_sha256: str) -> Encoder:
  """Loads the encoder of a generator, as `--task=train_encoder` made it.

  Args:
    path: its file.
    generator_sha256: of the generator's file.

  Raises:
    WeightsError: the file is missing, broken, no encoder, or one of another generator.
  """
  tensors, header = tensor_file.read(path)
  _check(path, header, generator_sha256)
  with tensor_file.reading_header(path):
    entry = dict(header['encoder'])
    lists = {name: tuple(entry[name]) for name in ('told', 'widths')}
    encoder = abstract(Encoder, EncoderConfig(**{**entry, **lists}))
  assign({'': encoder}, tensors, path)
  return encoder


def _check(path: str | os.PathLike, header: dict, generator_sha256: str) -> None:
  tensor_file.check_family(path, header, _FAMILY)
  if header.get('generator_sha256') != generator_sha256:
    raise tensor_file.WeightsError(
      f'{path}: is the encoder of other weights than those that are loaded; train one with '
      '--task=train_encoder and these --weights'
    )


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
