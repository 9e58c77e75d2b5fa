"""Weights files load exactly or not at all, and say everything that is wrong at once."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax import weights
from ganjax.weights import WeightsError
from ports import stylegan2


@pytest.fixture
def file(weights_file, tmp_path):
  """A copy, which a test may change."""
  return shutil.copy(weights_file, tmp_path)


@jax.jit
def picture(generator):
  return generator.synthesis(generator.mapping(jnp.ones(8)))


def test_what_is_saved_is_loaded(weights_file, networks):
  loaded = weights.load(weights_file)
  np.testing.assert_array_equal(picture(loaded.generator), picture(networks.generator))
  assert loaded.resolution == 16
  assert loaded.template.eye_scale == 2.0


def test_all_mismatches_are_named_together(file):
  tensors, header = weights.read(file)
  del tensors['generator.mapping.w_avg']
  tensors['generator.extra'] = np.zeros(3)
  tensors['discriminator.b4.fc.bias'] = np.zeros(5, np.float32)
  weights.save(file, tensors, header)
  with pytest.raises(WeightsError) as caught:
    weights.load(file)
  message = str(caught.value)
  assert 'generator.mapping.w_avg is missing' in message
  assert 'generator.extra is not expected' in message
  assert 'discriminator.b4.fc.bias has shape (5,)' in message
  assert '\n' not in message


def broken(header, **changes):
  return {**header, 'generator': {**header['generator'], **changes}}


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda h: {**h, 'family': 'vgg16'}, 'holds vgg16 weights where stylegan2 is needed'),
    (lambda h: {k: v for k, v in h.items() if k != 'template'}, 'broken header'),
    (lambda h: broken(h, architecture='dense'), "unknown architecture 'dense'"),
    (lambda h: broken(h, resolution=24), 'power of two'),
    (lambda h: broken(h, channels={'4': 1}), 'channels must be given at'),
    (lambda h: broken(h, depth=3), 'needs exactly'),
  ],
)
def test_a_wrong_header_is_one_line(file, change, message):
  tensors, header = weights.read(file)
  weights.save(file, tensors, change(header))
  with pytest.raises(WeightsError, match=message) as caught:
    weights.load(file)
  assert str(caught.value).startswith(str(file))
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'not weights', b'\xff' * 100, b'\x80\x04K\x01.'])
def test_other_files_are_refused(tmp_path, content):
  path = tmp_path / 'x.pkl'
  path.write_bytes(content)
  with pytest.raises(WeightsError, match='not a ganjax weights file'):
    weights.load(path)
  with pytest.raises(WeightsError, match='no such weights file'):
    weights.load(tmp_path / 'missing')


def test_bfloat16_is_close(weights_file, networks):
  exact, rough = networks.generator, weights.load(weights_file, 'bfloat16').generator
  a, b = picture(exact), picture(rough)
  assert b.dtype == jnp.float32
  assert 0 < np.std(a - b) < 0.05 * np.std(a)


@pytest.fixture(scope='module')
def first(shared, tmp_path_factory):
  """The file of the first bundled weights, ported as it was then."""
  path = tmp_path_factory.mktemp('weights') / 'first.safetensors'
  weights.save(path, *stylegan2.port(shared / 'weights' / 'stylegan2-faces128.pkl', 'tight'))
  return path


def test_the_first_bundled_weights_do_what_they_were_ported_from(first, shared):
  loaded = weights.load(first)
  expected = np.load(shared / 'weights' / 'stylegan2-faces128.npz')
  ws = jax.vmap(lambda z: loaded.generator.mapping(z, psi=0.7))(expected['z'])
  np.testing.assert_allclose(ws, expected['ws_psi07'], atol=1e-4)
  synthesis = jax.jit(jax.vmap(lambda g, ws: g.synthesis(ws), in_axes=(None, 0)))
  images = synthesis(loaded.generator, expected['ws_psi07'])
  reference = np.moveaxis(expected['image_const'], 1, -1)
  assert np.max(np.abs(images - reference)) < 1e-4 * np.std(reference) * 10
  logits = jax.jit(lambda d, x: d.logits(x))(loaded.discriminator, reference)
  np.testing.assert_allclose(logits, expected['d_logits'][:, 0], atol=1e-3)


def test_the_card_of_the_bundled_weights_is_theirs():
  tensors, header = weights.read(weights.networks.DEFAULT)
  card = weights.networks.DEFAULT.with_suffix('.md').read_text('utf-8')
  learned = {n: t.size for n, t in tensors.items() if not n.endswith(('noise_const', 'w_avg'))}
  sizes = {
    part: sum(size for name, size in learned.items() if name.startswith(f'{part}.')) / 1e6
    for part in ('generator', 'discriminator')
  }
  assert (
    f'generator {sizes["generator"]:.2f} M, discriminator {sizes["discriminator"]:.2f} M' in card
  )
  assert f'{header["card"]["pictures"]:,} photographs' in card
  assert f'{header["card"]["kimg"]:.0f} thousand pictures' in card
  assert header['card']['terms'] == 'research, non-commercial use'
  assert all(np.all(np.isfinite(tensor)) for tensor in tensors.values())
