"""One step of training: against NumPy's networks, on one device and on four."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_stylegan2 as reference
import pytest

from ganjax.models.architecture import DiscriminatorConfig, GeneratorConfig, MappingConfig
from ganjax.runtime import devices, lowered, platforms
from ganjax.training.stylegan2 import losses, trainer, training_plan

SIDE, WIDTHS = 8, (6, 4)
PLAN = training_plan.StyleGAN2Plan(
  GeneratorConfig(SIDE, WIDTHS, MappingConfig(2, 5), z_dim=5, w_dim=5),
  DiscriminatorConfig(SIDE, WIDTHS),
  batch_size=16,
  r1_gamma=0.5,
  r1_interval=2,
  path_interval=2,
  ema_half_life=10_000.0,
  augment_rise=1000,
  seed=3,
)
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 4, SIDE, SIDE, 3)).astype(np.uint8)


# Augmentation is the same on every platform, and with probability 0 changes nothing.
ON_ACCELERATORS = dataclasses.replace(PLAN, augment=False)


def placed(num_devices, state):
  """(mesh, state, batch) on some devices, as a step takes them."""
  mesh = devices.data_mesh(trainer.DEVICES, jax.devices()[:num_devices])
  batch = devices.split(
    mesh, training_plan.Batch(PIXELS, None), jax.sharding.PartitionSpec(trainer.DEVICES)
  )
  return mesh, devices.replicate(mesh, state), batch


@pytest.fixture(scope='module')
def state():
  """Where training starts, but for noise and biases that would hide mistakes at zero."""
  start = training_plan.init(PLAN)

  def shaken(path, x):
    if path[-1].key not in ('noise_strength', 'bias'):
      return x
    seed = sum(map(ord, str(path)))
    return x + 0.3 * np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)

  return start._replace(
    generator=jax.tree.map_with_path(shaken, start.generator),
    discriminator=jax.tree.map_with_path(shaken, start.discriminator),
    path_mean=jnp.float32(0.2),
  )


def doubles(tree):
  return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def key_of(loss):
  """That of the first chunk of the first step, as the trainer draws it."""
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(PLAN.seed), 1), 0)
  keys = jax.random.split(key, (len(trainer.LOSSES), PLAN.num_chunks))
  return keys[trainer.LOSSES.index(loss), 0]


def drawn(key, count):
  """The random numbers of generated pictures, as the trainer draws them."""
  generator, _ = training_plan.networks(PLAN, training_plan.init(PLAN))
  return doubles(losses.draw_latents(PLAN, generator, key, count))


def photographs(key):
  """The first chunk's, mirrored as the trainer does it."""
  found = PIXELS[0] / 127.5 - 1
  flips = np.asarray(jax.random.bernoulli(key, shape=(4,)))
  found[flips] = found[flips][:, :, ::-1]
  return found


def rows(params, drawn, i):
  first, second = (reference.mapped(params['mapping'], drawn.z[i, k]) for k in range(2))
  return np.stack([first if row < drawn.cut[i] else second for row in range(PLAN.generator.num_ws)])


def picture(params, drawn, i, ws=None):
  noise = {name: maps[i] for name, maps in drawn.noise.items()}
  ws = rows(params, drawn, i) if ws is None else ws
  return reference.synthesised(params['synthesis'], ws, noise)


def agrees(loss, state, params, by_numpy, rtol=2e-3):
  """The loss is NumPy's, and so is its slope along a random direction of all parameters.

  It is that of a step's first chunk on one device, and augmented with probability 0, which changes
  nothing: the program that steps take, so that it is compiled once.
  """
  assert float(state.probability) == 0
  mesh, state, batch = placed(1, state)
  (value, _), gradient = trainer._slope(PLAN, mesh, loss, 1, state, batch, 0, 0)
  assert float(value) == pytest.approx(by_numpy(doubles(params)), rel=1e-4)
  rng = np.random.default_rng(1)
  along = jax.tree.map(lambda x: rng.normal(size=x.shape) * np.abs(x).mean(), doubles(params))

  def moved(t):
    return by_numpy(jax.tree.map(lambda x, d: x + t * d, doubles(params), along))

  expected = (moved(1e-5) - moved(-1e-5)) / 2e-5
  got = sum(np.sum(a * b) for a, b in zip(*map(jax.tree.leaves, (gradient, along)), strict=True))
  assert got == pytest.approx(expected, rel=rtol)


