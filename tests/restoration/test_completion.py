import pathlib

import jax
import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from ganjax import data, faces
from ganjax.degradations import parse
from ganjax.degradations.jpeg import tables_of
from ganjax.metrics import luma_gradient
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import (
  completed,
  completed_blurred,
  completed_jpeg,
  completed_noisy,
  completed_photo,
  noise_in,
)

PICTURE = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
KEY = jax.random.key(0)
SIDE = 32
PROJECTIONS = [
  'grayscale',
  'grayscale(mode=mean)',
  'mask(box=4:12:4:20)',
  'mask(strokes=3, width=0.1) | grayscale',
  'grayscale | mask(missing=0.3)',
]
EVERY = pytest.mark.parametrize('spec', PROJECTIONS)


@pytest.fixture(scope='module')
def pictures() -> tuple[np.ndarray, np.ndarray]:
  """A truth and a restored picture, of middling colours, so that nothing is clipped."""
  shape = (2, SIDE, SIDE, 3)
  truth, restored = np.random.default_rng(0).integers(80, 176, shape).astype(np.uint8)
  return truth, restored


@EVERY
def test_what_is_completed_degrades_to_the_input(spec, pictures):
  truth, restored = pictures
  degradation = parse(spec).sample(KEY)
  assert degradation.is_only_projections
  degraded = degradation.true(to_float(truth), KEY)
  whole = completed(degradation, degraded, restored, fade=0.0)
  again = degradation.true(to_float(whole), KEY)
  assert np.abs(to_bytes(again).astype(int) - to_bytes(degraded)).max() <= 1
  np.testing.assert_allclose(completed(degradation, degraded, truth), truth, atol=1)


@EVERY
def test_applied_again_it_takes_nothing_more(spec, pictures):
  degradation = parse(spec).sample(KEY)
  once = degradation.true(to_float(pictures[0]), KEY)
  np.testing.assert_allclose(degradation.true(once, KEY), once, atol=1.1 / 127.5)


def test_colours_are_the_restored_ones(pictures):
  truth, restored = pictures
  grey = parse('grayscale')
  whole = completed(grey, grey.true(to_float(truth), KEY), restored)
  chroma = [picture[..., 0].astype(int) - picture[..., 2] for picture in (whole, restored)]
  assert np.abs(chroma[0] - chroma[1]).max() <= 1


def test_holes_are_restored_and_their_surroundings_fade(pictures):
  truth, restored = pictures
  degradation = parse('mask(box=8:20:8:20)')
  degraded = degradation.true(to_float(truth), KEY)
  hard, soft = (completed(degradation, degraded, restored, fade) for fade in (0.0, 1 / 16))
  inside = np.zeros((SIDE, SIDE), bool)
  inside[8:20, 8:20] = True
  for whole in (hard, soft):
    np.testing.assert_array_equal(whole[inside], restored[inside])
    np.testing.assert_array_equal(whole[28:], truth[28:])
  np.testing.assert_array_equal(hard[~inside], truth[~inside])
  between = np.minimum(truth, restored) <= soft
  assert np.all(between & (soft <= np.maximum(truth, restored)))
  assert np.any(soft[~inside] != truth[~inside])


def test_a_tint_and_the_colour_of_holes_do_not_matter(pictures):
  truth, restored = pictures
  degradation = parse('mask(box=8:20:8:20) | grayscale')
  degraded = degradation.true(to_float(truth), KEY)
  white = degraded.copy()
  white[8:20, 8:20] = 1
  # Blue is raised and red lowered so that the luminance stays: a tinted print.
  tinted = degraded + np.float32([-0.0114, 0, 0.0299])
  expected = completed(degradation, degraded, restored)
  for other in (white, tinted):
    whole = completed(degradation, other, restored)
    np.testing.assert_allclose(whole.astype(int), expected, atol=1)


@pytest.mark.parametrize('spec', ['identity', 'blur', 'mask(missing=0.5) | noise(sigma=0.1)'])
def test_others_leave_nothing_certain(spec):
  assert not parse(spec).is_only_projections


@pytest.mark.parametrize(
  'spec',
  [
    'downsample(factor=4)',
    'downsample(size=11)',
    'grayscale | downsample(factor=2)',
    'downsample(factor=2) | mask(box=2:6:2:6)',
  ],
)
def test_what_a_small_picture_shows_is_put_back(spec, pictures):
  truth, restored = pictures
  degradation = parse(spec)
  assert degradation.is_completable
  degraded = np.asarray(degradation.expected(to_float(truth)))
  whole = completed(degradation, degraded, restored)
  visible = np.asarray(degradation.visible(*degraded.shape[:2])) > 0
  again = np.asarray(degradation.expected(to_float(whole)))
  before = np.asarray(degradation.expected(to_float(restored)))

  def error(image):
    return np.abs((image - degraded) * visible).mean() * 127.5

  assert error(again) < min(1, error(before) / 10)


