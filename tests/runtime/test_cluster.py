"""Launchers that start several processes are noticed; single ones are not."""

import pytest

from ganjax.runtime import cluster


@pytest.mark.parametrize(
  ('environment', 'expected'),
  [
    ({}, False),
    ({'SLURM_JOB_ID': '1', 'SLURM_NTASKS': '4', 'SLURM_PROCID': '0'}, False),  # no srun
    ({'SLURM_STEP_NUM_TASKS': '4'}, True),
    ({'SLURM_STEP_NUM_TASKS': '1'}, False),
    ({'OMPI_COMM_WORLD_SIZE': '2'}, True),
    ({'TPU_WORKER_HOSTNAMES': 'a,b'}, True),
    ({'TPU_WORKER_HOSTNAMES': 'localhost'}, False),
  ],
)
def test_clusters(environment, expected):
  assert cluster.is_cluster(environment) == expected
