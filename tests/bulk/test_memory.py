"""The batch that fits, and blocks that are computed again instead of stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion, weights
from ganjax.bulk import memory
from ganjax.tasks import main


@pytest.fixture(scope='module')
def problem(prior):
  photo = np.zeros((16, 16, 3), np.float32)
  hyper = inversion.PROJECTOR.hyper._replace(num_steps=2)
  return inversion.problem(prior, photo, ganjax.parse_degradation('identity()'), 'x', 0, hyper)


def fit(monkeypatch, there, backend='tpu', devices=2):
  """What is chosen on devices where a picture takes 10 bytes, beside 100 for the networks."""
  monkeypatch.setattr(jax, 'local_devices', lambda: [None] * devices)
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  monkeypatch.setattr(memory, 'device_memory', lambda: there)
  monkeypatch.setattr(memory, 'needed', lambda prior, preset, x, n, steps: 100 + 10 * n // devices)
  return memory.largest_batch(None, None, None, 10)


def test_the_largest_batch_that_fits_is_taken(monkeypatch):
  assert fit(monkeypatch, 1000) == (160, 900, 900)
  assert fit(monkeypatch, 10**9).batch_size == 2 * memory.MOST_ELSEWHERE
  assert fit(monkeypatch, 10**9, 'cpu').batch_size == 2 * memory.MOST['cpu']
  assert fit(monkeypatch, 125) == (2, 110, 112)


def test_too_little_memory_names_the_remedies(monkeypatch):
  with pytest.raises(memory.DeviceMemoryError, match='--remat'):
    fit(monkeypatch, 100)


@pytest.mark.slow
def test_the_compiler_is_asked(prior, problem):
  small, large = (memory.needed(prior, inversion.PROJECTOR, problem, n, 2) for n in (4, 64))
  state = 2 * 4 * (8 + 4 * 4 + 2 * 8 * 8 + 2 * 16 * 16)  # bytes of latent, maps and Adam's means
  assert large - small >= 15 * state
  assert memory.device_memory() > large


def test_blocks_computed_again_give_the_same(weights_file):
  def gradient(remat):
    generator = weights.load(weights_file, remat=remat).generator
    ws = generator.mapping(jnp.ones(8))

    def loss(ws, generator):
      return jnp.sum(jnp.square(generator.synthesis(ws)))

    made = jax.make_jaxpr(jax.grad(loss))(ws, generator)
    return jax.jit(jax.grad(loss))(ws, generator), str(made).count('remat')

  (stored, none), (again, some) = gradient(False), gradient(True)
  np.testing.assert_allclose(again, stored, rtol=1e-4, atol=1e-4)
  assert none == 0
  assert some >= 3


@pytest.mark.slow
def test_a_dry_run_tells_and_writes_nothing(configure, tmp_path, capsys):
  main.run(configure('--dry_run', '--batch_size=auto', '--shard_index=1', '--shard_count=2'))
  said = capsys.readouterr().out
  for part in (
    'plan: 13 pictures in 3 blocks of 5; 0 blocks are done',
    'shard 1 of 2: 1 blocks to do, 5 pictures, 4 steps each',
    'memory: a batch of 16 needs',
    'ms per step of the batch',
    'expected: ',
  ):
    assert part in said
  assert not (tmp_path / 'out').exists()
