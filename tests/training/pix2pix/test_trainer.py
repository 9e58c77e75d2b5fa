"""One step of training: the same on any number of devices and parts, with the losses it claims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.models.patchgan import PatchGANConfig
from ganjax.models.unet import UNetConfig
from ganjax.pix2pix import predict
from ganjax.runtime import devices, lowered, platforms
from ganjax.training.pix2pix import losses, trainer

SIDE, BATCH = 8, 4


def plan(norm='batch', **more):
  return trainer.Pix2PixPlan(
    UNetConfig(3, 4, 8, norm), PatchGANConfig(16, 4, 8, norm), num_steps=10, seed=1, **more
  )


def adversarial(gan_loss, patch, norm, side):
  depth = side.bit_length() - 1
  return trainer.Pix2PixPlan(
    UNetConfig(depth, 2, 4, norm),
    PatchGANConfig(patch, 2, 4, norm),
    num_steps=100,
    gan_loss=gan_loss,
    learning_rate=5e-3,
    dropout=0.0,
  )


def batch(parts=1, side=SIDE):
  rng = np.random.default_rng(0)
  shape = (parts, BATCH // parts, side, side)
  truth = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
  known = (rng.random((*shape, 1)) < 0.7).astype(np.uint8)
  return trainer.Batch(truth * known, truth, known)


def steps(plan, num_devices, parts=1, count=2, side=SIDE):
  mesh = devices.data_mesh(trainer.DEVICES, jax.devices()[:num_devices])
  state = devices.replicate(mesh, trainer.init(plan))
  spec = jax.sharding.PartitionSpec(None, trainer.DEVICES)
  measured = []
  for _ in range(count):
    state, values = trainer.step(plan, mesh, state, devices.split(mesh, batch(parts, side), spec))
    measured.append({name: float(value) for name, value in values.items()})
  return jax.device_get(state), measured


@pytest.fixture(scope='module')
def one_device():
  return steps(plan(), 1)


def close(a, b):
  """The same up to rounding; Adam makes steps of one length of the smallest gradients."""
  for mine, theirs in zip(a[1], b[1], strict=True):
    assert mine == pytest.approx(theirs, rel=2e-3)
  adam = [jax.tree.leaves(state.adam[0].mean) for state in (a[0], b[0])]
  for mine, theirs in zip(*adam, strict=True):
    np.testing.assert_allclose(mine, theirs, atol=1e-3 * max(np.abs(theirs).max(), 1e-6))
  statistics = [jax.tree.leaves(state.statistics) for state in (a[0], b[0])]
  for mine, theirs in zip(*statistics, strict=True):
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)


def test_four_devices_are_as_one(one_device):
  close(steps(plan(), 4), one_device)


def test_parts_of_a_batch_add_up():
  # Not with batch normalisation, which looks at a part; nor with the same dropout.
  settings = adversarial('hinge', 16, 'instance', SIDE)
  close(steps(settings, 1, parts=2), steps(settings, 1))


def test_what_a_step_changes(one_device):
  state, measured = one_device
  start = trainer.init(plan())
  assert measured[0].keys() == set(trainer.MEASURED)
  assert measured[0]['learning_rate'] == pytest.approx(2e-4)
  assert int(state.step) == 2
  for name in ('generator', 'discriminator', 'ema'):
    before, after = (jax.tree.leaves(getattr(s, name)) for s in (start, state))
    moved = max(float(np.abs(a - b).max()) for a, b in zip(before, after, strict=True))
    assert 1e-4 < moved < 6e-4, name  # Adam moves by the rate at most
  for statistics in state.statistics.values():
    assert np.abs(statistics['mean']).max() > 0


def test_the_measured_distance_is_that_of_the_holes(one_device):
  _, measured = one_device
  given = jax.tree.map(lambda x: x[0], batch())
  network = trainer.network(plan(), trainer.init(plan()))
  forward = jax.vmap(lambda image: network.forward(image, axes=('images',))[0], axis_name='images')
  made = jax.jit(forward)(given.condition / np.float32(127.5) - 1)
  truth = given.truth / np.float32(127.5) - 1
  hole = np.broadcast_to(given.known == 0, truth.shape)
  per_picture = [np.abs(m - t)[h].mean() for m, t, h in zip(made, truth, hole, strict=True)]
  assert measured[0]['l1'] == pytest.approx(np.mean(per_picture), rel=1e-4)


@pytest.mark.parametrize(
  ('gan_loss', 'patch', 'norm', 'side'),
  [('hinge', 16, 'instance', 8), ('vanilla', 1, 'batch', 8), ('lsgan', 286, 'batch', 128)],
)
def test_every_adversary_and_patch_learns(gan_loss, patch, norm, side):
  settings = adversarial(gan_loss, patch, norm, side)
  _, measured = steps(settings, 1, count=8, side=side)
  assert all(np.isfinite(list(values.values())).all() for values in measured)
  assert measured[-1]['l1'] < measured[0]['l1']


def test_half_precision_is_for_convolutions_alone(one_device):
  state, measured = steps(plan(dtype=jnp.bfloat16), 1, count=1)
  assert measured[0]['l1'] == pytest.approx(one_device[1][0]['l1'], rel=0.02)
  assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {np.dtype('float32'), np.dtype('int32')}


class TestObjective:
  @pytest.mark.parametrize('name', losses.ADVERSARIES)
  def test_adversaries_pull_the_right_way(self, name):
    adversary = losses.ADVERSARIES[name]
    logits = jnp.asarray([0.25, 0.75])
    assert np.all(jax.grad(adversary.real)(logits) < 0)
    assert np.all(jax.grad(adversary.fake)(logits) > 0)
    assert np.all(jax.grad(adversary.fool)(logits) < 0)

  def test_values(self):
    logits = jnp.asarray([-0.5, 2.0])
    lsgan, vanilla, hinge = (losses.ADVERSARIES[name] for name in ('lsgan', 'vanilla', 'hinge'))
    assert float(lsgan.real(logits)) == pytest.approx((2.25 + 1) / 2)
    assert float(hinge.fake(logits)) == pytest.approx((0.5 + 3) / 2)
    expected = -np.mean(np.log(1 / (1 + np.exp([0.5, -2.0]))))
    assert float(vanilla.fool(logits)) == pytest.approx(expected, rel=1e-5)

  def test_pictures_count_alike_however_large_their_holes(self):
    values = jnp.ones((2, 4, 4, 3)) * jnp.asarray([1.0, 3.0]).reshape(2, 1, 1, 1)
    known = np.ones((2, 4, 4, 1), np.float32)
    known[0, 0, 0] = 0
    known[1, :2] = 0
    assert float(losses.unknown_mean(values, jnp.asarray(known))) == pytest.approx(2.0)

  def test_the_rate_falls_to_nothing(self):
    rates = [float(losses.learning_rate(jnp.int32(t), 0.1, 100, 0.5)) for t in (0, 50, 75, 100)]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.0])


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_no_shared_kernel_is_batched_on_accelerators(platform):
  made, mesh = plan(), devices.data_mesh(trainer.DEVICES, jax.devices()[:1])
  state = trainer.init(made)
  graph, weights = nnx.split(trainer.network(made, state))
  with platforms.traced_for(platform):
    programs = [
      lowered.lower(trainer.step, platform, made, mesh, state, batch()),
      lowered.lower(predict._predict, platform, graph, weights, batch().truth[0]),
    ]
  for program in programs:
    networks = state.generator, state.discriminator
    found = lowered.counts(program.as_text(), networks, BATCH)
    assert found.convolutions > 0
    assert (found.grouped, found.weights_broadcast) == (0, 0)
