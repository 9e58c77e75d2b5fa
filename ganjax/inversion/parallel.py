"""Many images at once: mapped over the batch and the devices here, and nowhere else.

On accelerators images are mapped by `vmap`, on a CPU one after another (batching gains nothing
there), and over the local devices by `shard_map`. Images never influence each other.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from ganjax import degradations, devices

Problem = TypeVar('Problem')  # a named tuple, one of whose fields is `degradation`


def each(function, *batched):
  """Applies a function of one image to a batch, on one device."""
  if jax.default_backend() == 'cpu':
    return jax.lax.map(lambda args: function(*args), batched)
  return jax.vmap(function)(*batched)


def mesh() -> jax.sharding.Mesh:
  """The local devices in a row."""
  return devices.data_mesh('images', jax.local_devices())


def over_devices(function, prior, *batched):
  """Applies a function of (prior, batch) to slices of the batch, one per local device."""
  spec = PartitionSpec('images')
  specs = (PartitionSpec(), *[spec] * len(batched))
  return jax.shard_map(function, mesh=mesh(), in_specs=specs, out_specs=spec, check_vma=False)(
    prior, *batched
  )


def stack(problems: list[Problem]) -> Problem:
  """A batch from single problems of equal size whose degradations have the same operators."""
  found: Sequence[Any] = problems

  def column(field):
    values = [getattr(problem, field) for problem in found]
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *values)

  columns = {field: column(field) for field in found[0]._fields if field != 'degradation'}
  operators = degradations.stack([problem.degradation for problem in found])
  return found[0]._replace(**columns, degradation=operators)


def filled(problems: Problem) -> Problem:
  """A batch whose last element is repeated until the local devices have equal shares."""
  padding = -jax.tree.leaves(problems)[0].shape[0] % len(jax.local_devices())
  if not padding:
    return problems
  return jax.tree.map(lambda x: jnp.concatenate([x, jnp.repeat(x[-1:], padding, axis=0)]), problems)