@pytest.mark.slow
def test_the_generators_loss_is_numpys(state):
  draw, _ = jax.random.split(key_of(losses.generator_loss))
  numbers = drawn(draw, 4)
  judge = doubles(state.discriminator)

  def by_numpy(params):
    images = np.stack([picture(params, numbers, i) for i in range(4)])
    return reference.softplus(-reference.scores(judge, images)).mean()

  agrees(losses.generator_loss, state, state.generator, by_numpy)


@pytest.mark.slow
def test_the_discriminators_loss_is_numpys(state):
  draw, mirror, _, _ = jax.random.split(key_of(losses.discriminator_loss), 4)
  numbers = drawn(draw, 4)
  fakes = np.stack([picture(doubles(state.generator), numbers, i) for i in range(4)])
  shown = photographs(mirror)

  def by_numpy(params):
    real, fake = reference.scores(params, shown), reference.scores(params, fakes)
    return reference.softplus(-real).mean() + reference.softplus(fake).mean()

  agrees(losses.discriminator_loss, state, state.discriminator, by_numpy)


@pytest.mark.slow
def test_path_lengths_are_numpys(state):
  draw, direct = jax.random.split(key_of(losses.path_length_penalty))
  numbers = drawn(draw, 2)
  directions = np.asarray(jax.random.normal(direct, (2, SIDE, SIDE, 3)), np.float64) / SIDE

  def length(params, i):
    ws = rows(params, numbers, i)
    gradient = reference.slope(
      lambda ws: np.sum(picture(params, numbers, i, ws) * directions[i]), ws, 1e-4
    )
    return np.sqrt(np.mean(np.sum(gradient**2, axis=1)))

  params = doubles(state.generator)
  mean = (length(params, 0) + length(params, 1)) / 2
  target = 0.2 + losses.PATH_DECAY * (mean - 0.2)  # which has no gradient

  def by_numpy(params):
    penalty = ((length(params, i) - target) ** 2 for i in range(2))
    return 2.0 * PLAN.path_interval * sum(penalty) / 2

  agrees(losses.path_length_penalty, state, state.generator, by_numpy, 0.01)


@pytest.mark.slow
def test_r1_is_numpys(state):
  mirror, _ = jax.random.split(key_of(losses.r1_penalty))
  shown = photographs(mirror)

  def by_numpy(params):
    gradient = reference.slope_at_once(
      lambda images: reference.scores(params, images).sum(axis=-1), shown, 1e-4
    )
    return np.sum(gradient**2, axis=(1, 2, 3)).mean() * 0.25 * PLAN.r1_interval

  agrees(losses.r1_penalty, state, state.discriminator, by_numpy, 0.01)


@pytest.mark.slow
@pytest.mark.parametrize('phase', [losses.generator_loss, losses.r1_penalty])
def test_in_half_precision_only_convolutions_are_rounded(phase):
  """Of 16 px, from which on a CPU makes gradients in strips."""
  networks = {
    'generator': dataclasses.replace(PLAN.generator, resolution=16, channels=(6, 4, 4)),
    'discriminator': dataclasses.replace(PLAN.discriminator, resolution=16, channels=(6, 4, 4)),
  }
  exact = dataclasses.replace(PLAN, augment=False, batch_size=2, **networks)
  half = dataclasses.replace(exact, dtype=jnp.bfloat16)
  start = training_plan.init(exact)
  pixels = jnp.asarray(PIXELS[0, :2].repeat(2, axis=1).repeat(2, axis=2))
  chunk = jax.random.key(7), pixels, None
  params = start.generator if phase is losses.generator_loss else start.discriminator

  def of(plan):
    function = jax.value_and_grad(functools.partial(phase, plan), argnums=1, has_aux=True)
    (loss, _), gradient = jax.jit(function)(start, params, chunk)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((loss, gradient)))
    return float(loss), np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])

  (loss, gradient), (rough_loss, rough) = of(exact), of(half)
  assert rough_loss == pytest.approx(loss, rel=0.05)
  assert rough_loss != loss
  assert gradient @ rough > 0.99 * np.linalg.norm(gradient) * np.linalg.norm(rough)