@pytest.mark.parametrize(
  'spec',
  [
    'jpeg(quality=4)',
    'jpeg(quality=12)',
    'jpeg(quality=30)',
    'grayscale | jpeg(quality=12)',
    'downsample(factor=2, filter=area) | jpeg(quality=12)',
    'mask(box=0:16:0:128) | jpeg(quality=12)',
    'jpeg(quality=12) | mask(box=20:40:50:90)',
  ],
)
def test_a_jpeg_can_have_been_made_of_what_is_completed(spec, crop):
  truth, restored = crop
  degradation = parse(spec)
  assert degradation.is_completable
  degraded = degradation.true(to_float(truth), KEY)
  whole = completed(degradation, degraded, restored)
  again = degradation.true(to_float(whole), KEY)
  before = degradation.true(to_float(restored), KEY)

  def error(image):
    return np.abs(image - degraded).mean() * 127.5

  assert error(again) < error(before) / 10
  assert np.mean((again == degraded).all(axis=2)) > 0.9


@pytest.mark.parametrize('quality', [8, 15, 40])
def test_a_jpeg_s_own_detail_outweighs_a_restored_face(crop, quality):
  """Of the truth it is nearer than the JPEG even where what was restored is far from it."""
  truth = crop[0]
  soft = np.asarray(Image.fromarray(truth).filter(ImageFilter.GaussianBlur(4)))
  jpeg = parse(f'jpeg(quality={quality})')
  degraded = jpeg.true(to_float(truth), KEY)

  def error(image):
    return np.square(image.astype(float) - truth).mean()

  assert error(soft) > 2 * error(to_bytes(degraded))
  assert error(completed(jpeg, degraded, soft)) < 0.95 * error(to_bytes(degraded))


def test_a_fine_jpeg_hardly_changes(crop):
  jpeg = parse('jpeg(quality=95)')
  degraded = jpeg.true(to_float(crop[0]), KEY)
  moved = completed(jpeg, degraded, crop[1]).astype(int) - to_bytes(degraded)
  assert np.abs(moved).mean() < 1.5


def test_the_edges_of_a_jpeg_s_blocks_do_not_come_back(crop):
  jpeg = parse('jpeg(quality=4)')
  smooth = np.asarray(Image.fromarray(crop[0]).filter(ImageFilter.GaussianBlur(4)))
  degraded = jpeg.true(to_float(smooth), KEY)

  def blockiness(image):
    luma = image.astype(float).mean(axis=2)
    steps = np.abs(np.diff(luma, axis=0))
    return steps[7::8].mean() / np.delete(steps, np.s_[7::8], axis=0).mean()

  soft = np.asarray(Image.fromarray(smooth).filter(ImageFilter.GaussianBlur(6)))
  made = completed(jpeg, degraded, soft)
  assert blockiness(to_bytes(degraded)) > 4 * blockiness(smooth)
  assert blockiness(made) < blockiness(to_bytes(degraded)) / 2


def test_around_holes_of_a_jpeg_whole_blocks_stay(crop):
  """Of what is partly hidden the coefficients are not known, and no colour of holes matters."""
  truth, restored = crop
  degradation = parse('jpeg(quality=12) | mask(box=20:40:50:90)')
  degraded = degradation.true(to_float(truth), KEY)
  white = degraded.copy()
  white[20:40, 50:90] = 1
  whole = completed(degradation, degraded, restored, fade=0.0)
  np.testing.assert_array_equal(completed(degradation, white, restored, fade=0.0), whole)
  np.testing.assert_array_equal(whole[24:32, 56:80], restored[24:32, 56:80])
  assert np.any(whole[:16] != restored[:16])


@pytest.mark.parametrize(
  'spec', ['jpeg | grayscale', 'jpeg | downsample', 'noise(photons=24, drop=0.16) | jpeg']
)
def test_of_other_jpegs_nothing_is_put_back(spec):
  assert not parse(spec).is_completable


