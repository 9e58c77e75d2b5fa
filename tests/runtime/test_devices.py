"""How many devices share a batch."""

import os
import subprocess
import sys

import jax
import pytest

from ganjax.runtime import devices, sharding


@pytest.mark.parametrize(('parts', 'taken'), [(1, 1), (4, 4), (5, 1), (6, 3), (12, 4)])
def test_as_many_cores_as_divide_the_parts(parts, taken):
  assert devices.devices_for(parts) == jax.devices()[:taken]


def test_accelerators_are_all_taken(monkeypatch):
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  assert devices.devices_for(5) == jax.devices()


def test_of_several_hosts_each_gives_as_many_cores(monkeypatch):
  class Core:
    def __init__(self, host):
      self.process_index = host

  cores = [Core(host) for host in (0, 0, 0, 1, 1)]
  monkeypatch.setattr(jax, 'devices', lambda: cores)
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  assert devices.devices_for(4) == [cores[0], cores[1], cores[3], cores[4]]
  assert devices.devices_for(6) == [cores[0], cores[3]]


@pytest.mark.parametrize(
  ('count', 'taken', 'whole'), [(1, 1, 1), (3, 3, 3), (4, 4, 4), (5, 3, 6), (7, 4, 8), (9, 3, 9)]
)
def test_images_are_ready_as_soon_as_with_all_devices(count, taken, whole):
  assert sharding.mesh(count).size == taken
  assert sharding.round_up(count) == whole
  assert sharding.mesh(whole).size == taken
  assert whole // taken == -(-count // jax.local_device_count())


def seen(**environment):
  """How many devices a process counts that asks for one per core."""
  code = (
    'import jax; from ganjax.runtime import devices; devices.one_per_core(); '
    'print(jax.device_count())'
  )
  kept = {k: v for k, v in os.environ.items() if k not in ('XLA_FLAGS', 'JAX_NUM_CPU_DEVICES')}
  done = subprocess.run(
    [sys.executable, '-c', code], env=kept | environment, capture_output=True, text=True, check=True
  )
  return int(done.stdout)


def test_every_core_is_a_device_unless_the_user_says_otherwise():
  assert seen(JAX_PLATFORMS='cpu') == len(os.sched_getaffinity(0))
  assert seen(JAX_PLATFORMS='cpu', JAX_NUM_CPU_DEVICES='3') == 3
  assert seen(JAX_PLATFORMS='cpu', XLA_FLAGS=f'--{devices.FAKED}=5') == 5


@pytest.mark.parametrize(
  ('version', 'given', 'expected'),
  [
    ((0, 10, 2), '', '--xla_cpu_use_fusion_emitters=false'),
    ((0, 10, 2), '--xla_a=1', '--xla_a=1 --xla_cpu_use_fusion_emitters=false'),
    ((0, 10, 2), '--xla_cpu_use_fusion_emitters=true', '--xla_cpu_use_fusion_emitters=true'),
    ((0, 12, 0), '--xla_a=1', '--xla_a=1'),  # which would not know the flag, and not start
  ],
)
def test_plain_fusions_where_jax_has_the_choice(monkeypatch, version, given, expected):
  monkeypatch.setattr(jax, '__version_info__', version)
  monkeypatch.setenv('XLA_FLAGS', given)
  devices.disable_cpu_fusion_emitters()
  assert os.environ['XLA_FLAGS'] == expected


@pytest.mark.parametrize(('version', 'is_used'), [((0, 10, 2), True), ((0, 11, 2), False)])
def test_the_partitioner_that_crashes_is_not_used(monkeypatch, version, is_used):
  before = jax.config.jax_use_shardy_partitioner
  monkeypatch.setattr(jax, '__version_info__', version)
  try:
    devices.disable_shardy()
    assert jax.config.jax_use_shardy_partitioner == is_used
  finally:
    jax.config.update('jax_use_shardy_partitioner', before)
