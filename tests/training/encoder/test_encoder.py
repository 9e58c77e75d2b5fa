"""An encoder's training: what it is shown, what it is trained for, and its steps."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.models.encoder import Encoder, observation
from ganjax.ops import optimisers
from ganjax.runtime import devices, lowered, platforms
from ganjax.training.encoder import damage, losses, plan, trainer

SIDE, STEPS = 16, 20
NAMES = damage.told_of(SIDE)


@pytest.fixture(scope='module')
def settings(networks):
  return plan.EncoderPlan(
    plan.architecture(networks.generator.config),
    STEPS,
    samples=8,
    photos=4,
    rendered=4,
    learning_rate=3e-3,
  )


@pytest.fixture(scope='module')
def shared(prior):
  return trainer.Shared(prior, plan.statistics(prior))


@pytest.fixture(scope='module')
def photos():
  return np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)


@jax.jit
def observed(image, key):
  """What is seen of an image through all kinds of damage, and a slope: compiled once for all."""

  def summed(image):
    seen = damage.observe(image, key, side=8, names=NAMES)
    return jnp.sum(seen.image), seen

  (_, seen), slope = jax.value_and_grad(summed, has_aux=True)(image)
  return seen, slope


def mesh(count):
  return devices.data_mesh(trainer.DEVICES, jax.devices()[:count])


def trained(settings, shared, photos, count, steps):
  row = mesh(count)
  state, there = (devices.replicate(row, x) for x in (plan.init(settings), shared))
  told = []
  for _ in range(steps):
    state, measured = trainer.step(settings, row, there, state, photos)
    told.append(jax.device_get(measured))
  return jax.device_get(state), told


@pytest.fixture(scope='module')
def few_kinds():
  """Steps with three kinds of damage in place of some twenty: they compile in half the time.

  None, a blur, and grey with noise and holes.
  """
  every = damage.kinds(SIDE)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(damage, 'kinds', lambda side: [every[0], every[1], every[-4]])
    yield
  damage.told_of.cache_clear()  # of sizes that were asked for meanwhile


@pytest.fixture(scope='module')
def alone(settings, shared, photos, few_kinds):
  """What a whole training on one device comes to."""
  return trained(settings, shared, photos, 1, STEPS)


def test_all_kinds_of_damage_can_be_seen_through():
  image = jnp.linspace(-1, 1, SIDE * SIDE * 3, dtype=jnp.float32).reshape(SIDE, SIDE, 3)
  keys = jax.random.split(jax.random.key(0), 150)
  seen = [jax.device_get(observed(image, key)[0]) for key in keys]
  assert {one.image.shape for one in seen} == {(8, 8, 3)}
  assert all(np.all(np.abs(one.image) <= 1 + 1e-6) for one in seen)
  assert all(np.all((one.visible >= 0) & (one.visible <= 1)) for one in seen)
  assert any(one.visible.min() == 0 for one in seen)
  names = NAMES
  for place, name in enumerate(names):  # nothing that is told of never happens
    assert any(one.told[place] > 0 for one in seen), name
  untouched = [one for one in seen if not one.told.any() and one.visible.all()]
  assert 0.05 < len(untouched) / len(seen) < 0.4


def test_what_is_not_told_is_said_to_be_unknown():
  names = NAMES
  image = jnp.zeros((SIDE, SIDE, 3))
  seen = [observed(image, key)[0].told for key in jax.random.split(jax.random.key(1), 60)]
  told = [dict(zip(names, np.asarray(one), strict=True)) for one in seen]
  blurred = [one for one in told if one['Blur']]
  assert {bool(one['Blur?']) for one in blurred} == {False, True}
  assert all(bool(one['Blur.variance']) != bool(one['Blur?']) for one in blurred)


def test_the_same_key_does_the_same_and_gradients_pass_the_rounding():
  key = jax.random.key(3)
  (one, slope), (other, _) = (
    observed(jnp.full((SIDE, SIDE, 3), value, jnp.float32), key) for value in (0.1, 0.3)
  )
  np.testing.assert_array_equal(one.told, other.told)
  np.testing.assert_array_equal(one.visible, other.visible)
  assert np.any(np.asarray(slope) != 0)


def test_samples_have_the_latents_that_they_are_made_of(prior, settings, shared):
  encoder = plan.encoder(settings, plan.init(settings).params, shared.statistics)
  sample = jax.jit(losses.sample)(prior, encoder, jax.random.key(5))
  assert sample.image.shape == (SIDE, SIDE, 3)
  rows = encoder.latent(sample.rows)
  again = plan.whitened(prior).coordinates(rows)
  np.testing.assert_allclose(again, sample.rows, atol=2e-3)


def test_whitened_samples_are_standard_normal(prior):
  z = jax.random.normal(jax.random.key(0), (4000, prior.generator.config.z_dim))
  w = jax.vmap(lambda z: prior.generator.mapping.w(z, None))(z)
  u = np.asarray(plan.whitened(prior).coordinates(w))
  np.testing.assert_allclose(np.mean(u, axis=0), 0, atol=0.1)
  assert np.all(np.var(u, axis=0) < 1.2)


def test_at_first_the_answer_is_the_mean_of_all_faces(settings, shared):
  encoder = plan.encoder(settings, plan.init(settings).params, shared.statistics)
  photo, visible = jnp.full((SIDE, SIDE, 3), 0.5), jnp.ones((SIDE, SIDE, 1))
  seen = observation(photo, visible, jnp.ones(len(NAMES)), SIDE)
  answer = jax.jit(lambda encoder, seen: encoder(seen))(encoder, seen)
  np.testing.assert_array_equal(answer.rows, np.zeros_like(answer.rows))
  np.testing.assert_array_equal(answer.log_deviation, np.zeros_like(answer.log_deviation))


def reference(settings, shared, params, images, truth, keys):
  """The loss of a batch in one expression; photos come first, then samples that are compared."""
  encoder, photos = plan.encoder(settings, params, shared.statistics), settings.photos
  compared = photos + settings.rendered

  def observed(image, key):
    seen = damage.observe(image, key, SIDE, NAMES)
    return seen, encoder(seen)

  def of_image(given):
    image, key = given
    seen, answer = observed(image, key)
    found = losses.compare(shared.prior, encoder, answer.rows, image, seen, key)
    held = settings.prior_weight * jnp.mean(jnp.square(answer.rows))
    held += settings.spread_weight * losses.spread(answer.rows)
    return losses.weighted(settings, found), held

  def of_sample(given):
    image, key, rows = given
    return settings.latent_weight * losses.latent_loss(observed(image, key)[1], rows)[0]

  loss, held = jax.lax.map(of_image, (images[:compared], keys[:compared]))
  loss = jnp.mean(loss) + jnp.mean(held[:photos])
  return loss + jnp.mean(jax.lax.map(of_sample, (images[photos:], keys[photos:], truth)))


def drawn(settings, shared, state, photos):
  """The images of a step, the latents of those that are samples, and the keys of their damage."""
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(settings.seed), 1), state.step)
  counts = settings.photos, settings.rendered, settings.samples - settings.rendered
  keys = [jax.random.split(jax.random.fold_in(key, i), (n, 2)) for i, n in enumerate(counts)]
  own, damages = (jnp.concatenate([pair[:, i] for pair in keys]) for i in range(2))
  encoder = plan.encoder(settings, state.params, shared.statistics)
  sample = functools.partial(losses.sample, shared.prior, encoder)
  samples = jax.lax.map(sample, own[settings.photos :])
  flips = jax.vmap(jax.random.bernoulli)(own[: settings.photos])[:, None, None, None]
  photos = jnp.where(flips, photos[:, :, ::-1], photos).astype(jnp.float32) / 127.5 - 1
  return jnp.concatenate([photos, samples.image]), samples.rows, damages


def test_the_gradient_is_that_of_the_whole_loss(settings, shared, photos, alone):
  state = alone[0]._replace(adam=optimisers.adam_init(alone[0].params))
  images, rows, keys = jax.jit(functools.partial(drawn, settings))(shared, state, photos)
  by_params = jax.value_and_grad(functools.partial(reference, settings), argnums=1)
  loss, gradient = jax.jit(by_params)(shared, state.params, images, rows, keys)
  row = mesh(1)
  there, state = (devices.replicate(row, x) for x in (shared, state))
  after, measured = trainer.step(settings, row, there, state, photos)
  np.testing.assert_allclose(measured['loss'], loss, rtol=1e-5)
  ours = jax.tree.map(lambda mean: mean / 0.1, after.adam.mean)  # the first step's share of it
  for mine, other in zip(*map(jax.tree.leaves, (ours, gradient)), strict=True):
    scale = max(float(jnp.max(jnp.abs(other))), 1e-6)
    np.testing.assert_allclose(mine / scale, other / scale, atol=2e-4)


def test_devices_change_nothing_but_the_order_of_sums(settings, shared, photos, alone):
  together, told = trained(settings, shared, photos, count=4, steps=5)
  for name in trainer.MEASURED:
    np.testing.assert_allclose(told[0][name], alone[1][0][name], rtol=1e-4, err_msg=name)
  assert told[-1]['loss'] == pytest.approx(alone[1][4]['loss'], rel=0.05)
  assert int(together.step) == 5


def test_it_learns(alone):
  state, told = alone
  first, last = (np.mean([one['loss'] for one in part]) for part in (told[:4], told[-4:]))
  assert last < 0.9 * first
  assert told[0]['learning_rate'] > told[-1]['learning_rate'] > 0
  moved = jax.tree.map(lambda a, b: float(np.max(np.abs(a - b))), state.params, state.ema)
  assert max(jax.tree.leaves(moved)) > 0  # the average lags behind


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_no_shared_kernel_is_batched_on_accelerators(settings, shared, photos, few_kinds, platform):
  state = plan.init(settings)
  with platforms.traced_for(platform, jax.devices()[:1]):
    text = lowered.lower(trainer.step, platform, settings, mesh(1), shared, state, photos).as_text()
  # (Smaller ones have the shapes of filters of degradations, too.)
  kernels = [
    x for x in jax.tree.leaves((shared.prior, state.params)) if x.ndim == 4 and len(x) == 3
  ]
  counts = lowered.counts(text, kernels, settings.photos + settings.rendered)
  assert counts.convolutions > 20
  assert (counts.grouped, counts.weights_broadcast) == (0, 0), counts


@pytest.mark.parametrize('resolution', [8, 16, 32, 64, 128, 1024])
def test_encoders_of_all_sizes_can_be_built(networks, resolution):
  channels = (8,) * (resolution.bit_length() - 2)
  generator = dataclasses.replace(
    networks.generator.config, resolution=resolution, channels=channels
  )
  config = plan.architecture(generator)
  assert config.side == min(resolution, 256)

  def answered():
    encoder = Encoder(config, rngs=nnx.Rngs(0))
    photo, visible = (jnp.zeros((resolution, resolution, count)) for count in (3, 1))
    return encoder(observation(photo, visible, jnp.zeros(len(config.told)), config.side))

  answer = jax.eval_shape(answered)
  assert answer.rows.shape == (generator.num_ws, generator.w_dim)
  assert answer.log_deviation.shape == (generator.num_ws,)
