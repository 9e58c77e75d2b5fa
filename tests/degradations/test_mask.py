import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ganjax.degradations import (
  BoxMask,
  DegradationError,
  FileMask,
  PixelMask,
  RandomBoxMask,
  StrokeMask,
  parse,
  stack,
)

KEY = jax.random.key(0)


@functools.partial(jax.jit, static_argnums=(1, 2))
def visible(mask, height, width):
  return mask.visible(height, width)


def holes(mask, height=64, width=96):
  return np.asarray(visible(mask, height, width))[:, :, 0] == 0


def test_boxes_hide_exactly_their_pixels():
  expected = np.zeros((64, 96), bool)
  expected[10:30, 0:50] = True
  expected[16:48, 72:96] = True
  assert np.array_equal(holes(BoxMask.create(['10:30:0:50', '0.25:0.75:0.75:1.0'])), expected)


def test_holes_are_black_and_the_rest_is_untouched():
  image = np.random.default_rng(0).uniform(-1, 1, (64, 96, 3)).astype(np.float32)
  mask = BoxMask.create(['10:30:0:50'])
  for painted in (np.asarray(mask.model(jnp.asarray(image), KEY)), mask.true(image, KEY)):
    assert np.all(painted[10:30, :50] == -1)
    np.testing.assert_array_equal(painted[:, 50:], image[:, 50:])


def test_fraction_and_pixel_boxes_print_apart():
  text = 'mask(box=1:20:0:5, box=0.1:0.5:0.0:1.0, box=1:0.5:0:1.0)'
  assert str(parse(text)) == text


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ('10:20:30', 'is not top:bottom:left:right'),
    ('a:b:c:d', 'is not top:bottom:left:right'),
    ('-1:5:0:5', 'is not top:bottom:left:right'),
    ('1e1:20:0:5', 'is not top:bottom:left:right'),
    ('.:20:0:5', 'is not top:bottom:left:right'),
    ('20:10:0:5', 'is empty: top must be less than bottom'),
    ('0:5:7:7', 'is empty'),
    ('0.2:1.5:0.0:1.0', 'fraction=1.5 is out of range: use 0 to 1'),
  ],
)
def test_wrong_boxes_are_refused(box, message):
  with pytest.raises(DegradationError, match=message):
    BoxMask.create([box])


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ('0:65:0:5', 'box=0:65:0:5 lies outside the 96×64 picture'),
    ('0:5:90:97', 'lies outside'),
    ('0.5:0.501:0:5', 'hides no pixel of the 96×64 picture'),
    ('40:0.5:0:5', 'hides no pixel'),
    ('0:64:0.0:1.0', 'hides the whole 96×64 picture'),
  ],
)
def test_boxes_are_checked_against_the_size(box, message):
  with pytest.raises(DegradationError, match=message):
    BoxMask.create([box]).check(64, 96)


def test_batch_of_unequal_numbers_of_boxes():
  masks = [BoxMask.create(['1:5:1:5']), BoxMask.create(['2:9:2:9', '0.5:0.75:0.0:0.5'])]
  batch = stack(masks)
  batch.check(64, 96)
  for index, mask in enumerate(masks):
    one = jax.tree.map(lambda leaf, index=index: leaf[index], batch)
    assert np.array_equal(holes(one), holes(mask))
    assert str(one) == str(mask)


def test_strokes_need_places_before_use():
  mask = StrokeMask.create(5)
  for use in (
    lambda: mask.visible(8, 8),
    lambda: mask.model(jnp.zeros((8, 8, 3)), KEY),
    lambda: mask.true(np.zeros((8, 8, 3), np.float32), KEY),
  ):
    with pytest.raises(DegradationError, match=r'call sample\(key\) first'):
      use()


def test_strokes_end_in_opposite_outer_thirds_along_either_axis():
  lines = np.asarray(StrokeMask.create(100).sample(KEY).lines)
  assert lines.min() >= 0
  assert lines.max() <= 1
  downward = (lines[:, 0] <= 1 / 3) & (lines[:, 2] >= 2 / 3)
  rightward = (lines[:, 1] <= 1 / 3) & (lines[:, 3] >= 2 / 3)
  assert np.all(downward | rightward)
  assert 20 < np.sum(downward & ~rightward) < 80


def test_stroke_has_the_width_and_round_ends():
  line = np.asarray([[0.25, 0.5, 0.75, 0.5]], np.float32)
  mask = StrokeMask(np.int32(1), np.float32(0.1), line, 1)
  painted = holes(mask, 100, 200)
  assert np.array_equal(np.nonzero(painted[50])[0], np.arange(95, 105))
  assert np.array_equal(np.nonzero(painted[:, 100])[0], np.arange(20, 80))
  assert not painted[20, 95]


