"""The widely used PyTorch implementation's U-Net, ported, draws the same picture.

`unet_256.pth` is a state dict with that implementation's names, saved by PyTorch from a network of
one to eight channels with random weights and moments; `unet_256_output.npy` has every eighth pixel
of what PyTorch 2.13 made of `pattern(256)` with it (evaluation mode).
"""

import pathlib
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest
from pictures import pattern

import ports.pix2pix
from ganjax.pixels import to_float
from ganjax.weights import pix2pix, tensor_file
from ports import torch_file
from ports.table import PortError

FOLDER = pathlib.Path(__file__).parent
SOURCE = FOLDER / 'unet_256.pth'


def test_the_same_picture(tmp_path):
  target = tmp_path / 'net.safetensors'
  command = [sys.executable, '-m', 'ports.pix2pix', f'--source={SOURCE}', f'--target={target}']
  done = subprocess.run(command, cwd=FOLDER.parents[1], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'U-Net of 256 px' in done.stdout
  translator = pix2pix.load(target)
  assert translator.unet.config.channels == (1, 2, 4, 8, 8, 8, 8, 8)
  made = jax.jit(lambda image: translator.unet(image))(to_float(pattern(256)))
  expected = np.load(FOLDER / 'unet_256_output.npy')
  np.testing.assert_allclose(made[::8, ::8], expected, atol=2e-5)
  assert expected.std() > 0.1


def changed(tmp_path, change):
  """A file whose pickle bytes are changed, for what a state dict must not be."""
  path = tmp_path / 'changed.pth'
  with zipfile.ZipFile(SOURCE) as old, zipfile.ZipFile(path, 'w') as new:
    for member in old.namelist():
      content = old.read(member)
      new.writestr(member, change(content) if member.endswith('.pkl') else content)
  return path


@pytest.mark.parametrize(
  ('old', 'new', 'reason'),
  [
    (b'running_mean', b'running_maen', 'has no batch normalisation'),
    (b'model.model.3.bias', b'model.model.3.bios', "missing tensor 'model.model.3.bias'; unknown"),
    (b'model.model.0.weight', b'model.model.9.weight', 'missing tensor model.model.0.weight'),
  ],
)
def test_other_networks_are_one_line(tmp_path, old, new, reason):
  path = changed(tmp_path, lambda content: content.replace(old, new))
  with pytest.raises(PortError, match=reason) as error:
    ports.pix2pix.port(path)
  assert str(error.value).startswith(str(path))
  assert '\n' not in str(error.value)


def test_no_torch_file(tmp_path):
  path = tmp_path / 'x.pth'
  path.write_bytes(b'hello')
  with pytest.raises(PortError, match='not a file that torch'):
    ports.pix2pix.port(path)
  assert torch_file.is_torch(SOURCE.read_bytes())
  with pytest.raises(tensor_file.WeightsError, match='not a ganjax weights file'):
    pix2pix.load(SOURCE)
