"""Presets of several phases, and images that stop early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax.inversion import presets, schedules, spaces, stylegan

DAMAGE = 'mask(box=3:8:4:8) | noise(sigma=0.05)'


@pytest.fixture(scope='module')
def photos():
  return np.random.RandomState(1).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def robust(prior, photos):
  damage = ganjax.parse_degradation(DAMAGE)
  return ganjax.restore(
    prior, photos, damage, preset='robust_published', num_steps=[9, 3, 3], chunk_steps=3
  )


def test_phases_end_in_the_largest_space(robust, networks):
  config = networks.generator.config
  assert robust.latent.shape == (3, config.num_ws, max(config.channels), config.w_dim)
  assert robust.num_steps.tolist() == [9, 3, 3]
  assert robust.loss.shape == (3, 9)
  assert np.all(np.isfinite(robust.loss))
  assert np.all(robust.loss[2, 3:] == robust.loss[2, 2])


def test_an_image_of_few_steps_is_what_it_is_where_all_have_as_many(prior, photos, robust):
  damage, order = ganjax.parse_degradation(DAMAGE), [1, 0, 2]
  settings = {'preset': 'robust_published', 'num_steps': 3, 'chunk_steps': 3}
  alike = ganjax.restore(prior, photos[order], damage, [str(i) for i in order], **settings)
  np.testing.assert_allclose(alike.image[0], robust.image[1], atol=1e-3)
  np.testing.assert_allclose(alike.loss[0], robust.loss[1, :3], rtol=1e-3)


def test_robust_leaves_the_noise_maps_alone(robust, networks):
  for name, value in networks.generator.synthesis.noise_const().items():
    np.testing.assert_array_equal(robust.noise[name][0], value)


def test_the_saved_latent_gives_the_image_again(robust, networks):
  noise = {name: maps[0] for name, maps in robust.noise.items()}
  image = jax.jit(lambda g: g.synthesis(robust.latent[0], noise))(networks.generator)
  np.testing.assert_allclose(image, robust.image[0], atol=1e-4)


def test_normalised_steps_have_one_length_and_survive_nonsense():
  gradient = jnp.asarray([[3.0, 4.0], [0.0, 0.0], [jnp.inf, 1.0], [jnp.nan, 1.0]])
  (update,), _ = stylegan.normalised().update((gradient,), ())
  np.testing.assert_allclose(update, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]], atol=1e-6)


def test_entering_a_larger_space_changes_nothing(networks, prior):
  config = networks.generator.config
  key = jax.random.key(0)
  plus = prior.w_avg[None] + jax.random.normal(key, (config.num_ws, config.w_dim))
  many = spaces.WPlusPlus().enter(plus, config)
  synthesise = jax.jit(lambda g, ws: g.synthesis(ws, 'none'))
  np.testing.assert_allclose(
    synthesise(networks.generator, many), synthesise(networks.generator, plus), atol=1e-4
  )


def test_a_flat_loss_settles_and_a_falling_one_does_not():
  def first(losses, within=0.02):
    settling = schedules.Settling.create()
    for step, loss in enumerate(losses, 1):
      settling, settled = settling.update(jnp.float32(loss), jnp.float32(within))
      if settled:
        return step
    return None

  at_first = (1 + schedules.PATIENCE) * schedules.SETTLE_WINDOW
  assert first([5.0] * 100) == at_first
  assert first(5 * 0.99 ** np.arange(100)) is None
  rising = np.arange(1.0, 101)
  assert first(rising) == at_first
  assert first(rising, within=0.0) is None
  falling_then_flat = np.concatenate([5 * 0.98 ** np.arange(60), np.full(140, 5 * 0.98**60)])
  assert first(falling_then_flat) == 100 + schedules.PATIENCE * schedules.SETTLE_WINDOW
  bump = np.concatenate(
    [5 * 0.98 ** np.arange(60), np.full(20, 2.0), 5 * 0.98 ** np.arange(60, 120)]
  )
  assert first(bump) is None


def test_settled_images_stop_early_and_the_others_go_on(prior, photos):
  """One that may settle at once stops after these windows and its ramp-down."""
  damage = ganjax.parse_degradation('identity()')
  windows = schedules.PATIENCE * schedules.SETTLE_WINDOW
  result = ganjax.restore(
    prior, photos[:2], damage, num_steps=140, settled_within=[0.0, 1e6], chunk_steps=25
  )
  assert result.num_steps.tolist() == [140, windows + 35]
  plain = ganjax.restore(prior, photos[:2], damage, num_steps=140, chunk_steps=25)
  np.testing.assert_allclose(result.image[0], plain.image[0], atol=1e-4)


def test_robust_goes_on_in_w_plus_plus_from_where_w_plus_ended(prior, photos, networks):
  config = networks.generator.config
  damage = ganjax.parse_degradation('identity()')
  found = ganjax.restore(prior, photos[:1], damage, preset='robust', num_steps=40)
  assert found.latent.shape == (1, config.num_ws, max(config.channels), config.w_dim)
  first = 16  # steps in W+
  terms = found.terms.pixel[0] + found.terms.perceptual[0]
  assert terms[first] == pytest.approx(terms[first - 1], rel=0.2)
  assert terms[-1] < 0.95 * terms[first]
  assert np.ptp(found.latent[0], axis=1).max() > 1e-2  # channels have left their rows


def test_robust_weighs_the_latent_against_what_is_left(prior, photos):
  """The fewer pixels, the more it weighs."""
  weighed = []
  for spec, count in (
    ('identity()', 3 * 8**2),
    ('downsample(factor=4, filter=area)', 3 * 2 * 2),
  ):
    damage = ganjax.parse_degradation(spec)
    height, width = damage.output_shape(8, 8)
    hyper = {'num_steps': 1, 'latent_dist_reg_weight': 1.0, 'w_noise': 0.0}
    found = ganjax.restore(prior, photos[:1, :height, :width], damage, preset='robust', **hyper)
    latent = found.terms.latent[0]
    assert np.all(latent > 0)
    assert np.all(found.terms.pixel > 0)
    weighed.append(latent[0] * count)  # where the search begins, the same in all cases
  assert weighed[0] == pytest.approx(weighed[1], rel=0.5)  # one probe tells 12 numbers no better


def test_fidelity_turns_the_latent_s_weight(prior, photos):
  """By the same factor either way, and not at all in the middle."""

  def weighed(fidelity):
    hyper = {'num_steps': 1, 'w_noise': 0.0, 'fidelity': fidelity}
    damage = ganjax.parse_degradation('identity()')
    return ganjax.restore(prior, photos[:1], damage, preset='robust', **hyper).terms.latent[0, 0]

  balanced = weighed(presets.BALANCED)
  assert balanced > 0
  assert weighed(0.0) == pytest.approx(presets.DIAL * balanced)
  assert weighed(1.0) == pytest.approx(balanced / presets.DIAL)
  with pytest.raises(ValueError, match='not within 0 to 1'):
    weighed(-0.1)
