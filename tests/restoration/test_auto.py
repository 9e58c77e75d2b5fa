"""What happened to a photo is found out, photo by photo."""

import json

import numpy as np
import pytest
from PIL import Image

import ganjax
from ganjax.degradations import DegradationError
from ganjax.restoration.auto import Automatic

STEPS = 2


def restored(photos, networks, **options):
  # The projector has one program for each damage, where the default has two.
  settings = {'preset': 'projector', 'num_steps': STEPS}
  return ganjax.restore_photos(photos, networks=networks, **settings, **options)


def degradations(photos):
  return [[face.record['degradation'] for face in photo.faces] for photo in photos]


def smooth(side=64):
  """A face without detail, which would pass for noise in the 16 px of the tiny generator."""
  whole = Image.open('scripts/demo/astronaut.png').convert('RGB')
  return (
    whole.crop((170, 60, 290, 180)).resize((4, 4)).resize((side, side), Image.Resampling.BICUBIC)
  )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A grey, a small, a noisy and a compressed face."""
  path = tmp_path_factory.mktemp('photos')
  smooth().convert('L').save(path / 'a_grey.png')
  smooth(10).save(path / 'b_small.png')
  noisy = np.asarray(smooth(16), float) + np.random.default_rng(0).normal(0, 40, (16, 16, 3))
  Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path / 'c_noisy.png')
  smooth(16).save(path / 'd_compressed.jpg', quality=8)
  return path


def test_every_photo_is_restored_by_what_it_shows(folder, networks, tmp_path):
  photos = restored(folder, networks, align='never', output=tmp_path / 'out')
  assert [photo.failure for photo in photos] == [None] * 4
  found = [one for (one,) in degradations(photos)]
  assert found[0].startswith('grayscale')
  assert found[1].startswith('downsample(size=10')
  assert found[2] == 'noise(sigma=?)'
  assert found[3].endswith('jpeg(quality=8)')  # which has taken the colours, too
  for photo in photos:
    assert photo.faces[0].record['notes'][0].startswith('what shows: ')
  config = json.loads((tmp_path / 'out' / 'config.json').read_text())
  assert config['config']['degradation'] == 'auto'


def test_a_mask_is_known_and_the_rest_is_found_out(networks, tmp_path):
  smooth().convert('L').save(tmp_path / 'grey.png')
  smooth().save(tmp_path / 'colours.png')
  visible = np.full((64, 64), 255, np.uint8)
  visible[20:30, 10:50] = 0
  (tmp_path / 'masks').mkdir()
  for name in ('grey', 'colours'):
    Image.fromarray(visible).save(tmp_path / 'masks' / f'{name}.png')
  photos = [tmp_path / 'grey.png', tmp_path / 'colours.png']
  grey, colours = restored(photos, networks, mask=tmp_path / 'masks', align='never')
  masked = f"mask(file='{tmp_path / 'masks'}')"
  assert degradations([grey, colours]) == [[f'grayscale(mode=luma) | {masked}'], [masked]]
  assert colours.faces[0].record['hidden'] > 0
  far = np.ones((64, 64), bool)
  far[15:35, 5:55] = False
  np.testing.assert_array_equal(colours.image[far], np.asarray(smooth())[far])


def test_transparent_pixels_are_enough(networks):
  pixels = np.dstack([np.asarray(smooth()), np.full((64, 64), 255, np.uint8)])
  pixels[20:30, 10:50, 3] = 0
  (one,) = restored(pixels, networks, align='never')
  assert degradations([one]) == [['mask()']]


def test_only_masks_go_with_it():
  assert Automatic.of('blur()') is None
  assert Automatic.of('auto').spec('') == 'mask()'
  assert Automatic.of('auto | mask(box=1:2:3:4)').spec('grayscale()') == (
    'grayscale() | mask(box=1:2:3:4)'
  )
  with pytest.raises(DegradationError, match='only masks can be given'):
    Automatic.of('auto | blur()')


def test_clean_photos_are_not_degraded_by_what_is_unknown(networks):
  with pytest.raises(ValueError, match='auto: a clean photo cannot be degraded'):
    restored('scripts/demo/astronaut.png', networks, degradation='auto', degrade_first=True)
