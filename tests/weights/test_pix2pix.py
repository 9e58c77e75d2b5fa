"""The bundled generator, and files that are none."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from ganjax.models.initialisation import initialised
from ganjax.models.unet import UNet, UNetConfig
from ganjax.weights import pix2pix, tensor_file


def test_the_bundled_generator_fits_the_bundled_faces():
  translator = pix2pix.load()
  assert (translator.side, translator.degradation) == (128, 'mask(boxes=2)')
  assert pix2pix.DEFAULT.stat().st_size < 3_000_000
  assert pix2pix.DEFAULT.with_suffix('.md').is_file()
  assert float(jnp.abs(translator.unet.up_norm3.mean[...]).max()) > 0


def made():
  return initialised(UNet, UNetConfig(2, 2, 4, 'batch'), key=jax.random.key(0))


def test_what_is_saved_is_loaded(tmp_path):
  unet = made()
  unet.down1.bias[...] = jnp.arange(4.0)
  unet.up_norm1.variance[...] = jnp.asarray([5.0, 6.0])
  path = tmp_path / 'x.safetensors'
  path.write_bytes(pix2pix.to_bytes(unet, 8, 'blur()', {'note': 1}))
  loaded = pix2pix.load(path)
  assert loaded[1:] == (8, 'blur()', tensor_file.sha256(path))
  assert loaded.unet.config == unet.config
  assert list(loaded.unet.down1.bias[...]) == [0, 1, 2, 3]
  assert list(loaded.unet.up_norm1.variance[...]) == [5, 6]


@pytest.mark.parametrize(
  ('change', 'reason'),
  [
    ({'side': 6}, 'broken header: side 6 is no multiple of 4'),
    ({'generator': {'depth': 2}}, 'broken header: UNetConfig needs exactly'),
    ({'generator': dataclasses.asdict(UNetConfig(2, 2, 4))}, 'tensors do not fit'),
    ({'family': 'stylegan2'}, 'holds stylegan2 weights where pix2pix is needed'),
  ],
)
def test_other_files_are_one_line(tmp_path, change, reason):
  path = tmp_path / 'x.safetensors'
  path.write_bytes(pix2pix.to_bytes(made(), 8, '', change))
  with pytest.raises(tensor_file.WeightsError, match=reason) as error:
    pix2pix.load(path)
  assert '\n' not in str(error.value)
