"""Which share of a data set is this process's, in a job of several processes."""

import dataclasses
import os
from collections.abc import Mapping

import jax


@dataclasses.dataclass(frozen=True)
class Shard:
  """Which share of the blocks a process takes."""

  index: int = 0
  count: int = 1

  def __str__(self) -> str:
    return f'{self.index:05d}-of-{self.count:05d}'


def is_cluster(environment: Mapping[str, str] = os.environ) -> bool:
  """Whether a launcher that JAX knows has started several processes: SLURM, MPI, a TPU pod."""
  for variable in ('SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE'):
    if environment.get(variable, '1') not in ('', '1'):
      return True
  return ',' in environment.get('TPU_WORKER_HOSTNAMES', '')


def join(
  coordinator_address: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> Shard:
  """Learns from `jax.distributed` who this process is; then lets go of the others.

  An inversion needs nothing from other processes. As long as they are connected, the death of one
  makes JAX's runtime end them all; so they part once each knows its number, and from then on a
  dead process costs its own blocks only.

  Args:
    coordinator_address: host:port of process 0; None where JAX can find out itself.
    num_processes: likewise.
    process_id: likewise.

  Raises:
    RuntimeError, ValueError: the processes did not find one another.
  """
  jax.distributed.initialize(coordinator_address, num_processes, process_id)
  shard = Shard(jax.process_index(), jax.process_count())
  jax.distributed.shutdown()
  return shard
