"""What pixels tell of the JPEG that they once were."""

import io

import numpy as np
import pytest
from PIL import Image

from ganjax import data
from ganjax.degradations.jpeg import tables_of
from ganjax.degradations.jpeg_traces import coding_in

ASTRONAUT = 'scripts/demo/astronaut.png'


@pytest.fixture(scope='module')
def photo():
  """A face that was never a JPEG, uint8 [200, 200, 3]."""
  return data.decode(ASTRONAUT)[20:220, 120:320]


def saved(pixels, **options):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'JPEG', **options)
  return data.decode(file.getvalue())


@pytest.mark.parametrize('quality', [5, 12, 30, 60, 85])
@pytest.mark.parametrize('sampling', [(2, 2), (1, 1)])
def test_the_coding_of_a_screenshot_is_found(photo, quality, sampling):
  """Wherever the window was: the blocks of a part do not begin with it."""
  subsampling = {(2, 2): '4:2:0', (1, 1): '4:4:4'}[sampling]
  coding = coding_in(saved(photo, quality=quality, subsampling=subsampling)[3:, 13:])
  for ours, own in zip(coding.tables, tables_of(quality), strict=True):
    np.testing.assert_array_equal(ours, own)
  assert [place % 8 for place in coding.origin] == [5, 3]
  if quality >= 60:  # a coarser one leaves hardly any chroma to tell
    assert coding.sampling == sampling
    assert coding.origin == ((13, 3) if sampling == (2, 2) else (5, 3))


def test_what_was_saved_again_is_known_by_the_worse_time(photo):
  again = saved(saved(photo, quality=20), quality=92)
  np.testing.assert_array_equal(coding_in(again).tables[0], tables_of(20)[0])


def changed(pixels, how):
  if how == 'resized':
    return np.asarray(Image.fromarray(pixels).resize((180, 180), Image.Resampling.BICUBIC))
  if how == 'noisy':
    noise = np.random.default_rng(0).normal(0, 6, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)
  return pixels[:20, :20] if how == 'small' else pixels


@pytest.mark.parametrize('how', ['resized', 'noisy', 'small'])
def test_what_hides_its_traces_is_taken_for_no_jpeg(photo, how):
  assert coding_in(changed(saved(photo, quality=20), how)) is None


@pytest.mark.parametrize('quality', [None, 98])
def test_what_was_no_jpeg_or_a_faultless_one_is_none(photo, quality):
  assert coding_in(photo if quality is None else saved(photo, quality=quality)) is None


@pytest.mark.parametrize('value', [0, 128, 255])
def test_a_plain_picture_tells_nothing(value):
  assert coding_in(np.full((64, 64, 3), value, np.uint8)) is None
