"""Pivotal tuning: closer pictures, and a difference that makes them again."""

import dataclasses

import jax
import numpy as np
import pytest

import ganjax
from ganjax import inversion, weights
from ganjax.inversion.presets import Tuning
from ganjax.weights import tuned

PRESET = dataclasses.replace(
  inversion.PRESETS['pivotal'], tuning=Tuning(num_steps=20, learning_rate=3e-3, stop_at=0.0)
)


@pytest.fixture(scope='module')
def photos():
  return np.random.RandomState(2).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def result(prior, photos):
  damage = ganjax.parse_degradation('identity()')
  return ganjax.restore(prior, photos, damage, preset=PRESET, num_steps=4, chunk_steps=4)


def test_tuning_comes_closer_than_the_pivot(prior, photos, result):
  untuned = dataclasses.replace(PRESET, tuning=None)
  damage = ganjax.parse_degradation('identity()')
  pivot = ganjax.restore(prior, photos, damage, preset=untuned, num_steps=4, chunk_steps=4)
  np.testing.assert_allclose(pivot.latent, result.latent, atol=1e-5)
  for i in range(2):
    before, after = (
      inversion.distance(prior.perceptual, r.image[i], photos[i]) for r in (pivot, result)
    )
    assert after < before


def test_the_saved_difference_makes_the_picture_again(networks, result, tmp_path):
  path = tmp_path / 'a.safetensors'
  weights.save(path, result.tuned[1], tuned.header(networks.sha256))
  own = ganjax.load_tuned(path, networks)
  noise = {name: maps[1] for name, maps in result.noise.items()}
  num_ws = networks.generator.config.num_ws
  rows = np.broadcast_to(result.latent[1], (num_ws, 8))
  image = jax.jit(lambda g: g.synthesis(rows, noise))(own.generator)
  np.testing.assert_allclose(image, result.image[1], atol=1e-4)
  assert all(value.dtype == np.float16 for value in result.tuned[1].values())


def test_the_shared_weights_stay_as_they_were(networks, result):
  before = weights.parameters.tensors_of({'g': networks.generator})
  tuned.apply(networks.generator.synthesis, result.tuned[0])
  after = weights.parameters.tensors_of({'g': networks.generator})
  for name, value in before.items():
    np.testing.assert_array_equal(value, after[name])


def test_what_is_near_enough_is_not_tuned(prior, photos):
  preset = dataclasses.replace(PRESET, tuning=Tuning(num_steps=5, stop_at=1e9))
  damage = ganjax.parse_degradation('identity()')
  result = ganjax.restore(prior, photos, damage, preset=preset, num_steps=2, chunk_steps=4)
  assert not any(np.any(value) for value in result.tuned[0].values())


def test_a_difference_to_other_weights_is_refused(networks, result, tmp_path):
  path = tmp_path / 'a.safetensors'
  weights.save(path, result.tuned[0], tuned.header('another'))
  with pytest.raises(weights.WeightsError, match='other weights'):
    ganjax.load_tuned(path, networks)
  broken = dict(result.tuned[0])
  broken.pop('b4.const')
  weights.save(path, broken, tuned.header(networks.sha256))
  with pytest.raises(weights.WeightsError, match=r'b4\.const'):
    ganjax.load_tuned(path, networks)
