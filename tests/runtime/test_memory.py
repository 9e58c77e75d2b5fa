"""The batch that fits, and blocks that are computed again instead of stored."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion, weights
from ganjax.runtime import memory
from ganjax.tasks import main


@pytest.fixture(scope='module')
def problem(prior):
  photo = np.zeros((16, 16, 3), np.float32)
  hyper = inversion.PROJECTOR.hyper._replace(num_steps=2)
  return inversion.make_problem(prior, photo, ganjax.parse_degradation('identity()'), 'x', 0, hyper)


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


PHASES = dataclasses.replace(
  inversion.PROJECTOR,
  phases=(inversion.Phase('w_plus', 0.4), inversion.Phase('w_plus_plus', 0.6, rate=0.5)),
)


@pytest.mark.slow
def test_the_batches_of_earlier_phases_lie_beside_the_last_one(prior, problem):
  alone = dataclasses.replace(PHASES, phases=PHASES.phases[1:])
  one, both = (memory.needed(prior, preset, problem, 8, 2) for preset in (alone, PHASES))
  side = 2 * 4 * (3 + 1) * 16 * 16  # bytes of two pictures and their masks, per device
  assert side < both - one < 4 * side


def test_a_step_costs_what_its_phases_share(monkeypatch):
  """By a clock that only `advance` moves: 1 and 3 seconds a step, 10 more for compiling."""
  now, compiled = [0.0], set()

  def advance(prior, preset, phase, num_steps, problems, states):
    assert states == phase
    now[0] += num_steps * (1, 3)[phase] + 10 * (phase not in compiled)
    compiled.add(phase)
    return states, np.zeros(1)

  monkeypatch.setattr(memory.time, 'monotonic', lambda: now[0])
  monkeypatch.setattr(memory.parallel, 'stack', lambda problems: problems)
  monkeypatch.setattr(memory.batch, 'start', lambda prior, preset, problems, phase: phase)
  monkeypatch.setattr(memory.batch, 'advance', advance)
  step, compiling = memory.step_seconds(None, PHASES, None, 4, 5)
  assert step == pytest.approx(0.4 * 1 + 0.6 * 3)
  assert compiling == pytest.approx(20)


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
