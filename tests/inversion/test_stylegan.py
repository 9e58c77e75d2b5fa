"""Images never influence each other; batches, order, padding and devices change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.inversion import batch as batches
from ganjax.inversion import losses, spaces
from ganjax.runtime import platforms

NUM_STEPS = 20
NAMES = list('abcdefgh')
DAMAGE = 'blur(kernel_size=5, variance=1) | noise(sigma=0.1)'


@pytest.fixture(scope='module')
def photos():
  return np.random.RandomState(0).uniform(-1, 1, (8, 8, 8, 3)).astype(np.float32)


def restored(prior, photos, names, **hyper):
  damage = ganjax.parse_degradation(DAMAGE)
  preset = inversion.PROJECTOR.within('w_plus', 'optimised')
  settings = {'num_steps': NUM_STEPS, 'pixel_weight': 1.0, 'chunk_steps': 10, **hyper}
  return ganjax.restore(prior, photos, damage, names, preset, seed=3, **settings)


@pytest.fixture(scope='module')
def batch(prior, photos):
  return restored(prior, photos, NAMES)


def assert_same(result, i, expected, j):
  for field in ('image', 'latent', 'loss'):
    ours, theirs = (np.asarray(getattr(r, field)) for r in (result, expected))
    np.testing.assert_allclose(ours[i], theirs[j], rtol=1e-3, atol=1e-3, err_msg=field)
  for name in expected.noise:
    np.testing.assert_allclose(result.noise[name][i], expected.noise[name][j], atol=2e-3)


@pytest.mark.parametrize('i', [0, 5])
def test_one_alone_in_one_chunk_equals_one_of_eight(prior, photos, batch, i):
  alone = restored(prior, photos[i : i + 1], NAMES[i : i + 1], chunk_steps=50)
  assert_same(alone, 0, batch, i)


def test_order_and_padding_change_nothing(prior, photos, batch):
  order = [6, 0, 3, 1, 7, 2, 5]  # on four devices a batch of eight
  result = restored(prior, photos[order], [NAMES[i] for i in order])
  for place, i in enumerate(order):
    assert_same(result, place, batch, i)


@pytest.mark.parametrize('platform', ['gpu', 'tpu'])
def test_the_forms_for_accelerators_give_what_the_cpu_gives(prior, photos, batch, platform):
  with platforms.traced_for(platform):
    result = restored(prior, photos, NAMES)
  for i in (1, 6):
    assert_same(result, i, batch, i)


def test_the_name_decides_the_randomness(prior, photos, batch):
  other = restored(prior, photos[:1], ['z'], chunk_steps=50)
  assert np.abs(np.asarray(other.latent[0]) - np.asarray(batch.latent[0])).max() > 1e-3


def test_the_saved_latent_and_noise_give_the_image_again(networks, batch):
  rows = batch.latent[2]
  noise = {name: maps[2] for name, maps in batch.noise.items()}
  image = jax.jit(lambda g: g.synthesis(rows, noise))(networks.generator)
  np.testing.assert_allclose(image, batch.image[2], atol=1e-4)


def test_the_loss_falls_and_its_terms_add_up(batch):
  assert np.all(batch.loss[:, -1] < batch.loss[:, 0])
  np.testing.assert_allclose(sum(batch.terms), batch.loss, rtol=1e-5)
  assert batch.loss.shape == (8, NUM_STEPS)


def test_hyperparameters_may_differ_within_a_batch(prior, photos, batch):
  settings = {'num_steps': [NUM_STEPS, 10] * 4, 'learning_rate': [0.1, 0.05] * 4}
  result = restored(prior, photos, NAMES, **settings)
  assert_same(result, 0, batch, 0)
  assert np.all(result.loss[1, 10:] == result.loss[1, 9])


def test_zero_noise_maps_stay_zero(prior, photos):
  damage = ganjax.parse_degradation('identity()')
  preset = inversion.PROJECTOR.within('w', noise_maps='zero')
  result = ganjax.restore(prior, photos[:1], damage, preset=preset, num_steps=3)
  assert all(not np.any(maps) for maps in result.noise.values())
  assert result.latent.shape == (1, 1, 8)


def test_free_noise_maps_start_at_zero_and_are_held_by_their_energy(prior, photos):
  damage = ganjax.parse_degradation('identity()')
  preset = inversion.PROJECTOR.within('w', noise_maps='free')
  held = {}
  for weight in (0.0, 100.0):
    settings = {'num_steps': 10, 'noise_reg_weight': weight}
    result = ganjax.restore(prior, photos[:1], damage, preset=preset, **settings)
    held[weight] = float(losses.energy(result.noise))
  assert 0 < held[100.0] < held[0.0]


def test_progress_is_told_after_every_chunk(prior, photos):
  seen = []

  def watch(progress):
    seen.append((progress.step, progress.terms.loss.shape, progress.render().shape))

  restored(prior, photos, NAMES, on_progress=watch)
  assert seen == [(10, (8, 10), photos.shape), (20, (8, 20), photos.shape)]


def test_settled_at():
  loss = np.array([[9.0, 2, 1, 1.005, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 5]])
  assert batches.settled_at(loss).tolist() == [2, 0, 4]


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'names': ['a', 'b']}, '1 photos, 2 names'),
    ({'photos': np.zeros((1, 4, 4, 3))}, r'gives \(8, 8, 3\)'),
    ({'num_stepz': 3}, 'unknown'),
    ({'num_steps': [1, 2]}, 'num_steps has shape'),
  ],
)
def test_what_does_not_go_together_is_refused(prior, change, message):
  arguments = {'photos': np.zeros((1, 8, 8, 3)), 'names': ['a'], **change}
  damage = ganjax.parse_degradation('identity()')
  with pytest.raises(ValueError, match=message):
    ganjax.restore(prior, degradation=damage, **arguments)


def test_w_plus_plus_starts_as_w(networks, prior):
  """W++ whose rows are all one w is W, through its own per-image kernels."""
  config = networks.generator.config
  w = prior.w_avg + 0.1
  image = jax.jit(lambda g, ws: g.synthesis(ws, 'none'))
  many = spaces.WPlusPlus().enter(w, config)
  assert many.shape == (config.num_ws, 16, 8)
  one = jnp.broadcast_to(w, (config.num_ws, 8))
  np.testing.assert_allclose(
    image(networks.generator, many), image(networks.generator, one), atol=1e-4
  )


def test_the_number_of_devices_changes_nothing(prior, photos, batch, monkeypatch):
  assert len(jax.local_devices()) == 4
  one = jax.local_devices()[:1]
  monkeypatch.setattr(jax, 'local_devices', lambda: one)
  jax.clear_caches()  # hence the last test here
  try:
    assert_same(restored(prior, photos[:3], NAMES[:3]), 2, batch, 2)
  finally:
    jax.clear_caches()
