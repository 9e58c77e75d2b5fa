"""Batches of images, and how they are split over the local devices (by `shard_map`).

`runtime.mapping` maps over the images of one device. Images never influence each other.
"""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from ganjax.runtime import devices, platforms

Batch = TypeVar('Batch')  # a pytree, [N] leading every leaf


def mesh(count: int) -> jax.sharding.Mesh:
  """Local devices in a row, no more than `count` images need to be ready as soon as with all."""
  there = platforms.local_devices()
  each_takes = -(-count // len(there))
  return devices.data_mesh('images', there[: -(-count // each_takes)])


def round_up(count: int) -> int:
  """The images of a batch of `count` or a few more, with which all its devices have as many."""
  return count + -count % mesh(count).size


def spread(count: int) -> jax.sharding.NamedSharding:
  """How a batch's images lie on the devices."""
  return jax.sharding.NamedSharding(mesh(count), PartitionSpec('images'))


def shard_images(function, prior, *batched):
  """Applies a function of (prior, batch) to slices of a whole batch, one per device."""
  spec = PartitionSpec('images')
  specs = (PartitionSpec(), *[spec] * len(batched))
  row = mesh(count_of(batched))
  return jax.shard_map(function, mesh=row, in_specs=specs, out_specs=spec, check_vma=False)(
    prior, *batched
  )


def pad(batch: Batch) -> Batch:
  """A whole batch, for which the last element is repeated."""
  padding = round_up(count_of(batch)) - count_of(batch)
  if not padding:
    return batch
  return jax.tree.map(lambda x: jnp.concatenate([x, jnp.repeat(x[-1:], padding, axis=0)]), batch)


def count_of(batch: Any) -> int:
  """How many images a batch has."""
  return jax.tree.leaves(batch)[0].shape[0]