def test_first_strokes_do_not_depend_on_their_number():
  few, many = (holes(StrokeMask.create(count).sample(KEY)) for count in (3, 9))
  assert np.all(many[few])
  assert many.sum() > few.sum()


def test_other_key_gives_other_strokes():
  first, second = (holes(StrokeMask.create(5).sample(jax.random.key(seed))) for seed in (0, 1))
  assert not np.array_equal(first, second)


def test_random_boxes_are_whole_squares_within_the_picture():
  assert RandomBoxMask.create().sample(KEY).places(256, 256)[1] == 75
  seen = np.zeros((64, 96), bool)
  for seed in range(300):
    mask = RandomBoxMask.create(1, 0.5).sample(jax.random.key(seed))
    hole = holes(mask)
    rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    assert len(rows) == len(columns) == 32
    assert hole.sum() == 32 * 32
    seen |= hole
  assert seen.mean() > 0.95  # everywhere, up to the borders


def test_random_boxes_need_places_and_room():
  mask = RandomBoxMask.create(2, 0.1)
  with pytest.raises(DegradationError, match=r'call sample\(key\) first'):
    mask.visible(8, 8)
  with pytest.raises(DegradationError, match='hides no pixel of the 8×8 picture'):
    mask.check(8, 8)


@pytest.mark.parametrize('kind', [StrokeMask, RandomBoxMask])
def test_sampled_masks_stack_too(kind):
  masks = [kind.create(count).sample(KEY) for count in (2, 7)]
  batch = jax.jit(jax.vmap(lambda mask: mask.visible(64, 96)))(stack(masks))
  for index, mask in enumerate(masks):
    assert np.array_equal(batch[index, :, :, 0] == 0, holes(mask))


def save(pixels, path, **kwargs):
  Image.fromarray(pixels).save(path, **kwargs)
  return str(path)


def test_what_is_not_white_in_a_file_is_a_hole(tmp_path):
  grey = np.asarray([[255, 0, 252], [128, 255, 255]], np.uint8)
  mask = FileMask.create(save(grey, tmp_path / 'holes, and "more".png'))
  assert np.array_equal(holes(mask, 2, 3), grey < 250)
  assert np.array_equal(holes(parse(str(mask)), 2, 3), grey < 250)
  assert mask.of_photo('any').grey == pytest.approx(1 / 6)
  with pytest.raises(DegradationError, match=r'is 3×2 px, the picture 15×8'):
    mask.visible(8, 15)


def with_hole(value, background, **kwargs):
  pixels = np.full((8, 12), background, kwargs.pop('dtype', np.uint8))
  pixels[2:4, 3:7] = value
  return pixels


HOLE = with_hole(1, 0) > 0


def drawings():
  """Pictures that all hide the same pixels."""
  colour = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
  yield 'grey', with_hole(0, 255)
  yield '16 bits', with_hole(3000, 65535, dtype=np.uint16)
  yield 'soft', with_hole(240, 255)
  yield 'erased', np.dstack([colour, with_hole(0, 255)])
  yield 'half erased', np.dstack([colour, with_hole(120, 255)])
  black = np.zeros((8, 12, 3), np.uint8)
  yield 'strokes on a layer', np.dstack([black, with_hole(255, 0)])
  red = black + np.uint8([230, 20, 30])
  yield 'red strokes on a layer', np.dstack([red, with_hole(255, 0)])
  yield 'red strokes on white', np.where(HOLE[..., None], red, np.uint8(255))


@pytest.mark.parametrize(
  ('kind', 'pixels'), list(drawings()), ids=lambda x: x if isinstance(x, str) else ''
)
def test_masks_are_decoded_as_pictures_are(tmp_path, kind, pixels):
  mask = FileMask.create(save(pixels, tmp_path / 'mask.png'))
  assert np.array_equal(holes(mask, 8, 12), HOLE)


def test_palettes_and_turned_masks(tmp_path):
  palette = Image.fromarray(with_hole(0, 255)).convert('P')
  palette.save(tmp_path / 'palette.png')
  assert np.array_equal(holes(FileMask.create(str(tmp_path / 'palette.png')), 8, 12), HOLE)
  exif = Image.Exif()
  exif[0x0112] = 6  # to be turned by 90° clockwise
  turned = save(np.rot90(with_hole(0, 255)), tmp_path / 'turned.png', exif=exif)
  assert np.array_equal(holes(FileMask.create(turned), 8, 12), HOLE)


