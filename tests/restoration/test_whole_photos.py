"""Faces put back into photos that several degradations have damaged."""

import pathlib

import jax
import numpy as np
import pytest
from PIL import Image

from ganjax import data, faces
from ganjax.degradations import parse
from ganjax.degradations.cells import noise_before
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import completed
from ganjax.restoration.faces import Face
from ganjax.restoration.holes import Holes
from ganjax.restoration.result import Result
from ganjax.restoration.whole_photos import WholePhotos

PICTURE = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
SCALE = 3  # by which the faces are larger than the generator's
SIDE = 64
INNER = np.s_[80:160, 80:160]
# What is done to the photo, and what that comes to in a crop a third as large.
DAMAGE = {
  'grayscale | noise': ('grayscale | noise(sigma=0.15)', 'grayscale | noise(sigma=0.05)'),
  'grayscale | jpeg': ('grayscale | jpeg(quality=15)', 'grayscale | jpeg(quality=50)'),
  'noise | jpeg': (
    'noise(sigma=0.1) | jpeg(quality=50)',
    'noise(sigma=0.033) | jpeg(quality=75)',
  ),
  'blur | jpeg': (
    'blur(kernel_size=9, variance=1) | jpeg(quality=75)',
    'blur(kernel_size=3, variance=0.11) | jpeg(quality=90)',
  ),
  'noise | mask': (
    'noise(sigma=0.15) | mask(box=108:132:108:132)',
    'noise(sigma=0.05) | mask(box=28:36:28:36)',
  ),
}
DETAILED = list(DAMAGE)
DAMAGE['mask | noise'] = 'noise(sigma=0.15)', 'mask(box=28:36:28:36) | noise(sigma=0.05)'


@pytest.fixture(scope='module')
def truth() -> np.ndarray:
  with Image.open(PICTURE) as picture:
    return np.asarray(picture.convert('RGB').resize((240, 240), Image.Resampling.LANCZOS))


def quad(x, y=120.0):
  half = SCALE * SIDE / 2
  corners = [(-half, -half), (-half, half), (half, half), (half, -half)]
  return np.array(corners) + np.array([x, y])


def damaged(truth, kind, folder):
  """The photo as it came, and the coding of its file."""
  made = parse(DAMAGE[kind][0])
  if not made.operators[-1].is_codec:
    return to_bytes(made.true(to_float(truth), jax.random.key(1))), None
  *others, codec = made.operators
  before = to_float(truth)
  for operator in others:
    before = operator.true(before, jax.random.key(1))
  file = folder / 'photo.jpg'
  Image.fromarray(to_bytes(before)).save(file, quality=int(codec.quality))
  return data.decode(file), data.jpeg_coding(file)


def restored(truth, came, coding, kind, where, number=0, count=1, is_degraded=True):
  """A face and its result, which is without fault but for being small."""
  crop = faces.Crop(faces.cut(came, where, SIDE), where)
  face = Face(
    f'photo_{number}',
    'photo',
    number,
    count,
    crop,
    'photo',
    Holes(came.shape[:2], {}, None),
    photo=came,
    coding=coding,
    noise=noise_before(came, coding) if coding and 'noise' in kind else None,
    is_degraded=is_degraded,
  )
  damage, image = parse(DAMAGE[kind][1]), faces.cut(truth, where, SIDE)
  images = {'restored': image, 'completed': completed(damage, to_float(crop.image), image)}
  return face, Result(face.name, 'photo', images, degradation=damage)


def error(image, truth):
  return np.square(image[INNER].astype(float) - truth[INNER]).mean()


@pytest.mark.parametrize('kind', DETAILED)
def test_the_photo_s_own_detail_stays(truth, kind, tmp_path):
  came, coding = damaged(truth, kind, tmp_path)
  where = quad(120)
  face, result = restored(truth, came, coding, kind, where)
  whole = WholePhotos().add(face, result)
  pasted = faces.paste(came, result.best, where)
  most = 0.97 if kind == 'blur | jpeg' else 0.95  # of little detail the JPEG tells little
  assert error(whole, truth) < most * min(error(came, truth), error(pasted, truth))


@pytest.mark.parametrize('kind', [*DETAILED, 'mask | noise'])
def test_around_a_face_noise_and_blocks_go(truth, kind, tmp_path):
  came, coding = damaged(truth, kind, tmp_path)
  where = quad(120)
  whole = WholePhotos().add(*restored(truth, came, coding, kind, where))
  outside = ~faces.covers([where], *came.shape[:2])
  if kind == 'blur | jpeg':  # whose file, of quality 75, shows no blocks
    np.testing.assert_array_equal(whole[outside], came[outside])
    return
  wanted = to_float(truth)
  for operator in parse(DAMAGE[kind][0]).operators:
    if operator.is_projection:  # what it takes is missing around the face, too
      wanted = operator.true(wanted, jax.random.key(0))
  left, before = (
    np.square(image[outside].astype(float) - to_bytes(wanted)[outside]).mean()
    for image in (whole, came)
  )
  assert left < (0.5 if 'noise' in kind else 0.97) * before


def test_around_a_clean_photo_s_face_all_stays(truth, tmp_path):
  kind, where = 'grayscale | noise', quad(120)
  face, result = restored(truth, truth, None, kind, where, is_degraded=False)
  outside = ~faces.covers([where], *truth.shape[:2])
  np.testing.assert_array_equal(WholePhotos().add(face, result)[outside], truth[outside])


def test_without_what_it_takes_the_completed_crop_is_pasted(truth, tmp_path):
  where = quad(120)
  for kind, coding, is_degraded in (
    ('noise | jpeg', None, True),  # of the photo's file nothing is known
    ('grayscale | noise', None, False),  # the photo is clean, its crop was degraded
  ):
    came, _ = damaged(truth, kind, tmp_path)
    face, result = restored(truth, came, coding, kind, where, is_degraded=is_degraded)
    whole = WholePhotos().add(face, result)
    np.testing.assert_array_equal(whole, faces.paste(came, result.best, where))


def test_what_was_seen_in_a_hole_before_noise_is_the_completed_crop_s(truth, tmp_path):
  came, coding = damaged(truth, 'mask | noise', tmp_path)
  face, result = restored(truth, came, coding, 'mask | noise', quad(120))
  pasted = faces.paste(came, result.best, quad(120))
  np.testing.assert_array_equal(WholePhotos().add(face, result)[INNER], pasted[INNER])


def test_neighbours_whose_crops_overlap_keep_their_colours(truth, tmp_path):
  kind = 'grayscale | noise'
  came, coding = damaged(truth, kind, tmp_path)
  photos = WholePhotos()
  quads = [quad(70), quad(170)]
  assert photos.add(*restored(truth, came, coding, kind, quads[0], 0, 2)) is None
  whole = photos.add(*restored(truth, came, coding, kind, quads[1], 1, 2))
  alone = WholePhotos().add(*restored(truth, came, coding, kind, quads[0]))
  rim = np.s_[80:160, 76:84]  # of the second, where its colours have hardly begun
  colours = [np.ptp(image[rim].astype(float), axis=2).mean() for image in (whole, alone)]
  assert colours[0] > 0.7 * colours[1] > 0
