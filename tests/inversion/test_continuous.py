"""Continuous batching changes when an image is worked on, and nothing else."""

import dataclasses

import jax
import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.inversion import batch, deep_prior
from ganjax.inversion.presets import Tuning
from ganjax.inversion.problem import stack
from ganjax.models.hourglass import plain_config

COUNT = 10
PRESET = inversion.Preset().within('w_plus', 'optimised')


@pytest.fixture(scope='module')
def photos():
  return np.random.RandomState(0).uniform(-1, 1, (COUNT, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def problems(prior, photos):
  """Images that are finished after different numbers of steps."""
  damage = ganjax.parse_degradation('blur(kernel_size=5, variance=1) | noise(sigma=0.1)')
  hypers = [
    PRESET.hyper._replace(num_steps=2 + 3 * (i % 4), pixel_weight=1.0) for i in range(COUNT)
  ]
  return [
    (i, inversion.make_problem(prior, photos[i], damage, str(i), 3, hypers[i]))
    for i in range(COUNT)
  ]


def fixed_batches(prior, preset, problems, chunk_steps):
  """What the images give in fixed batches of four."""
  results = {}
  for first in range(0, len(problems), 4):
    first = min(first, len(problems) - 4)
    four = stack([problem for _, problem in problems[first : first + 4]])
    result = batch.run(prior, inversion.stages_of(preset), four, None, chunk_steps)
    for i in range(4):
      results[first + i] = jax.tree.map(lambda x, i=i: np.asarray(x[i]), result)
  return results


@pytest.fixture(scope='module')
def expected(prior, problems):
  return fixed_batches(prior, PRESET, problems, 4)


def assert_equal(result, expected):
  steps = int(expected.num_steps)
  np.testing.assert_array_equal(result.num_steps, steps)
  np.testing.assert_array_equal(result.loss, expected.loss[:steps])
  for field in ('image', 'latent'):
    np.testing.assert_array_equal(getattr(result, field), getattr(expected, field), err_msg=field)
  for name, noise in expected.noise.items():
    np.testing.assert_array_equal(result.noise[name], noise)


@pytest.mark.parametrize('order', [1, -1])
def test_every_image_has_the_result_of_a_fixed_batch(prior, problems, expected, order):
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4)
  results = dict(slots.solve(problems[::order]))
  assert sorted(results) == list(range(COUNT))
  for i, result in results.items():
    assert_equal(result, expected[i])


def test_a_finished_image_frees_its_slot_for_the_next_one(prior, problems):
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4)
  taken = []

  def stream():
    for tag, problem in problems:
      taken.append(tag)
      yield tag, problem

  chunks = []
  done = [tag for tag, _ in slots.solve(stream(), lambda: chunks.append(len(taken)))]
  # They take one chunk, two, two, three; then again.
  assert done[:2] == [0, 4]
  # Fixed batches of four would take three chunks, three, and two.
  assert len(chunks) <= 6
  assert max(taken) == COUNT - 1


def test_what_was_interrupted_goes_on_where_it_stopped(prior, problems, expected):
  class StopError(Exception):
    pass

  chunks = []

  def stop():
    chunks.append(0)
    if len(chunks) == 2:
      raise StopError

  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4)
  done = {}

  def collect():
    for tag, result in slots.solve(problems, stop):
      done[tag] = result

  with pytest.raises(StopError):
    collect()
  paused = dict(slots.paused())
  assert set(paused) == {3}  # after two chunks: 0, 4, 1 and 2 are finished
  assert paused[3].state.step == 8
  left = [one for one in problems if one[0] not in done]
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4)
  for tag, result in slots.solve(left, resume=lambda tag, problem: paused.get(tag)):
    done[tag] = result
  for i in range(COUNT):
    assert_equal(done[i], expected[i])


def test_at_most_one_batch_is_taken_ahead(prior, problems):
  taken = []

  def stream():
    for tag, problem in problems:
      taken.append(tag)
      yield tag, problem

  first = next(
    inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4).solve(stream())
  )
  assert first[0] == 0
  assert len(taken) <= 8


PHASES = dataclasses.replace(
  PRESET,
  phases=(
    inversion.Phase('w', 0.2),
    inversion.Phase('w_plus', 0.2),
    inversion.Phase('w_plus_plus', 0.6, rate=0.5),
  ),
)


@pytest.fixture(scope='module')
def expected_of_phases(prior, problems):
  return fixed_batches(prior, PHASES, problems, 4)


def test_images_go_from_phase_to_phase_on_their_own(prior, problems, expected_of_phases):
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PHASES), 4, chunk_steps=4)
  chunks = []
  results = dict(slots.solve(problems, lambda: chunks.append(0)))
  assert sorted(results) == list(range(COUNT))
  for i, result in results.items():
    assert_equal(result, expected_of_phases[i])
  # Of 2, 5, 8 and 11 steps 0, 1, 2 and 2 are in W and 1, 1, 1 and 2 in W+, a chunk each, and 1, 3,
  # 5 and 7 in W++: one chunk for six images, two for four. Together at least 3, 3 and 4 chunks of
  # four slots; fixed batches would take 3, 3 and 6.
  assert len(chunks) <= 11