def test_the_start_has_the_types_of_later_states():
  """Weak types would turn strong in a step, and the next one would compile everything anew."""
  start = training_plan.init(PLAN)
  assert not any(leaf.weak_type for leaf in jax.tree.leaves(start))


def steps(plan, num_devices, count):
  mesh, state, batch = placed(num_devices, training_plan.init(PLAN))
  measured = []
  for number in range(count):
    state, values = trainer.step(plan, mesh, state, batch, number)
    measured.append({name: float(value) for name, value in values.items()})
  return jax.device_get(state), measured


@pytest.fixture(scope='module')
def one_device():
  return steps(PLAN, 1, 8)


@pytest.mark.slow
def test_the_programs_of_several_accelerators_take_the_same_step(one_device):
  """(A CPU's programs for several devices: tests/tasks/train/test_stylegan2.py.)"""
  with platforms.traced_for('gpu'):
    state, measured = steps(ON_ACCELERATORS, 2, 1)  # with two chunks at once on each
  assert measured[0] == pytest.approx(one_device[1][0], rel=2e-3)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_on_accelerators_each_loss_is_one_program_with_shared_kernels(platform):
  # As in the step above, so that what is traced for GPUs is traced once.
  mesh, state, batch = placed(2, training_plan.init(PLAN))
  with platforms.traced_for(platform):
    for loss in trainer.LOSSES:
      program = lowered.lower(
        trainer._take_at_once, platform, ON_ACCELERATORS, mesh, loss, state, batch, 0
      )
      networks = state.generator, state.discriminator
      found = lowered.counts(program.as_text(), networks, PLAN.batch_size // 2)
      assert found.convolutions > 0
      assert (found.grouped, found.weights_broadcast) == (0, 0)


def test_small_resolutions_may_stay_in_single_precision():
  plan = dataclasses.replace(PLAN, dtype=jnp.bfloat16, dtype_from=8)
  generator, discriminator = training_plan.networks(plan, training_plan.init(PLAN))
  assert generator.synthesis.b4.conv1.dtype == jnp.float32
  assert generator.synthesis.b8.conv0.dtype == generator.synthesis.b8.torgb.dtype == jnp.bfloat16
  assert discriminator.b8.conv0.dtype == jnp.bfloat16
  assert discriminator.b4.conv.dtype == jnp.float32


@pytest.mark.slow
def test_what_a_step_changes(one_device):
  state, measured = one_device
  start = training_plan.init(PLAN)
  assert all(np.isfinite(list(values.values())).all() for values in measured)
  assert ['r1' in values for values in measured] == [True, False] * 4
  assert ['path' in values for values in measured] == [True, False] * 4
  changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), state.generator, start.generator)
  assert all(jax.tree.leaves(changed))
  blocks = start.buffers['synthesis']
  jax.tree.map(np.testing.assert_array_equal, state.buffers['synthesis'], blocks)
  assert not np.array_equal(state.buffers['mapping']['w_avg'], start.buffers['mapping']['w_avg'])


@pytest.mark.slow
def test_the_probability_follows_the_signs(one_device):
  state, measured = one_device
  expected = 0.0
  for group in (measured[:4], measured[4:]):
    mean = np.mean([values['sign_real'] for values in group])
    expected = max(expected + np.sign(mean - 0.6) * 4 * 16 / 1000, 0.0)
  assert float(state.probability) == pytest.approx(expected, abs=1e-6)
