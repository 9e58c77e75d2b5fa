"""Files of encoders, and which of them belongs to which generator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from ganjax import weights
from ganjax.models.encoder import Encoder, observation
from ganjax.weights import encoders
from ganjax.weights.parameters import tensors_of


@pytest.fixture(scope='module')
def generator(weights_file):
  return weights_file


@pytest.fixture(scope='module')
def networks(generator):
  return weights.load(generator)


@pytest.fixture(scope='module')
def encoder(networks):
  return tiny.encoder(networks)


@pytest.fixture(scope='module')
def path(networks, encoder, tmp_path_factory):
  own = tmp_path_factory.mktemp('weights') / 'encoder.safetensors'
  own.write_bytes(encoders.to_bytes(encoder, networks.sha256, {'steps': 1}))
  return own


def test_the_round_trip_keeps_float16_s_digits(networks, encoder, path):
  before = tensors_of({'': encoder})
  after = tensors_of({'': encoders.load_encoder(path, networks.sha256)})
  assert before.keys() == after.keys()
  for name, value in before.items():
    np.testing.assert_allclose(after[name], value, rtol=2e-3, atol=1e-6, err_msg=name)


def test_it_comes_with_the_networks_that_it_belongs_to(generator, path):
  found = weights.load(generator, init=path)
  assert isinstance(found.encoder, Encoder)
  assert found.encoder_sha256 == weights.tensor_file.sha256(path)
  alone = found.without_encoder()
  assert (alone.encoder, alone.encoder_sha256) == (None, '')
  assert alone.sha256 == found.sha256


@pytest.mark.parametrize('init', ['auto', 'average'])
def test_other_generators_have_none(generator, init):
  assert weights.load(generator, init=init).encoder is None


def test_what_cannot_be_used_is_refused(generator, path, networks, tmp_path):
  with pytest.raises(weights.WeightsError, match=r'no encoder for these weights .*train_encoder'):
    weights.load(generator, init='encoder')
  with pytest.raises(weights.WeightsError, match='is the encoder of other weights'):
    encoders.load_encoder(path, 'another')
  with pytest.raises(weights.WeightsError, match='holds stylegan2 weights where encoder is needed'):
    weights.load(generator, init=generator)
  with pytest.raises(weights.WeightsError, match='no such weights file'):
    weights.load(generator, init=tmp_path / 'nowhere.safetensors')
  tensors, header = weights.read(path)
  broken = tmp_path / 'broken.safetensors'
  weights.save(broken, tensors, {**header, 'encoder': {'side': 16}})
  with pytest.raises(weights.WeightsError, match='broken header'):
    encoders.load_encoder(broken, networks.sha256)
  del tensors['stem.bias']
  weights.save(broken, tensors, header)
  with pytest.raises(weights.WeightsError, match=r'stem.bias is missing'):
    encoders.load_encoder(broken, networks.sha256)


def test_what_is_hidden_does_not_count(encoder):
  image = jax.random.uniform(jax.random.key(0), (16, 16, 3), minval=-1.0)
  visible = jnp.ones((16, 16, 1)).at[4:9, 2:7].set(0)
  told = jnp.zeros(len(encoder.config.told))
  filled = jnp.where(visible > 0, image, 1.0)
  answer = jax.jit(lambda encoder, *seen: encoder(observation(*seen, told, 16)))
  seen = [answer(encoder, x, visible) for x in (image, filled)]
  np.testing.assert_array_equal(seen[0].rows, seen[1].rows)
  other = answer(encoder, image, jnp.ones_like(visible))
  assert np.any(other.rows != seen[0].rows)


def test_the_bundled_one_belongs_to_the_bundled_generator():
  networks = weights.load()
  assert networks.encoder is not None
  assert networks.encoder.config.num_ws == networks.generator.config.num_ws
  assert encoders.BUNDLED.stat().st_size <= 6e6
  tensors, header = weights.read(encoders.BUNDLED)
  card, told = encoders.BUNDLED.with_suffix('.md').read_text('utf-8'), header['card']
  learned = sum(x.size for name, x in tensors.items() if name not in ('center', 'basis'))
  assert f'{learned / 1e6:.1f} M parameters' in card
  assert f'{told["psnr"]:.2f} dB, and {told["psnr_degraded"]:.2f} dB' in card
  assert f'the mean face has {told["psnr_mean"]:.2f} dB' in card
  assert f'--num_steps={told["steps"]}' in card


def test_a_copy_of_the_bundled_generator_is_known_as_such(generator, tmp_path):
  copy = tmp_path / 'copy.safetensors'
  copy.symlink_to(weights.DEFAULT)
  altered = tmp_path / 'altered.safetensors'
  altered.write_bytes(weights.DEFAULT.read_bytes()[:-1] + b'?')
  known = [weights.is_bundled(path) for path in (None, weights.DEFAULT, copy, altered, generator)]
  assert known == [True, True, True, False, False]
