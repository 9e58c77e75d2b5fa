"""What visitors say is wrong, as tasks and degradations."""

import numpy as np
import pytest
from PIL import Image

from ganjax import data
from ganjax.degradations import DegradationError, parse
from ganjax.degradations.jpeg import tables_of
from ganjax.restoration import diagnosis
from ganjax.restoration.diagnosis import Finding
from ganjax.web import damages
from ganjax.web.damages import (
  BLURRED,
  COMPRESSED,
  GREY,
  HOLES,
  NOISY,
  NOTHING,
  SMALL,
  UNKNOWN,
  VisitorError,
  plan,
)


@pytest.mark.parametrize(
  ('wrong', 'task'),
  [
    (BLURRED, 'deblur'),
    (GREY, 'colorize'),
    (SMALL, 'super_resolve'),
    (NOISY, 'denoise'),
    (COMPRESSED, 'dejpeg'),
    (NOTHING, 'invert'),
  ],
)
def test_one_kind_of_damage_is_its_task(wrong, task):
  assert plan([wrong], has_holes=False)[:2] == (task, None)


def test_several_are_joined_in_the_order_in_which_they_happen():
  planned = plan([COMPRESSED, BLURRED, GREY], has_holes=True)
  assert planned.task == 'restore'
  names = [part.split('(')[0].strip() for part in planned.degradation.split('|')]
  assert names == ['blur', 'grayscale', 'mask', 'jpeg']
  parse(planned.degradation)


def test_painting_is_enough_to_have_holes():
  assert plan([], has_holes=True).task == 'inpaint'


@pytest.mark.parametrize(
  ('wrong', 'has_holes', 'message'),
  [
    ([], False, 'Say what is wrong'),
    ([HOLES], False, 'Paint over the holes'),
    ([NOTHING, BLURRED], False, 'excludes all else'),
    ([NOTHING], True, 'excludes all else'),
  ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(wrong, has_holes, message):
  with pytest.raises(VisitorError, match=message) as error:
    plan(wrong, has_holes)
  assert str(error.value).endswith('.')


def test_what_shows_is_taken_where_the_visitor_does_not_know():
  seen = [Finding('grayscale()', 'it is grey'), Finding('noise(sigma=?)', 'noise was measured')]
  planned = plan([UNKNOWN], False, seen)
  assert planned == (
    'restore',
    'grayscale() | noise(sigma=?)',
    ('it is grey', 'noise was measured'),
  )
  assert plan([UNKNOWN], False, seen[:1])[:2] == ('colorize', None)
  blur = Finding(damages._TASKS[BLURRED][1], 'nothing else shows')
  assert plan([UNKNOWN, SMALL], False, [blur]) == ('super_resolve', None, ())


def test_a_degradation_of_ones_own_must_not_name_files():
  assert plan([], False, degradation='blur() | jpeg()')[:2] == ('restore', 'blur() | jpeg()')
  with pytest.raises(DegradationError, match='paint the holes'):
    plan([], False, degradation="mask(file='/etc/passwd')")
  with pytest.raises(DegradationError, match='did you mean blur'):
    plan([], False, degradation='blurr()')


def crop(seed=0, side=64):
  """A smooth image with colours of its own."""
  rng = np.random.default_rng(seed)
  coarse = rng.uniform(40, 215, (4, 4, 3))
  return np.kron(coarse, np.ones((side // 4, side // 4, 1))).astype(np.uint8)


def found(*args):
  return [finding.degradation.split('(')[0] for finding in diagnosis.diagnose(*args)]


def test_damage_that_shows_is_found():
  plain = crop()
  assert found(plain, 64) == ['blur']
  assert found(plain, 30) == ['downsample']
  grey = np.repeat(plain[..., :1], 3, axis=2)
  sepia = np.clip(grey * [1.0, 0.85, 0.6] + [10, 5, 0], 0, 255).astype(np.uint8)
  assert found(grey, 64) == found(sepia, 64) == ['grayscale']
  noise = np.random.default_rng(1).normal(0, 20, plain.shape)
  assert found(np.clip(plain + noise, 0, 255).astype(np.uint8), 64) == ['noise']


def test_noise_that_a_file_has_hidden_is_found():
  fine, coarse = (data.JpegCoding(tables_of(quality), (2, 2)) for quality in (90, 30))
  plain, grey = crop(), np.repeat(crop()[..., :1], 3, axis=2)
  assert found(plain, 128, fine, False, 0.06) == ['noise']
  assert found(plain, 256, fine, False, 0.06) == ['blur']  # averaged away
  assert found(plain, 128, fine, False, 0.03) == ['blur']  # it may be detail
  assert found(plain, 64, coarse, False, 0.06) == ['jpeg']
  assert found(grey, 128, fine, False, 0.06) == ['grayscale']


@pytest.mark.parametrize('quality', [10, 30, 60, 95])
def test_blocks_show_where_the_file_has_coarse_tables_and_the_face_is_not_reduced(
  tmp_path, quality
):
  path = tmp_path / 'x.jpg'
  Image.fromarray(crop()).save(path, quality=quality)
  coding = data.jpeg_coding(path)
  assert ('jpeg' in found(crop(), 64, coding)) == (quality < 45)
  assert 'jpeg' not in found(crop(), 640, coding)  # of which nothing is left in the crop
  # A small face was that small when it was stored.
  assert found(crop(), 20, coding) == ['downsample', 'jpeg'][: 1 + (quality < 45)]
