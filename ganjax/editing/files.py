"""Directions as files: npz with a documented layout, bound to their generator."""

import json
import os
import pathlib
import zipfile
from typing import Any, NamedTuple

import numpy as np

from ganjax.editing import sampling
from ganjax.editing.sampling import SPACES, Space
from ganjax.errors import GanjaxError
from ganjax.models.architecture import GeneratorConfig
from ganjax.weights import DEFAULT, tensor_file

BUNDLED = DEFAULT.parent / 'directions'


class EditingError(GanjaxError):
  """A direction, or what it is applied to, cannot be used; the message says what to do."""


class Direction(NamedTuple):
  """One direction, as saved; every field is an entry of the npz file.

  `normal · x + intercept` is the attribute's score, 0 on the border; for a direction of W, x is any
  row.
  """

  name: str
  space: Space
  normal: np.ndarray  # float32, unit length: [z_dim], [w_dim] or [num_ws, w_dim]
  intercept: float  # NaN where no border was fitted
  deviation: float  # of random latents along the normal: the unit of steps
  weights_sha256: str
  provenance: dict[str, Any]  # as JSON in the file: method, samples, labels, accuracy, …

  def arrays(self) -> dict[str, Any]:
    """What the file holds."""
    numbers = {'intercept': np.float32(self.intercept), 'deviation': np.float32(self.deviation)}
    text = json.dumps(self.provenance, sort_keys=True)
    return {**self._asdict(), **numbers, 'provenance': text}


def load_direction(
  path: str | os.PathLike, config: GeneratorConfig, weights_sha256: str
) -> Direction:
  """Reads a direction for a generator.

  Raises:
    EditingError: no such file, not a direction, of another generator, or not of unit length.
  """
  path = pathlib.Path(path)
  try:
    with open(path, 'rb') as raw, np.load(raw, allow_pickle=False) as file:
      entries = {name: file[name] for name in Direction._fields}
    direction = Direction(
      str(entries['name']),
      str(entries['space']),  # type: ignore[arg-type]  # checked below
      np.asarray(entries['normal'], np.float32),
      float(entries['intercept']),
      float(entries['deviation']),
      str(entries['weights_sha256']),
      json.loads(str(entries['provenance'])),
    )
  except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
    raise EditingError(
      f'{path}: no direction that can be read ({error}); make one with --task=direction'
    ) from None
  if direction.weights_sha256 != weights_sha256:
    raise EditingError(
      f'{path}: a direction of another generator (sha256 {direction.weights_sha256[:12]}…, these '
      f'weights have {weights_sha256[:12]}…); name its --weights, or make it anew'
    )
  if (
    direction.space not in SPACES
    or direction.normal.shape != sampling.shape(direction.space, config)
    or not abs(np.linalg.norm(direction.normal) - 1) < 1e-3
    or not 0 < direction.deviation < np.inf
  ):
    raise EditingError(f'{path}: broken: not a unit vector of one of {", ".join(SPACES)}')
  return direction


def bundled_directions(config: GeneratorConfig, weights_sha256: str) -> list[Direction]:
  """The directions in W that come with the bundled generator; [] for any other."""
  if weights_sha256 != tensor_file.sha256(DEFAULT):
    return []
  return [load_direction(path, config, weights_sha256) for path in sorted(BUNDLED.glob('*.npz'))]