def test_an_inverted_mask_is_asked_about_and_read_when_it_is_said(tmp_path):
  path = save(with_hole(255, 0), tmp_path / 'inverted.png')
  with pytest.raises(DegradationError, match=r'hides 92% .* inverted\? .*--invert_mask'):
    FileMask.create(path)
  mask = parse(f"mask(file='{path}', inverted=1)")
  assert str(mask) == f"mask(file='{path}', inverted=1)"
  assert np.array_equal(holes(mask, 8, 12), HOLE)
  assert np.array_equal(holes(FileMask.create(path, 0), 8, 12), ~HOLE)


def test_files_that_are_no_masks_are_refused(tmp_path):
  black, white, broken = (tmp_path / name for name in ('black.png', 'white.png', 'broken.png'))
  Image.new('L', (4, 4)).save(black)
  Image.new('L', (4, 4), 'white').save(white)
  broken.write_bytes(b'\x89PNG\r\n\x1a\n nonsense')
  for path, message in (
    (black, 'hides everything'),
    (white, 'hides nothing'),
    (broken, 'no whole picture|broken'),
    (tmp_path / 'absent.png', r'cannot be read \(No such file'),
  ):
    with pytest.raises(DegradationError, match=message):
      FileMask.create(str(path))


def test_a_photograph_is_no_mask(tmp_path):
  photo = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
  photo[HOLE] = 0
  with pytest.raises(DegradationError, match='is no mask but a picture'):
    FileMask.create(save(photo, tmp_path / 'copy.png'))


def test_a_folder_has_a_mask_for_each_photo_by_name(tmp_path, monkeypatch):
  (tmp_path / 'masks').mkdir()
  save(with_hole(0, 255), tmp_path / 'masks' / 'me.png')
  save(with_hole(0, 255), tmp_path / 'masks' / 'two.png')
  save(with_hole(0, 255), tmp_path / 'masks' / 'two.jpg')
  monkeypatch.setenv('HOME', str(tmp_path))
  (mask,) = parse("mask(file='~/masks')").operators
  assert np.array_equal(~mask.of_photo('me').visible, HOLE)
  for name, message in (('you', 'no mask called you'), ('two', '2 masks called two')):
    with pytest.raises(DegradationError, match=message):
      mask.of_photo(name)
  with pytest.raises(DegradationError, match='a folder of masks'):
    mask.visible(8, 12)
  (tmp_path / 'masks' / 'sub').mkdir()
  save(with_hole(0, 255), tmp_path / 'masks' / 'sub' / 'you.png')
  assert np.array_equal(~mask.of_photo('sub__you').visible, HOLE)


@pytest.mark.parametrize('quality', [40, 75, 95])
def test_a_mask_that_was_saved_as_a_jpeg_hides_no_more_than_it_did(tmp_path, quality):
  """Its strokes, and a pixel around; not the waves that the JPEG put around them."""
  drawn = np.full((100, 120, 3), 255, np.uint8)
  for offset in range(-2, 3):
    drawn[np.arange(10, 80), np.arange(10, 80) + offset + 10] = 0
  path = tmp_path / 'mask.jpg'
  Image.fromarray(drawn).save(path, quality=quality)
  shown = FileMask.create(str(path)).visible(100, 120)
  hidden, stroke = np.asarray(shown)[:, :, 0] == 0, drawn[:, :, 0] == 0
  assert hidden[stroke].all()
  assert not hidden[~ndimage.binary_dilation(stroke, np.ones((5, 5)))].any()


def test_a_mask_without_arguments_needs_a_photo():
  mask = parse('mask()')
  assert str(mask) == 'mask()'
  with pytest.raises(DegradationError, match='transparent pixels of a photo'):
    mask.visible(8, 8)
  with pytest.raises(DegradationError, match='inverted belongs to a file'):
    parse('mask(inverted=1)')


def test_which_degradations_are_drawn():
  assert parse('blur | mask(strokes=3)').is_partly_drawn
  assert parse('mask(boxes=2)').is_partly_drawn
  assert parse('mask(missing=0.1)').is_partly_drawn
  assert not parse('mask(box=1:2:1:2) | noise').is_partly_drawn


def test_the_share_of_pixels_is_missing_and_more_hides_the_same_and_others():
  few, many = (holes(PixelMask.create(share).sample(KEY)) for share in (0.2, 0.5))
  assert abs(few.mean() - 0.2) < 0.02
  assert abs(many.mean() - 0.5) < 0.02
  assert np.all(many[few])
  assert np.any(holes(PixelMask.create(0.5).sample(jax.random.key(1))) != many)


def test_pixels_have_no_places_before_they_are_sampled():
  with pytest.raises(DegradationError, match='sample'):
    PixelMask.create(0.5).visible(8, 8)
  with pytest.raises(DegradationError, match='missing=1'):
    PixelMask.create(1.0)
