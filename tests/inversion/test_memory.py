"""The batch that fits, and blocks that are computed again instead of stored."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion, weights
from ganjax.inversion import memory


@pytest.fixture(scope='module')
def problem(prior):
  photo = np.zeros((8, 8, 3), np.float32)
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
  small, large = (
    memory.needed(prior, inversion.stages_of(inversion.PROJECTOR), problem, n, 2) for n in (4, 64)
  )
  state = 2 * 4 * (8 + 4 * 4 + 2 * 8 * 8)  # bytes of latent, maps and Adam's means
  assert large - small >= 15 * state
  assert memory.device_memory() > large


PHASES = dataclasses.replace(
  inversion.PROJECTOR,
  phases=(inversion.Phase('w_plus', 0.4), inversion.Phase('w_plus_plus', 0.6, rate=0.5)),
)


@pytest.mark.slow
def test_the_batches_of_earlier_phases_lie_beside_the_last_one(prior, problem):
  alone = dataclasses.replace(PHASES, phases=PHASES.phases[1:])
  one, both = (
    memory.needed(prior, inversion.stages_of(preset), problem, 8, 2) for preset in (alone, PHASES)
  )
  side = 2 * 4 * (3 + 1) * 8**2  # bytes of two pictures and their masks, per device
  assert side < both - one < 4 * side


class Stage(NamedTuple):
  """A stage whose steps take so many seconds."""

  number: int
  steps: int
  seconds: float

  images_per_device = None


def test_a_step_costs_the_mean_over_all_stages(monkeypatch):
  """By a clock that only `advance` moves: 1 and 3 seconds a step, 10 more for compiling."""
  now, compiled = [0.0], set()

  def advance(prior, stage, num_steps, problems, active, states):
    assert states == stage.number
    now[0] += num_steps * stage.seconds + 10 * (stage not in compiled)
    compiled.add(stage)
    return states, None, None

  monkeypatch.setattr(memory.time, 'monotonic', lambda: now[0])
  monkeypatch.setattr(memory, 'stack', lambda problems: np.zeros(len(problems)))
  monkeypatch.setattr(memory.batch, 'start', lambda prior, stage, problems, before: stage.number)
  monkeypatch.setattr(memory.batch, 'steps_left', lambda stage, problems, states: [stage.steps])
  monkeypatch.setattr(memory.batch, 'advance', advance)
  stages = (Stage(0, 40, 1.0), Stage(1, 60, 3.0))
  step, compiling = memory.step_seconds(None, stages, None, 4, 5)
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
