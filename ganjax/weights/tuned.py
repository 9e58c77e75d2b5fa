"""Generators tuned to one picture: kept as the difference to the shared weights, in float16."""

import dataclasses
import os
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ganjax.models.generator import Synthesis
from ganjax.weights import tensor_file
from ganjax.weights.networks import Networks

FAMILY = 'stylegan2-tuned'

Difference = dict[str, np.ndarray]  # 'b8.conv0.weight' -> float16, as the parameter


def split(synthesis: Synthesis) -> tuple[nnx.GraphDef, nnx.State, nnx.State]:
  """(structure, what tuning changes, the rest): all parameters but the stored noise maps."""
  graph, params, *rest = nnx.split(synthesis, _is_tuned, ...)
  return graph, params, rest[0]


def _is_tuned(path, value) -> bool:
  return isinstance(value, nnx.Param) and path[-1] != 'noise_const'


def difference(new: nnx.State, old: nnx.State) -> Difference:
  """What tuning has changed, from two states of `split`."""
  pairs = zip(nnx.to_flat_state(new), nnx.to_flat_state(old), strict=True)
  return {
    '.'.join(map(str, path)): np.asarray(a[...] - b[...], np.float16) for (path, a), (_, b) in pairs
  }


def apply(synthesis: Synthesis, changes: Difference) -> Synthesis:
  """A copy of the synthesis network with a difference added.

  Raises:
    WeightsError: the difference belongs to another network; names what does not fit.
  """
  graph, params, rest = split(synthesis)
  named = [('.'.join(map(str, path)), path, value) for path, value in nnx.to_flat_state(params)]
  shapes = {name: tuple(value.shape) for name, _, value in named}
  given = {name: tuple(value.shape) for name, value in changes.items()}
  if wrong := sorted(set(shapes.items()) ^ set(given.items())):
    raise tensor_file.WeightsError(f'the difference belongs to another network: see {wrong[0][0]}')
  flat = [
    (path, value.replace(value[...] + jnp.asarray(changes[name], jnp.float32)))
    for name, path, value in named
  ]
  return nnx.merge(graph, nnx.from_flat_state(flat), rest)


def header(sha256: str) -> dict[str, Any]:
  """The header of a difference to the weights of the given sha256."""
  return {'family': FAMILY, 'base_sha256': sha256}


def load_tuned(path: str | os.PathLike, networks: Networks) -> Networks:
  """Networks whose generator is tuned to one picture, as a run with --preset=pivotal left it.

  Args:
    path: one of the run's tuned/NAME.safetensors.
    networks: those that the run used.

  Raises:
    WeightsError: the file is missing or broken, or belongs to other weights.
  """
  path = pathlib.Path(path)
  changes, found = tensor_file.read_family(path, FAMILY)
  if found.get('base_sha256') != networks.sha256:
    raise tensor_file.WeightsError(f'{path}: belongs to other weights than those that are loaded')
  generator = nnx.merge(*nnx.split(networks.generator))
  generator.synthesis = apply(networks.generator.synthesis, changes)
  return dataclasses.replace(networks, generator=generator)