@pytest.fixture(scope='module')
def crop() -> tuple[np.ndarray, np.ndarray]:
  """A truth, and a picture about as near to it as restored ones are; nothing is clipped."""
  with Image.open(PICTURE) as picture:
    sharp = np.asarray(picture.convert('RGB').resize((128, 128), Image.Resampling.LANCZOS))
  truth = sharp // 2 + 64
  soft = Image.fromarray(truth).filter(ImageFilter.GaussianBlur(1.5))
  return truth, np.clip(np.array(soft, int) + np.array([6, -4, 0]), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def photo() -> np.ndarray:
  """Fine texture over soft colours, so that lost detail and changed pixels show."""
  rng = np.random.default_rng(1)
  y, x = np.mgrid[:150, :200] / 200
  soft = np.stack([120 + 60 * x, 110 + 40 * y, 130 - 50 * x], axis=-1)
  return np.clip(soft + rng.normal(0, 12, (150, 200, 1)), 0, 255).astype(np.uint8)


def quad(turn=0.2, side=100, centre=(95, 75)):
  across = side / 2 * np.array([np.cos(turn), np.sin(turn)])
  down = np.array([-across[1], across[0]])
  middle = np.array(centre, float)
  return np.stack(
    [middle - across - down, middle - across + down, middle + across + down, middle + across - down]
  )


def face(photo, where, offset=25):
  """What a generator might make of a face: soft, and in somewhat other colours."""
  crop = faces.cut(photo, where, 32).astype(int)
  return np.clip(crop + np.array([offset, -offset, 0]), 0, 255).astype(np.uint8)


def test_only_holes_of_the_photo_and_a_narrow_rim_change(photo):
  where = quad()
  visible = np.ones(photo.shape[:2], bool)
  visible[70:82, 90:104] = False
  damaged = photo.copy()
  damaged[~visible] = 0
  result = completed_photo(damaged, face(photo, where), where, parse('mask()'), visible)
  changed = np.any(result != damaged, axis=2)
  assert changed[~visible].all()
  rows, columns = np.nonzero(changed)
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (69, 82, 89, 104)
  # The filling takes on the colours around it: the generator's were 25 levels off.
  near = photo[60:92, 80:114].reshape(-1, 3).mean(axis=0)
  assert np.abs(result[~visible].mean(axis=0) - near).max() < 8

  def grain(image):
    return np.std(np.diff(image.mean(axis=2), axis=1))

  # And as much grain, of which an enlarged image has none.
  assert grain(result[71:81, 91:103]) == pytest.approx(grain(photo[60:92, 80:114]), rel=0.35)


def test_holes_of_a_crop_lie_where_the_crop_lies(photo):
  where = quad()
  mask = parse('mask(box=8:24:4:12)')
  result = completed_photo(photo, face(photo, where), where, mask, None)
  changed = np.any(result != photo, axis=2)
  (x_u, y_u), (x_v, y_v) = (where[3] - where[0]) / 32, (where[1] - where[0]) / 32
  corners = [
    where[0] + u * np.array([x_u, y_u]) + v * np.array([x_v, y_v])
    for u, v in ((4, 8), (4, 24), (12, 24), (12, 8))
  ]
  hole = faces.covers([np.array(corners)], *photo.shape[:2])
  assert changed[hole].mean() > 0.97
  from scipy import ndimage

  assert not changed[~ndimage.binary_dilation(hole, iterations=4)].any()


def test_a_grey_photo_keeps_its_own_brightness(photo):
  grey = np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
  where = quad()
  result = completed_photo(grey, face(photo, where, 0), where, parse('grayscale'), None)
  luma = result @ np.array([0.299, 0.587, 0.114])
  assert np.abs(luma - grey[..., 0]).max() <= 1.5
  middle = result[65:85, 85:105].astype(int)
  assert np.mean(middle[..., 0] - middle[..., 2]) > 20  # the face's colours
  outside = ~faces.covers([where], *photo.shape[:2])
  np.testing.assert_array_equal(result[outside], grey[outside])


def test_a_hole_in_a_grey_photo_is_filled_in_colour(photo):
  grey = np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
  visible = np.ones(photo.shape[:2], bool)
  visible[70:82, 90:104] = False
  grey[~visible] = 255
  where = quad()
  result = completed_photo(grey, face(photo, where, 0), where, parse('grayscale | mask()'), visible)
  inside, around = result[70:82, 90:104], result[60:68, 90:104]
  assert np.abs(inside.mean(axis=(0, 1)) - around.mean(axis=(0, 1))).max() < 8


def stored(file, mode):
  """A picture in a JPEG file: (as it was, decoded, its coding)."""
  with Image.open(PICTURE) as picture:
    large = picture.convert('RGB').resize((300, 226), Image.Resampling.LANCZOS)
  picture = large.point(lambda value: value // 2 + 64)  # so that nothing is clipped
  if mode == 'grey':
    picture.convert('L').save(file, quality=20)
    picture = picture.convert('L').convert('RGB')
  else:
    picture.save(file, quality=20, subsampling=mode)
  return np.asarray(picture), data.decode(file), data.jpeg_coding(file)


@pytest.mark.parametrize('mode', ['4:4:4', '4:2:2', '4:2:0', 'grey'])
def test_a_face_in_a_jpeg_photo_is_one_that_the_file_can_have_been_made_of(mode, tmp_path):
  truth, decoded, coding = stored(tmp_path / 'me.jpg', mode)
  where = quad(side=180, centre=(142, 110))
  restored = faces.cut(truth, where, 64)  # soft in the photo
  whole = completed_jpeg(decoded, restored, where, decoded, coding)
  pasted = faces.paste(decoded, restored, where)
  outside = ~faces.covers([where], *truth.shape[:2])
  np.testing.assert_array_equal(whole[outside], decoded[outside])

  def error(image):
    return np.square(image[50:170, 80:200].astype(int) - truth[50:170, 80:200]).mean()

  assert error(whole) < 0.9 * error(decoded)
  assert error(whole) < 0.8 * error(pasted)
  if mode == 'grey':
    assert np.ptp(whole, axis=2).max() == 0
    return
  Image.fromarray(whole).save(tmp_path / 'again.jpg', quality=20, subsampling=mode)
  again = data.decode(tmp_path / 'again.jpg')
  assert np.mean(again == decoded) > 0.95


def test_a_jpeg_s_blocks_need_not_begin_with_the_photo(tmp_path):
  """As in a screenshot, whose part gives what the same part of the whole does."""
  truth, decoded, coding = stored(tmp_path / 'me.jpg', '4:2:0')
  where = quad(side=120, centre=(142, 110))
  restored = faces.cut(truth, where, 64)
  whole = completed_jpeg(decoded, restored, where, decoded, coding)
  for top, left in ((3, 13), (58, 90)):  # the second time through the face's own blocks
    moved = coding._replace(origin=(-top % 16, -left % 16))
    part, there = decoded[top:, left:], where - (left, top)
    found = completed_jpeg(part, restored, there, part, moved)
    inner = np.s_[80 - top : 150 - top, 112 - left : 180 - left]
    np.testing.assert_allclose(found[inner].astype(int), whole[80:150, 112:180], atol=1)
    outside = ~faces.covers([there], *part.shape[:2])
    np.testing.assert_array_equal(found[outside], part[outside])


@pytest.mark.parametrize(
  ('spec', 'gain'),
  [
    ('noise(sigma=0.02)', 0.2),
    ('noise(sigma=0.08)', 0.4),
    ('noise(sigma=0.3)', 0.9),
    ('noise(photons=24, drop=0.16)', 0.55),
    ('grayscale | noise(sigma=0.05)', 0.9),
  ],
)
def test_what_noise_leaves_of_the_input_is_taken_from_it(crop, spec, gain):
  """What stands out of the noise, and of the restored picture what does not."""
  truth = crop[0]
  wrong = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, truth.shape), (1, 1, 0))
  restored = np.clip(truth + 12 * wrong / wrong.std(), 0, 255).astype(np.uint8)
  pipeline = parse(spec)
  degraded = pipeline.true(to_float(truth), KEY)

  def error(image):
    return np.square(image.astype(float) - truth).mean()

  found = completed(pipeline, degraded, restored)
  np.testing.assert_array_equal(completed(pipeline.observed(degraded), degraded, restored), found)
  assert error(found) < gain * error(restored)
  if 'gray' not in spec:
    assert error(found) < 0.9 * error(to_bytes(degraded))


