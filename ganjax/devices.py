"""All devices of all hosts as one row, and how arrays lie on them."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def data_mesh(axis: str, devices: list | None = None) -> Mesh:
  """A row of devices, along which batches are split; by default all devices of all hosts."""
  devices = jax.devices() if devices is None else devices
  # Explicit axes would break the convolutions under vmap.
  return jax.make_mesh(
    (len(devices),), (axis,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices
  )


def replicate(mesh: Mesh, tree: Any) -> Any:
  """The same arrays on every device; every process gives the same values."""
  return _put(mesh, tree, PartitionSpec())


def split(mesh: Mesh, tree: Any, spec: PartitionSpec) -> Any:
  """Global arrays of which every process gives its own devices' part."""
  return _put(mesh, tree, spec)


def _put(mesh: Mesh, tree: Any, spec: PartitionSpec) -> Any:
  sharding = NamedSharding(mesh, spec)
  if jax.process_count() == 1:
    return jax.device_put(tree, sharding)
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), tree
  )


def mean(tree: Any, axes: tuple[str, ...]) -> Any:
  """The mean over mapped axes, leaving out those of length 1: XLA:CPU would copy every array."""
  axes = tuple(axis for axis in axes if jax.lax.axis_size(axis) > 1)
  return jax.lax.pmean(tree, axes) if axes else tree