def test_images_are_taken_up_again_in_any_phase(prior, problems, expected_of_phases):
  """The run is stopped after every chunk, so that all of them are stopped in every phase."""

  def stop():
    raise InterruptedError

  done, paused, phases = {}, {}, set()
  for _ in range(20):
    left = [one for one in problems if one[0] not in done]
    slots = inversion.ContinuousBatch(prior, inversion.stages_of(PHASES), 4, chunk_steps=4)
    try:
      for tag, result in slots.solve(left, stop, resume=lambda tag, _, kept=paused: kept.get(tag)):
        done[tag] = result
    except InterruptedError:
      by_tag = dict(problems)
      paused = {
        tag: inversion.Paused.from_arrays(
          prior, inversion.stages_of(PHASES), by_tag[tag], paused.arrays()
        )
        for tag, paused in slots.paused()
      }
      phases |= {paused.stage for paused in paused.values()}
  assert phases == {0, 1, 2}
  for i in range(COUNT):
    assert_equal(done[i], expected_of_phases[i])


def test_what_another_version_kept_is_not_taken_up(prior, problems):
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4, chunk_steps=4)
  with pytest.raises(InterruptedError):
    list(slots.solve(problems[1:2], on_chunk=lambda: (_ for _ in ()).throw(InterruptedError)))
  ((_, paused),) = slots.paused()
  arrays, problem = paused.arrays(), problems[1][1]
  assert inversion.Paused.from_arrays(
    prior, inversion.stages_of(PRESET), problem, arrays
  ).history.loss.shape == (4,)
  for other in (arrays[1:], arrays[:-1], [*arrays, arrays[-1]]):
    assert inversion.Paused.from_arrays(prior, inversion.stages_of(PRESET), problem, other) is None
  later = [np.asarray(2), *arrays[1:]]
  assert (
    inversion.Paused.from_arrays(prior, inversion.stages_of(PRESET), problem, later) is None
  )  # has one phase only
  assert (
    inversion.Paused.from_arrays(prior, inversion.stages_of(PHASES), problem, later) is None
  )  # of another shape


def test_chunks_suit_every_phase():
  assert batch.even_chunk(PRESET, 200) == 50
  assert batch.even_chunk(PHASES, 200) == 40  # 40, 40 and 120 steps
  assert batch.even_chunk(inversion.PRESETS['robust_published'], 450) == 50
  assert batch.even_chunk(PHASES, 1) == 1


def test_no_images_give_no_results(prior):
  assert list(inversion.ContinuousBatch(prior, inversion.stages_of(PRESET), 4).solve([])) == []


@pytest.mark.slow
def test_pivotal_tuning_takes_slots_as_any_other_stage(prior, problems):
  preset = dataclasses.replace(
    inversion.PRESETS['pivotal'], tuning=Tuning(num_steps=3, learning_rate=3e-3, stop_at=0.0)
  )
  slots = inversion.ContinuousBatch(prior, inversion.stages_of(preset), 4, chunk_steps=4)
  results = dict(slots.solve(problems[:5]))
  expected = batch.run(
    prior, inversion.stages_of(preset), stack([problem for _, problem in problems[:5]]), None, 4
  )
  for i in range(4):
    assert results[i].num_steps == expected.num_steps[i] == 2 + 3 * i + 3
    np.testing.assert_allclose(results[i].image, expected.image[i], atol=1e-3)
    for name, value in results[i].tuned[0].items():
      np.testing.assert_allclose(value, expected.tuned[i][name], atol=1e-3)
  assert results[4].num_steps == 5


@pytest.mark.slow
def test_deep_image_priors_take_slots_as_inversions_do():
  solver = deep_prior.DeepImagePrior(plain_config(2, double=False, width=6), 'l2', 8, 8)

  def problem(i):
    hyper = deep_prior.DeepPriorHyper(num_steps=4 + 3 * i)._asdict()
    whole = ('num_steps', 'patience')
    typed = {
      name: np.asarray(x, np.int32 if name in whole else np.float32) for name, x in hyper.items()
    }
    return deep_prior.DeepPriorProblem(
      np.full((8, 8, 3), i / 4, np.float32),
      np.ones((8, 8, 1), np.float32),
      np.zeros((8, 8, 3), np.float32),
      ganjax.parse_degradation('identity()'),
      deep_prior.DeepPriorHyper(**typed),
      inversion.image_key(0, str(i)),
    )

  stream = [(i, problem(i)) for i in range(5)]
  slots = inversion.ContinuousBatch((), [solver], 4, chunk_steps=4)
  results = dict(slots.solve(stream))
  expected = batch.run((), [solver], stack([one for _, one in stream[1:]]), None, 4)
  for i, result in results.items():
    assert result.num_steps == result.settled_at == 4 + 3 * i
    if i:
      np.testing.assert_allclose(result.image, expected.image[i - 1], atol=1e-3)