def test_noise_that_clips_does_not_lift_the_dark(crop):
  dark = crop[0] // 16
  degraded = parse('noise(sigma=0.2)').true(to_float(dark), KEY)
  found = completed(parse('noise(sigma=0.2)'), degraded, dark)
  assert abs(found.mean() - dark.mean()) < 2 < degraded.mean() * 127.5 + 127.5 - dark.mean()


def test_what_a_blur_left_is_taken_from_the_input(crop):
  """Nearer to the truth, and not much farther where the blur was taken for a wider one."""
  truth, restored = crop
  degraded = parse('blur(kernel_size=41, variance=6)').true(to_float(truth), KEY)

  def error(image):
    return np.square(image[8:-8, 8:-8].astype(float) - truth[8:-8, 8:-8]).mean()

  exact, too_wide = (
    completed(parse(f'blur(kernel_size=41, variance={variance})'), degraded, restored)
    for variance in (6, 9)
  )
  assert error(exact) < 0.8 * error(restored)
  assert error(too_wide) < 1.1 * error(restored)


@pytest.fixture(scope='module')
def large() -> np.ndarray:
  """A photo whose face is three times as large as the generator's."""
  with Image.open(PICTURE) as picture:
    return np.asarray(picture.convert('RGB').resize((480, 480), Image.Resampling.LANCZOS))


