"""Latents in one pass, and what inversions make of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

import ganjax
from ganjax import degradations, inversion
from ganjax.inversion import selection, spaces
from ganjax.weights import WeightsError


@pytest.fixture(scope='module')
def encoded(networks):
  return dataclasses.replace(networks, encoder=tiny.encoder(networks))


@pytest.fixture(scope='module')
def photos():
  return np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)


def problem(prior, encoder, photo, spec='identity()', name='a'):
  pipeline = degradations.parse(spec)
  return inversion.make_problem(prior, photo, pipeline, name, 0, inversion.Hyper(4), encoder)


def test_one_image_and_a_batch(encoded, photos):
  one = [ganjax.encode(encoded, photo, 'blur(kernel_size=5, variance=2)') for photo in photos]
  config = encoded.generator.config
  assert {x.shape for x in one} == {(config.num_ws, config.w_dim)}
  blur = degradations.parse('blur(kernel_size=5, variance=2)')
  together = jax.vmap(lambda photo: ganjax.encode(encoded, photo, blur))(jnp.asarray(photos))
  np.testing.assert_allclose(np.stack(one), together, atol=1e-4)
  assert np.any(one[0] != one[1])


def test_it_is_told_what_happened(encoded, photos):
  found = [
    ganjax.encode(encoded, photos[0], spec)
    for spec in ('identity()', 'jpeg(quality=10)', 'jpeg(quality=40)', 'jpeg(quality=?)')
  ]
  assert all(np.any(found[i] != found[j]) for i in range(4) for j in range(i))


def test_small_photos_are_enlarged(encoded, photos):
  small = ganjax.encode(encoded, photos[0, ::2, ::2], 'downsample(factor=2)')
  assert np.all(np.isfinite(small))


def test_without_an_encoder_the_remedy_is_told(networks, photos):
  with pytest.raises(WeightsError, match='--task=train_encoder'):
    ganjax.encode(networks, photos[0])


def test_problems_begin_with_its_answer(prior, encoded, photos):
  one = problem(prior, encoded.encoder, photos[0])
  np.testing.assert_array_equal(one.start, ganjax.encode(encoded, photos[0]))
  alone = problem(prior, None, photos[0])
  np.testing.assert_array_equal(alone.start, prior.w_avg)


def test_restarts_are_drawn_around_it(prior, encoded, photos):
  one = problem(prior, encoded.encoder, photos[0])
  first, second, third = selection.restarts(prior, one, 3, encoded.encoder)
  np.testing.assert_array_equal(first.start, one.start)
  assert second.start.shape == one.start.shape
  assert np.any(second.start != first.start)
  assert np.any(second.start != third.start)
  again = selection.restarts(prior, one, 2, encoded.encoder)
  np.testing.assert_array_equal(again[1].start, second.start)


def test_rows_enter_w_by_their_mean(networks):
  config = networks.generator.config
  rows = jax.random.normal(jax.random.key(0), (config.num_ws, config.w_dim))
  np.testing.assert_allclose(spaces.W().enter(rows, config)[0], np.mean(rows, axis=0), atol=1e-6)
  w = spaces.W().enter(rows[0], config)
  np.testing.assert_array_equal(w, rows[:1])


@pytest.mark.parametrize('preset', ['robust', 'projector'])
def test_no_step_leaves_the_answer_as_it_is(prior, encoded, photos, preset):
  problems = [
    problem(prior, encoded.encoder, photo, name=str(i))._replace(
      hyper=inversion.problem.typed(inversion.PRESETS[preset].hyper._replace(num_steps=0))
    )
    for i, photo in enumerate(photos)
  ]
  stages = inversion.stages_of(inversion.PRESETS[preset].within('w_plus', 'zero'))
  found = inversion.run(prior, stages, inversion.stack(problems))
  rows = np.stack([one.start for one in problems])
  np.testing.assert_array_equal(found.latent, rows)
  zero = jax.tree.map(jnp.zeros_like, prior.generator.synthesis.noise_const())
  ours = prior.generator.synthesis(rows[0], zero)
  np.testing.assert_allclose(found.image[0], ours, atol=1e-5)
  assert np.all(np.isnan(found.loss))
  assert np.all(found.num_steps == 0)


def test_no_image_s_beginning_depends_on_its_neighbours(encoded, photos):
  settings = {'task': 'invert', 'num_steps': 3}
  whole = ganjax.restore(encoded, photos, **settings)
  turned = ganjax.restore(encoded, photos[::-1], names=['2', '1', '0'], **settings)
  np.testing.assert_allclose(turned.image, whole.image[::-1], atol=1e-5)
  average = ganjax.restore(encoded.without_encoder(), photos, **settings)
  assert np.any(average.image != whole.image)
  published = [
    ganjax.restore(x, photos[:1], 'identity()', preset='robust_published', num_steps=1).image
    for x in (encoded, encoded.without_encoder())
  ]
  np.testing.assert_array_equal(*published)  # publications begin at the average face
