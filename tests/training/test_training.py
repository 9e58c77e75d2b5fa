"""What training tasks share, with a tiny regression in place of a network."""

import functools
import json
import os
import signal
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from ganjax import training
from ganjax.data import ImageError, SourceError
from ganjax.errors import TrainingError
from ganjax.runtime import devices
from ganjax.training import log

SIZE, BATCH = 10, 4


def read(index, rng):
  return {'x': np.float32([index, 1.0]), 'noise': rng.random((2,), np.float32)}


def feed(**more):
  return training.Feed(read, SIZE, BATCH, seed=3, **more)


def take(batches, count):
  taken = [next(batches) for _ in range(count)]
  batches.close()
  return taken


def equal(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  jax.tree.map(np.testing.assert_array_equal, a, b)


class TestFeed:
  def test_every_epoch_shows_each_example_once_in_another_order(self):
    indices = np.concatenate([batch['x'][:, 0] for batch in take(feed().batches(), 5)])
    epochs = indices.reshape(2, SIZE)
    assert [sorted(epoch) for epoch in epochs] == [list(range(SIZE))] * 2
    assert list(epochs[0]) != list(epochs[1])

  def test_order_does_not_depend_on_threads_or_the_first_step(self):
    whole = take(feed().batches(), 6)
    equal(take(feed(threads=1, ahead=0).batches(4), 2), whole[4:])

  def test_processes_share_a_batch(self):
    (whole,) = take(feed().batches(7), 1)
    parts = [take(feed(share=(i, 2)).batches(7), 1)[0] for i in range(2)]
    equal(jax.tree.map(lambda *x: np.concatenate(x), *parts), whole)

  def test_a_broken_example_is_replaced_and_told_once(self):
    told = []

    def broken(index, rng):
      if index == 4:
        raise ImageError('4.png: broken')
      return read(index, rng)

    batches = training.Feed(broken, SIZE, BATCH, 3, on_failure=lambda i, _: told.append(i))
    shown = take(batches.batches(), 10)
    indices = np.concatenate([batch['x'][:, 0] for batch in shown])
    assert told == [4]
    assert 4 not in indices
    assert np.sum(indices == 5) == 2 * np.sum(indices == 6)

  def test_nothing_to_read(self):
    def broken(index, rng):
      raise ImageError(f'{index}.png: broken')

    with pytest.raises(SourceError, match=r'10 pictures in a row are broken; \d.png: broken'):
      take(training.Feed(broken, SIZE, BATCH, 3).batches(), 1)
    with pytest.raises(SourceError, match='no pictures'):
      training.Feed(read, 0, BATCH, 3)
    with pytest.raises(ValueError, match='cannot be shared by 3'):
      feed(share=(0, 3))


@functools.partial(jax.jit, donate_argnums=0)
def _fit(state, batch):
  def loss(w):
    return jnp.mean(jnp.square(batch['x'] @ w - batch['noise'][:, 0]))

  value, gradient = jax.value_and_grad(loss)(state['w'])
  return {'w': state['w'] - 0.01 * gradient, 'count': state['count'] + jnp.int32(1)}, value


def fit(state, batch, number):
  state, loss = _fit(state, batch)
  return state, {'loss': loss} | ({'lazy': loss} if number % 3 == 0 else {})


def start():
  return {'w': jnp.zeros((2,)), 'count': jnp.int32(0)}


def train(folder, num_steps=12, stop_at=None, step=fit):
  """Trains, or goes on; returns (last state, loss of each step, the log's lines)."""
  seen = []
  with training.Checkpoints(folder / 'checkpoints') as checkpoints:
    first = checkpoints.latest or 0
    state = checkpoints.restore(start()) if first else start()
    with training.Log(folder, first) as written:

      def advance(number, values):
        seen.append(values['loss'])
        if number == stop_at:
          os.kill(os.getpid(), signal.SIGTERM)

      try:
        state = training.run(
          step,
          state,
          first,
          feed().batches(first),
          training.Intervals(num_steps, log_every=2, checkpoint_every=5),
          checkpoints,
          training.Hooks(written.add, advance=advance),
        )
      except KeyboardInterrupt:
        state = None
  return state, seen, log.read(folder)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  return train(tmp_path_factory.mktemp('whole'))


class TestRun:
  def test_a_run_that_is_stopped_goes_on_bit_equally(self, tmp_path, whole):
    stop_at = int(np.random.default_rng().integers(1, 9))
    stopped, before, _ = train(tmp_path, stop_at=stop_at)
    state, after, lines = train(tmp_path)
    assert stopped is None
    assert before + after == whole[1], stop_at
    equal(state, whole[0])
    assert [line['step'] for line in lines] == sorted({line['step'] for line in lines})

  def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(self, tmp_path, whole):
    class KillError(Exception):
      pass

    def killed(state, batch, number):
      if number == 8:
        raise KillError
      return fit(state, batch, number)

    with pytest.raises(KillError):
      train(tmp_path, step=killed)
    state, after, lines = train(tmp_path)
    assert after == whole[1][5:]
    equal(state, whole[0])
    assert [line['step'] for line in lines] == [2, 4, 6, 8, 10, 12]

  def test_means_are_logged(self, whole):
    _, seen, lines = whole
    assert [line['loss'] for line in lines] == [
      pytest.approx((a + b) / 2) for a, b in zip(seen[::2], seen[1::2], strict=True)
    ]
    assert [line.get('lazy') is not None for line in lines] == [True, True, False] * 2
    assert all(line['steps_per_second'] > 0 for line in lines)

  def test_what_is_not_finite_stops_at_the_last_good_checkpoint(self, tmp_path):
    def bad(state, batch, number):
      state, measured = fit(state, batch, number)
      return state, measured | {'gradient': jnp.float32(np.nan if number == 8 else 1)}

    with pytest.raises(TrainingError, match=r'step 9: .* the last good checkpoint is step 5'):
      train(tmp_path, step=bad)
    with training.Checkpoints(tmp_path / 'checkpoints') as checkpoints:
      assert checkpoints.latest == 5

  def test_a_state_that_is_not_finite_is_not_saved(self, tmp_path):
    def bad(state, batch, number):
      state, measured = fit(state, batch, number)
      return state | {'w': state['w'] * (jnp.inf if number == 4 else 1)}, measured

    with pytest.raises(TrainingError, match=r'step 5: .* there is no checkpoint yet'):
      train(tmp_path, step=bad)


class TestCheckpoints:
  def test_what_is_being_saved_may_be_given_up(self, tmp_path):
    update = jax.jit(lambda x: x + 1, donate_argnums=0)
    with training.Checkpoints(tmp_path, keep=3) as checkpoints:
      x = jnp.zeros((1000, 1000))
      for step in range(1, 4):
        x = update(x)
        assert checkpoints.save(step, {'x': x})
        for _ in range(5):
          x = update(x)
      checkpoints.wait()
      restored = checkpoints.restore({'x': x})
    np.testing.assert_array_equal(restored['x'], np.full((1000, 1000), 13.0))

  def test_restored_arrays_lie_where_the_new_ones_do(self, tmp_path):
    mesh = devices.data_mesh('data', jax.devices())
    state = devices.replicate(mesh, start())
    with training.Checkpoints(tmp_path) as checkpoints:
      checkpoints.save(1, state)
      restored = checkpoints.restore(state)
    assert restored['w'].sharding == state['w'].sharding
    assert len(restored['w'].devices()) == 4

  def test_only_the_latest_remain(self, tmp_path):
    with training.Checkpoints(tmp_path, keep=2) as checkpoints:
      for step in (1, 2, 3):
        checkpoints.save(step, start())
    assert sorted(path.name for path in tmp_path.iterdir()) == ['2', '3']

  def test_another_network_is_one_line(self, tmp_path):
    with training.Checkpoints(tmp_path) as checkpoints:
      with pytest.raises(TrainingError, match='holds no checkpoint'):
        checkpoints.restore(start())
      checkpoints.save(1, start())
      with pytest.raises(TrainingError, match=f'{tmp_path}/1: cannot be read') as error:
        checkpoints.restore({'other': jnp.zeros((2,))})
    assert '\n' not in str(error.value)

  def test_another_versions_format_is_one_line(self, tmp_path, monkeypatch):
    with training.Checkpoints(tmp_path) as checkpoints:
      checkpoints.save(1, start())
      checkpoints.wait()
      monkeypatch.setattr(training.checkpoints, 'FORMAT', 2)
      with pytest.raises(TrainingError, match='has format 1, ganjax writes 2 now'):
        checkpoints.restore(start())


def events(folder):
  """(step, tag) of every value in TensorBoard's files; their records are length-prefixed."""
  found = []
  for path in sorted((folder / log.EVENTS).iterdir()):
    data = path.read_bytes()
    while data:
      (length,) = struct.unpack('<Q', data[:8])
      event = Event.FromString(data[12 : 12 + length])
      found += [(event.step, value.tag) for value in event.summary.value]
      data = data[16 + length :]
  return found


def test_log_writes_events_and_forgets_what_a_resumed_run_takes_again(tmp_path):
  with training.Log(tmp_path, 0) as written:
    for step in (10, 20, 30):
      written.add(step, {'loss': step / 10, 'rate': float('nan')})
    written.picture(30, 'samples', np.zeros((4, 4, 3), np.uint8))
  assert events(tmp_path) == [(s, t) for s in (10, 20, 30) for t in ('loss', 'rate')] + [
    (30, 'samples')
  ]
  with training.Log(tmp_path, 20) as written:
    written.add(30, {'loss': 5.0})
    steps, values = written.curves()['loss']
  assert [list(steps), list(values)] == [[10, 20, 30], [1.0, 2.0, 5.0]]
  lines = [json.loads(line) for line in (tmp_path / log.METRICS).read_text().splitlines()]
  assert lines[0] == {'step': 10, 'loss': 1.0, 'rate': None}
