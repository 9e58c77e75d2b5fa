"""Checkpoints as people have them: saved by a training, in parallel, of other networks."""

import pickle
import subprocess
import sys
import types
import zipfile

import jax
import numpy as np
import pytest

import ganjax.weights
import ports.stylegan2
from ports.table import PortError

W, C = 6, 4  # widths of the mapping network and of the convolutions
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16


def rosinality(channels=3):
  """The state dict of an 8 px generator with random weights."""
  rng = np.random.default_rng(0)
  shapes = {'input.input': (1, C, 4, 4)}
  for i in (1, 2):
    shapes |= {f'style.{i}.weight': (W, W), f'style.{i}.bias': (W,)}
  for layer in ('conv1', 'convs.0', 'convs.1'):
    shapes |= {f'{layer}.conv.weight': (1, C, C, 3, 3), f'{layer}.activate.bias': (C,)}
    shapes |= {f'{layer}.noise.weight': (1,)}
  for layer in ('to_rgb1', 'to_rgbs.0'):
    shapes |= {f'{layer}.conv.weight': (1, channels, C, 1, 1)}
    shapes |= {f'{layer}.bias': (1, channels, 1, 1)}
  for layer in ('conv1', 'convs.0', 'convs.1', 'to_rgb1', 'to_rgbs.0'):
    shapes |= {f'{layer}.conv.modulation.weight': (C, W), f'{layer}.conv.modulation.bias': (C,)}
  for i, side in enumerate((4, 8, 8)):
    shapes |= {f'noises.noise_{i}': (1, 1, side, side)}
  made = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
  for i in (1, 2):  # stored a hundred times larger, for the rate of learning
    made[f'style.{i}.weight'] *= 100
    made[f'style.{i}.bias'] *= 100
  return made | {name: FILTER for name in ('convs.0.conv.blur.kernel', 'to_rgbs.0.upsample.kernel')}


def saved(path, value):
  """A file as torch.save writes it; arrays stand for tensors."""
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('archive/data.pkl', pickle.dumps(value, protocol=2))
  return path


def in_parallel(state):
  return {f'module.{name}': array for name, array in state.items()}


def port(source, target):
  command = [sys.executable, '-m', 'ports.stylegan2', f'--source={source}', f'--target={target}']
  return subprocess.run(command, capture_output=True, text=True)


def test_a_missing_average_is_estimated(tmp_path):
  source = saved(tmp_path / 'x.pt', {'g': {}, 'g_ema': rosinality(), 'g_optim': {'state': {0: 1}}})
  target = tmp_path / 'x.safetensors'
  done = port(source, target)
  assert done.returncode == 0, done.stderr
  said = done.stdout.splitlines()
  assert 'skip generator' in said[0]
  assert said[1:] == ['no latent_avg in the file: estimated from 10000 samples of z']
  mapping = ganjax.weights.load(target).generator.mapping
  z = jax.random.normal(jax.random.key(1), (20_000, W))
  w = np.asarray(jax.vmap(lambda one: mapping.w(one))(z))
  error = np.abs(np.asarray(mapping.w_avg[...]) - w.mean(axis=0))
  assert (error < 5 * w.std(axis=0) / 80).all()  # 80² < 1 / (1 / 10000 + 1 / 20000)
  assert (np.abs(w.mean(axis=0)) > 10 * w.std(axis=0) / 80).any()  # so that 0 would be noticed


def test_an_average_that_is_there_is_kept(tmp_path):
  average = np.arange(W, dtype=np.float32)
  source = saved(tmp_path / 'x.pt', {'g_ema': rosinality(), 'latent_avg': average})
  tensors, header = ports.stylegan2.port(source)
  np.testing.assert_array_equal(tensors['generator.mapping.w_avg'], average)
  assert 'notes' not in header['source']


@pytest.mark.parametrize(
  'wrapped',
  [
    {'g_ema': in_parallel(rosinality())},
    {'g': rosinality()},
    {'g': in_parallel(rosinality()), 'g_ema': None},
    rosinality(),
    in_parallel(rosinality()),
  ],
)
def test_the_same_generator_in_other_wrappings(tmp_path, wrapped):
  plain, _ = ports.stylegan2.port(saved(tmp_path / 'plain.pt', {'g_ema': rosinality()}))
  tensors, header = ports.stylegan2.port(saved(tmp_path / 'x.pt', wrapped))
  assert plain.keys() == tensors.keys()
  for name, array in plain.items():
    np.testing.assert_array_equal(array, tensors[name])
  assert any("no moving average 'g_ema'" in n for n in header['source']['notes']) == (
    'g' in wrapped
  )


@pytest.mark.parametrize('channels', [1, 4])
def test_pictures_that_are_not_rgb_are_refused(tmp_path, channels):
  source = saved(tmp_path / 'x.pt', {'g_ema': rosinality(channels)})
  with pytest.raises(PortError, match=f'have {channels} channels; ganjax works with 3') as error:
    ports.stylegan2.port(source)
  assert str(error.value).startswith(f'{source}: generator')
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('missing', ['style.1.weight', 'style.2.bias', 'to_rgb1.bias'])
def test_half_a_generator_is_refused(tmp_path, missing):
  state = rosinality()
  del state[missing]
  with pytest.raises(PortError, match=missing):
    ports.stylegan2.port(saved(tmp_path / 'x.pt', {'g_ema': state}))


class Persistent:
  """Pickles to a network of NVIDIA's: a call that Python would run, and the port only reads."""

  def __init__(self, name, children=(), **state):
    modules = dict(children)
    state |= {'_parameters': {}, '_buffers': {}, '_modules': modules}
    self.meta = {'type': 'class', 'class_name': name, 'module_src': '', 'state': state}

  def __reduce__(self):
    return sys.modules['torch_utils.persistence']._reconstruct_persistent_obj, (self.meta,)


@pytest.fixture
def nvidia(monkeypatch):
  for name in ('torch_utils', 'torch_utils.persistence', 'training.networks_stylegan3'):
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
  for module, name in (
    ('torch_utils.persistence', '_reconstruct_persistent_obj'),
    ('training.networks_stylegan3', 'Generator'),
  ):

    def function(*_):
      raise AssertionError('run')

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    setattr(sys.modules[module], name, function)


def test_stylegan3_is_told_by_its_name(tmp_path, nvidia):
  layers = {'input': Persistent('SynthesisInput'), 'L0_36_512': Persistent('SynthesisLayer')}
  synthesis = Persistent('SynthesisNetwork', layers)
  network = Persistent('Generator', {'synthesis': synthesis}, img_resolution=256, z_dim=512)
  named = sys.modules['training.networks_stylegan3'].Generator
  for i, value in enumerate([{'G': None, 'D': None, 'G_ema': network}, {'G_ema': named}]):
    path = tmp_path / f'{i}.pkl'
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(PortError, match='this is StyleGAN3; ganjax reads StyleGAN2') as error:
      ports.stylegan2.port(path)
    assert '\n' not in str(error.value)
