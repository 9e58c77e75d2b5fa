"""All devices of all hosts as one row, and how arrays lie on them.

On a CPU each core can be a device. A core with pictures of its own has much more done than cores
that share the operations on one picture, each of which takes microseconds.
"""

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

FAKED = 'xla_force_host_platform_device_count'
FUSION_EMITTERS = 'xla_cpu_use_fusion_emitters'


def one_per_core() -> None:
  """Makes every core of a CPU a device, unless the user has said how many there are.

  To be called before JAX looks for devices. Accelerators are not affected.
  """
  if FAKED not in os.environ.get('XLA_FLAGS', '') and 'JAX_NUM_CPU_DEVICES' not in os.environ:
    jax.config.update('jax_num_cpu_devices', _cores())


def disable_cpu_fusion_emitters() -> None:
  """Has JAX 0.10 compile fusions for CPUs as earlier versions did, unless the user has said.

  Its new emitters compile an inversion in 14 s instead of 8, a step of deblurring then takes a
  fifth longer, and one of training a quarter (128 and 64 px, two cores of an AMD EPYC). Later
  versions have no such choice, and would not start. To be called before JAX looks for devices.
  Accelerators are not affected.
  """
  flags = os.environ.get('XLA_FLAGS', '')
  if jax.__version_info__[:2] == (0, 10) and FUSION_EMITTERS not in flags:
    os.environ['XLA_FLAGS'] = f'{flags} --{FUSION_EMITTERS}=false'.strip()


def disable_shardy() -> None:
  """Has JAX 0.11 partition programs as earlier versions did.

  Its new partitioner, Shardy, crashes on the step of an encoder's training (0.11.2, a segmentation
  fault in the pass `shardy-xla`); 0.10's and 0.12's do not.
  """
  if jax.__version_info__[:2] == (0, 11):
    jax.config.update('jax_use_shardy_partitioner', False)


def _cores() -> int:
  """Those that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def devices_for(count: int) -> list[jax.Device]:
  """The devices of all hosts among which `count` parts are divided.

  All of them, whether they divide `count` or not; but of CPUs, whose cores help one another, as
  many as divide it.
  """
  everywhere, hosts = jax.devices(), range(jax.process_count())
  if jax.default_backend() != 'cpu':
    return everywhere
  of_host = [[d for d in everywhere if d.process_index == host] for host in hosts]
  most = min(len(row) for row in of_host)
  each = next((n for n in range(most, 0, -1) if count % (n * len(of_host)) == 0), most)
  return [d for row in of_host for d in row[:each]]


def data_mesh(axis: str, devices: list) -> Mesh:
  """A row of devices, along which batches are split."""
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
