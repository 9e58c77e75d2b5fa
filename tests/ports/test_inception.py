"""FID's Inception, ported, describes pictures as the PyTorch programs' does.

`inception_narrow.pth` is a state dict with their names, saved by PyTorch 2.15 from pytorch-fid's
network with a sixteenth of its channels, random weights and moments (float16);
`inception_narrow_features.npy` is what that made of `pattern(side)`.
"""

import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from pictures import pattern

import ports.inception
from ganjax import weights
from ganjax.pixels import to_float
from ganjax.training.stylegan2 import frechet
from ports.table import PortError

FOLDER = pathlib.Path(__file__).parent
SOURCE = FOLDER / 'inception_narrow.pth'
SIDES = 128, 256, 330


@pytest.fixture(scope='module')
def ported(tmp_path_factory):
  target = tmp_path_factory.mktemp('ported') / 'inception.safetensors'
  command = [sys.executable, '-m', 'ports.inception', f'--source={SOURCE}', f'--target={target}']
  done = subprocess.run(command, cwd=FOLDER.parents[1], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'Inception v3' in done.stdout
  return target


def test_the_same_features(ported):
  inception = weights.load_inception(ported)
  expected = np.load(FOLDER / 'inception_narrow_features.npy')
  describe = jax.jit(lambda image: inception(image))
  for side, features in zip(SIDES, expected, strict=True):
    np.testing.assert_allclose(describe(to_float(pattern(side))), features, atol=1e-5)
  assert np.abs(expected[0] - expected[1]).max() > 0.1  # sizes make a difference


def test_the_distance_in_its_features(ported):
  inception = weights.load_inception(ported)
  near, far = pattern(128), np.full((128, 128, 3), 128, np.uint8)
  photographs = [near, near[::-1], near[:, ::-1]]
  distance = frechet.of_inception(photographs, inception)
  assert distance(photographs) == pytest.approx(0, abs=1e-4)
  assert distance([near, near, near[::-1]]) < distance([far, far, far])


def changed(tmp_path, old, new):
  path = tmp_path / 'changed.pth'
  path.write_bytes(SOURCE.read_bytes().replace(old, new))
  return path


@pytest.mark.parametrize(
  ('old', 'new', 'reason'),
  [
    (b'Mixed_7c.branch_pool.', b'AuxLogits.branch_poo.', "torchvision's own classifier"),
    (b'Conv2d_1a_3x3', b'Conv2d_1a_3y3', 'holds no Inception v3'),
    (b'Mixed_6e.branch1x1.bn.bias', b'Mixed_6e.branch1x1.bn.bios', "missing tensor 'Mixed_6e"),
  ],
)
def test_other_networks_are_one_line(tmp_path, old, new, reason):
  path = changed(tmp_path, old, new)
  with pytest.raises(PortError, match=reason) as error:
    ports.inception.port(path)
  assert str(error.value).startswith(f'{path}: ')
  assert '\n' not in str(error.value)


def test_weights_of_another_kind_are_refused(ported):
  with pytest.raises(weights.WeightsError, match='holds stylegan2 weights'):
    weights.load_inception(weights.DEFAULT)
  with pytest.raises(weights.WeightsError, match='holds inception weights'):
    weights.load(ported)
