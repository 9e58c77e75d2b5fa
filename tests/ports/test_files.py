"""Files found in the wild are ported whole, or not at all with every reason in one line."""

import hashlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import ganjax.weights
import ports.inception
import ports.stylegan2
import ports.vgg16
from ports.table import PortError, Rule, check_shapes, convert

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPECTED = {
  'ada-skip-32.pkl': ('ada-pytorch', 'skip', 32, 0),
  'ada-conditional-16.pkl': ('ada-pytorch', 'skip', 16, 3),
  'tf-config-f-32.pkl': ('tensorflow', 'skip', 32, 0),
  'rosinality-32.pt': ('rosinality', 'skip', 32, 0),
}


@pytest.mark.parametrize('name', EXPECTED)
def test_reference_files(shared, tmp_path, name):
  source = shared / 'reference' / name
  tensors, header = ports.stylegan2.port(source)
  generator = header['generator']
  found = (
    header['source']['kind'],
    generator['architecture'],
    generator['resolution'],
    generator['c_dim'],
  )
  assert found == EXPECTED[name]
  assert header['source']['sha256'] == hashlib.sha256(source.read_bytes()).hexdigest()
  assert all(array.dtype == np.float32 for array in tensors.values())
  ganjax.weights.save(tmp_path / 'x.safetensors', tensors, header)
  networks = ganjax.weights.load(tmp_path / 'x.safetensors')  # strict in both directions
  assert networks.resolution == EXPECTED[name][2]
  assert networks.template == (2.0, 1.8, 0.1)


def test_both_torch_containers_hold_the_same(shared):
  folder = shared / 'reference'
  zipped, header = ports.vgg16.port(folder / 'vgg16-narrow.pth')
  legacy, _ = ports.vgg16.port(folder / 'vgg16-narrow-legacy.pth')
  assert header['widths'] == [4, 4, 8, 8, 16, 16, 16, 32, 32, 32, 32, 32, 32]
  assert zipped.keys() == legacy.keys()
  for name, array in zipped.items():
    np.testing.assert_array_equal(array, legacy[name])


def test_weights_without_heads_are_refused_where_lpips_is_needed(shared, tmp_path):
  ported = ports.vgg16.port(shared / 'reference' / 'vgg16-narrow.pth')
  ganjax.weights.save(tmp_path / 'x.safetensors', *ported)
  with pytest.raises(ganjax.weights.WeightsError, match='--lpips'):
    ganjax.weights.load_lpips(tmp_path / 'x.safetensors')


def test_the_wrong_kind_of_file_says_so(shared):
  folder = shared / 'reference'
  with pytest.raises(PortError, match='rosinality'):
    ports.stylegan2.port(folder / 'vgg16-narrow.pth')
  with pytest.raises(PortError):
    ports.vgg16.port(folder / 'ada-skip-32.pkl')


def test_all_mismatches_come_together():
  rules = {name: Rule(f'their.{name}', np.asarray) for name in ('a', 'b', 'c')}
  tensors = {
    'their.a': np.zeros(2, np.float32),
    'their.c': np.zeros(3, np.int64),
    'their.extra': np.zeros(1, np.float32),
    'their.buffer': np.zeros(1, np.float32),
  }
  problems: list[str] = []
  converted = convert(rules, tensors, ['their.buffer'], 1000, problems)
  check_shapes(converted, {'a': (3,), 'b': (1,), 'c': (3,)}, rules, problems)
  text = '; '.join(problems)
  for part in ("'their.b'", "'their.extra'", 'not floating point', 'shape'):
    assert part in text
  assert 'their.buffer' not in text
  assert len(problems) == 4


def command(*arguments):
  line = [sys.executable, '-m', *arguments]
  return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


def test_an_empty_target_is_refused(tmp_path):
  result = command('ports.stylegan2', f'--source={tmp_path}', '--target=')
  assert result.returncode == 1
  assert result.stderr == (
    'ports.stylegan2: --target is empty; name the .safetensors file to write\n'
  )


@pytest.mark.parametrize('port', [ports.stylegan2.port, ports.vgg16.port, ports.inception.port])
def test_what_is_no_weight_file_is_refused_in_one_line(tmp_path, port):
  source = tmp_path / 'x.pkl'
  source.write_bytes(b'hello')
  with pytest.raises(PortError) as caught:
    port(source)
  assert str(source) in str(caught.value)
  assert len(str(caught.value).strip().splitlines()) == 1


def test_the_command_refuses_in_one_line(tmp_path):
  """(That of StyleGAN2 is run above, that of Inception in test_inception.py.)"""
  source, target = tmp_path / 'x.pkl', tmp_path / 'x.safetensors'
  source.write_bytes(b'hello')
  result = command('ports.vgg16', f'--source={source}', f'--target={target}')
  assert result.returncode == 1
  assert str(source) in result.stderr
  assert len(result.stderr.strip().splitlines()) == 1
  assert not target.exists()