def test_a_blurred_photo_keeps_what_is_finer_than_the_generator_s_pixels(large):
  """Where the crop needed nothing the photo stays, to the last bit; else it gets the change."""
  where = quad(side=384, centre=(240, 240))
  crop = faces.cut(large, where, 128)
  np.testing.assert_array_equal(completed_blurred(large, crop, where, large, crop), large)
  brighter = np.clip(crop.astype(int) + 20, 0, 255).astype(np.uint8)
  found = completed_blurred(large, brighter, where, large, crop)
  after, before = (image[150:330, 150:330] for image in (found, large))
  assert np.median(after.astype(int) - before) == 20
  assert luma_gradient(to_float(after)) > 0.95 * luma_gradient(to_float(before))
  outside = ~faces.covers([where], *large.shape[:2])
  np.testing.assert_array_equal(found[outside], large[outside])


def whole(noisy, restored, where):
  """A face back in a noisy photo of which nothing else was restored."""
  deviation = noise_in(noisy, restored, where, faces.cut(noisy, where, len(restored)))
  return completed_noisy(noisy, restored, where, noisy, deviation)


@pytest.mark.parametrize('kind', ['white, 0.03', 'white, 0.1', 'grain'])
def test_a_noisy_photo_keeps_the_detail_that_stands_out(large, kind):
  where = quad(side=384, centre=(240, 240))
  restored = faces.cut(large, where, 128)  # without fault, but that it is small
  if kind == 'grain':
    grain = ndimage.gaussian_filter(
      np.random.default_rng(0).normal(0, 1, large.shape), (1.2, 1.2, 0)
    )
    noisy = np.clip(large + 18 * grain / grain.std(), 0, 255).astype(np.uint8)
  else:
    noisy = to_bytes(parse(f'noise(sigma={kind[7:]})').true(to_float(large), KEY))
  found, pasted = whole(noisy, restored, where), faces.paste(noisy, restored, where)

  def error(image):
    return np.square(image[150:330, 150:330].astype(float) - large[150:330, 150:330]).mean()

  best = min(error(pasted), error(noisy))
  assert error(found) < (1.1 if kind == 'grain' else 0.95) * best
  outside = ~faces.covers([where], *large.shape[:2])
  np.testing.assert_array_equal(found[outside], noisy[outside])


def test_a_dark_noisy_photo_is_not_lifted(large):
  where, dark = quad(side=384, centre=(240, 240)), large // 20
  noisy = to_bytes(parse('noise(sigma=0.2)').true(to_float(dark), KEY))
  found = whole(noisy, faces.cut(dark, where, 128), where)[150:330, 150:330]
  assert abs(found.mean() - dark[150:330, 150:330].mean()) < 6  # of 23 that the noise adds


@pytest.mark.parametrize('kind', ['blur', 'noise'])
def test_neighbours_whose_crops_overlap_get_what_each_gets_alone(large, kind):
  """Where only the second lies, the first makes no difference; where both do, nothing twice."""
  noisy = to_bytes(parse('noise(sigma=0.1)').true(to_float(large), KEY))
  came = large if kind == 'blur' else noisy
  quads = [quad(0, 200, (170, 240)), quad(0, 200, (310, 240))]
  found, alone = came, came
  for where in quads:
    crop = faces.cut(came, where, 128)
    changed = np.clip(crop.astype(int) + 30, 0, 255).astype(np.uint8)
    complete, how = (completed_blurred, crop) if kind == 'blur' else (completed_noisy, 0.1)
    alone = complete(came, changed, where, came, how)
    found = complete(found, changed, where, came, how)
  second = np.s_[160:320, 290:390]  # all of its weight is the second's
  np.testing.assert_array_equal(found[second], alone[second])


@pytest.mark.parametrize('corner', [(-190, 240), (240, -190), (-198, 240)])
def test_a_face_of_which_a_strip_is_in_the_photo_does_no_harm(large, corner):
  where = quad(0, 400, corner)
  restored = faces.cut(large, quad(0, 200, (240, 240)), 128)
  coding = data.JpegCoding(tables_of(30), (2, 2), (13, 13))
  for image in (
    whole(large, restored, where),
    completed_blurred(large, restored, where, large, restored),
    completed_jpeg(large, restored, where, large, coding),
  ):
    assert image.shape == large.shape
    assert np.mean(image != large) < 0.1
