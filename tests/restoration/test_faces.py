"""From photos to faces: masks and sizes follow, and what does not fit is told."""

import numpy as np
import pytest
from PIL import Image

from ganjax import data, faces
from ganjax.degradations import DegradationError, parse
from ganjax.restoration.faces import Photo, Search, coding_of, faces_at, faces_of, find_faces

SIDE = 32
PIXELS = np.random.default_rng(0).integers(60, 200, (96, 96, 3)).astype(np.uint8)


def photo(pixels=PIXELS, name='me'):
  return Photo(name, f'{name}.png', lambda: pixels)


def search(*specs, **options):
  given = {'align': 'never', 'as_is': True, **options}
  return Search(faces.TIGHT, SIDE, degradations=tuple(map(parse, specs)), **given)


def drawn(tmp_path, shape=(96, 96), where=(slice(24, 48), slice(30, 60)), name='mask.png'):
  mask = np.full(shape, 255, np.uint8)
  mask[where] = 0
  Image.fromarray(mask).save(tmp_path / name)
  return str(tmp_path / name)


def visible(face, spec):
  return np.asarray(face.located(parse(spec), SIDE).visible(SIDE, SIDE))[:, :, 0] > 0


def test_a_mask_of_the_photos_size_is_reduced_with_it(tmp_path):
  spec = f"mask(file='{drawn(tmp_path)}')"
  (face,) = faces_of(photo(), search(spec))
  shown = visible(face, spec)
  expected = np.ones((SIDE, SIDE), bool)
  expected[8:16, 10:20] = False
  assert not shown[~expected].any()
  # Only pixels into which none of the hole is mixed count as visible: a rim of two at most.
  grown = np.ones((SIDE, SIDE), bool)
  grown[6:18, 8:22] = False
  assert shown[grown].all()
  np.testing.assert_array_equal(
    face.holes.visible, np.asarray(Image.open(tmp_path / 'mask.png')) > 0
  )


def test_a_mask_of_the_crops_size_serves_as_it_is(tmp_path):
  spec = f"mask(file='{drawn(tmp_path, (SIDE, SIDE), (slice(3, 9), slice(4, 5)))}')"
  (face,) = faces_of(photo(), search(spec))
  np.testing.assert_array_equal(
    visible(face, spec), np.asarray(Image.open(tmp_path / 'mask.png')) > 0
  )
  assert not face.holes.are_of_photo


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
  spec = f"mask(file='{drawn(tmp_path, (50, 60))}')"
  with pytest.raises(DegradationError, match=r'is 60×50 px, the photo 96×96, its crop 32×32'):
    faces_of(photo(), search(spec))


def test_a_mask_goes_where_the_crop_goes(tmp_path):
  """A mask that was cut out with the face lies where the face's own hole lies."""
  pixels = np.full((200, 300, 3), 128, np.uint8)
  hole = slice(90, 110), slice(140, 170)
  pixels[hole] = 255
  path = drawn(tmp_path, (200, 300), hole)
  corners = np.array([(110, 60), (90, 140), (170, 160), (190, 80)], float)  # turned by 14°
  crop = faces.Crop(faces.cut(pixels, corners, SIDE), corners)
  shown = faces.crop_mask(np.asarray(Image.open(path)) > 0, corners, SIDE, SIDE)
  white = crop.image.min(axis=2) > 250
  assert white.sum() > 40
  assert not shown[white].any()
  assert np.abs(crop.image[shown].astype(int) - 128).max() <= 8  # nothing of the hole is mixed in


def test_transparent_pixels_are_holes():
  alpha = np.full((96, 96), 255, np.uint8)
  alpha[24:48, 30:60] = 0
  (face,) = faces_of(photo(np.dstack([PIXELS, alpha])), search('mask()'))
  assert 0 < (~visible(face, 'mask()')).mean() < 0.2
  # With any other damage, too.
  (face,) = faces_of(photo(np.dstack([PIXELS, alpha])), search('blur(kernel_size=3, variance=1)'))
  assert not visible(face, 'blur(kernel_size=3, variance=1)').all()
  # Studies have whole photos.
  (face,) = faces_of(photo(np.dstack([PIXELS, alpha])), search('grayscale', as_is=False))
  assert visible(face, 'grayscale').all()


@pytest.mark.parametrize('alpha', [254, 200])
def test_a_photo_that_is_nowhere_erased_has_no_holes(alpha):
  pixels = np.dstack([PIXELS, np.full((96, 96), alpha, np.uint8)])
  (face,) = faces_of(photo(pixels), search('grayscale'))
  assert face.holes.opaque is None


def test_a_face_that_is_hidden_as_a_whole_is_refused(tmp_path):
  spec = f"mask(file='{drawn(tmp_path, where=(slice(0, 95), slice(0, 95)))}', inverted=0)"
  with pytest.raises(DegradationError, match='hides the whole face'):
    faces_of(photo(), search(spec))


def test_without_holes_the_ways_to_say_where_they_are_are_named():
  with pytest.raises(DegradationError, match=r'--mask=.*transparent.*box'):
    faces_of(photo(), search('mask()'))


def test_a_face_of_which_nothing_is_hidden_is_left_as_it_was(tmp_path, monkeypatch):
  quads = [faces.full_quad(PIXELS[:40, :40]) + np.array([x, 0]) for x in (0, 50)]
  crops = [faces.Crop(faces.cut(PIXELS, quad, SIDE), quad) for quad in quads]
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: crops)
  spec = f"mask(file='{drawn(tmp_path, where=(slice(10, 20), slice(60, 70)))}')"
  (face,) = faces_of(photo(), search(spec))
  assert (face.name, face.number, face.num_faces) == ('me_1', 0, 1)
  assert 'a face is left as it was: the mask hides nothing' in face.notes[0]
  spec = f"mask(file='{drawn(tmp_path, where=(slice(80, 90), slice(60, 70)))}')"
  with pytest.raises(DegradationError, match='hides nothing of the face'):
    faces_of(photo(), search(spec))


@pytest.mark.parametrize('spec', ['mask', 'downsample(factor=?)', 'downsample(factor=2)'])
def test_faces_are_put_where_they_were_found(tmp_path, monkeypatch, spec):
  if spec == 'mask':  # of the right face alone
    spec = f"mask(file='{drawn(tmp_path, where=(slice(10, 20), slice(60, 70)))}')"
  quads = [faces.full_quad(PIXELS[:20, :20]) + np.array([x, 6]) for x in (2, 55)]
  crops = [faces.Crop(faces.cut(PIXELS, quad, search(spec).size), quad) for quad in quads]
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: crops)
  found = faces_of(photo(), search(spec))
  monkeypatch.setattr(faces, 'align', None)  # nothing is looked for again
  again = faces_at(photo(), {face.name: face.crop.quad for face in found}, search(spec))
  for face, other in zip(found, again, strict=True):
    for part in ('name', 'number', 'num_faces', 'photo_name', 'source', 'scale'):
      assert getattr(other, part) == getattr(face, part)
    np.testing.assert_array_equal(other.crop.quad, face.crop.quad)
    np.testing.assert_array_equal(other.photo, PIXELS)
    np.testing.assert_array_equal(visible(other, spec), visible(face, spec))


def test_what_lies_outside_of_the_face_is_told(tmp_path, monkeypatch):
  quad = faces.full_quad(PIXELS[:40, :40])
  crop = faces.Crop(faces.cut(PIXELS, quad, SIDE), quad)
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: [crop])
  (face,) = faces_of(photo(), search(f"mask(file='{drawn(tmp_path)}')"))
  told = '74% of the hole lies outside of the face and is filled smoothly'
  assert face.notes[0].startswith(told)
  around = ~(np.asarray(Image.open(tmp_path / 'mask.png')) == 0)
  np.testing.assert_array_equal(face.background[around], PIXELS[around])
  assert face.background[~around].std() < PIXELS.std() / 2


def test_transparent_surroundings_stay(monkeypatch):
  """As of a face that was cut out."""
  quad = faces.full_quad(PIXELS[:40, :40])
  crop = faces.Crop(faces.cut(PIXELS, quad, SIDE), quad)
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: [crop])
  alpha = np.full((96, 96), 255, np.uint8)
  alpha[30:] = 0
  (face,) = faces_of(photo(np.dstack([PIXELS, alpha])), search('mask'))
  assert 'of the hole lies outside of the face and stays' in face.notes[0]
  np.testing.assert_array_equal(face.background, PIXELS)


@pytest.mark.parametrize(('width', 'size'), [(16, 16), (21, 21), (12, 12), (31, 31)])
def test_the_factor_of_a_small_face_follows_from_its_size(width, size):
  small = PIXELS[:width, :width]
  (face,) = faces_of(photo(small), search('downsample(factor=?)'))
  np.testing.assert_array_equal(face.crop.image, small)
  assert face.located(parse('downsample(factor=?)'), SIDE).output_shape(SIDE, SIDE) == (size, size)
  assert face.scale == pytest.approx(SIDE / width)


def test_faces_cut_out_of_photos_have_few_sizes(monkeypatch):
  quad = faces.full_quad(PIXELS[:60, :60]) / 3 + 0.3  # 20 px
  turned = quad @ np.array([[1.0, 0.1], [-0.1, 1.0]])  # 20.1 px
  crops = [faces.Crop(faces.cut(PIXELS, one, SIDE), one) for one in (quad, turned + 20)]
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: crops)
  found = faces_of(photo(), search('downsample(factor=?)'))
  assert [len(face.crop.image) for face in found] == [20, 21]
  assert found[0].scale == found[1].scale == pytest.approx(1.6)


def test_a_large_face_has_nothing_to_enlarge_and_a_wrong_factor_is_refused():
  with pytest.raises(faces.FaceError, match=r'96 px wide, and .* 32: there is nothing to enlarge'):
    faces_of(photo(), search('downsample(factor=?)'))
  with pytest.raises(faces.FaceError, match=r'16 px wide, but .* one of 8 px .* factor, 2'):
    faces_of(photo(PIXELS[:16, :16]), search('downsample(factor=4)'))
  (face,) = faces_of(photo(PIXELS[:8, :8]), search('downsample(factor=4)'))
  np.testing.assert_array_equal(face.crop.image, PIXELS[:8, :8])


def test_a_photo_is_not_enlarged_without_end(monkeypatch):
  monkeypatch.setattr('ganjax.restoration.faces.MAX_ENLARGED', 96 * 96 * 2)
  quad = faces.full_quad(PIXELS[:8, :8])
  crop = faces.Crop(faces.cut(PIXELS, quad, SIDE), quad)
  monkeypatch.setattr(faces, 'align', lambda *args, **kwargs: [crop])
  (face,) = faces_of(photo(), search('downsample(factor=?)'))
  assert face.scale == pytest.approx(2**0.5)


def test_a_name_that_another_photo_took_fails_the_whole_photo(monkeypatch):
  crop = faces.Crop(PIXELS[:SIDE, :SIDE], faces.full_quad(PIXELS))
  monkeypatch.setattr(
    faces, 'align', lambda pixels, *args, **kwargs: [crop] * (2 if pixels.shape[0] == 96 else 1)
  )
  photos = [photo(PIXELS[:95], 'me_1'), photo(PIXELS, 'me')]
  failures = []
  found = find_faces(photos, search(), lambda *failure: failures.append(failure))
  assert [face.name for face in found] == ['me_1']
  ((source, _, reason),) = failures
  assert source == 'me.png'
  assert 'me_1.png shows a face that is called me_1' in reason


@pytest.mark.parametrize(
  ('spec', 'as_is', 'is_known'),
  [
    ('jpeg(quality=?)', True, True),
    ('jpeg', False, False),
    ('blur | jpeg', True, True),
    ('blur', True, False),
  ],
)
def test_how_a_photo_was_stored_counts_where_that_is_undone(tmp_path, spec, as_is, is_known):
  Image.fromarray(PIXELS).save(tmp_path / 'me.jpg', quality=20)
  (item,) = data.find(tmp_path / 'me.jpg')
  (face,) = faces_of(Photo.in_file(item), search(spec, as_is=as_is))
  assert (face.coding is not None) == is_known
  assert faces_of(photo(), search(spec, as_is=as_is))[0].coding is None


@pytest.mark.parametrize('spec', ['downsample(factor=?) | jpeg(quality=?)', 'jpeg(quality=?)'])
def test_a_file_s_quality_holds_at_the_size_that_the_face_had_in_it(tmp_path, spec):
  small = Image.fromarray(PIXELS).resize((SIDE // 2, SIDE // 2))
  small.save(tmp_path / 'me.jpg', quality=20)
  (item,) = data.find(tmp_path / 'me.jpg')
  (face,) = faces_of(Photo.in_file(item), search(spec, align='never', as_is=True))
  (quality,) = [
    x.quality for x in face.measured(parse(spec), SIDE).operators if hasattr(x, 'quality')
  ]
  assert quality == 20 if 'downsample' in spec else quality < 10


@pytest.mark.parametrize(
  'spec', ['noise(sigma=?)', 'grayscale | noise(sigma=?) | mask(box=0:4:0:4)']
)
def test_how_strong_noise_was_is_told_by_the_file_that_it_was_stored_in(tmp_path, spec):
  shape = (96, 96, 1 if 'grayscale' in spec else 3)
  noisy = 128 + 25.5 * np.random.default_rng(0).standard_normal(shape)
  Image.fromarray(np.broadcast_to(noisy, (96, 96, 3)).astype(np.uint8)).save(
    tmp_path / 'me.jpg', quality=60
  )
  (item,) = data.find(tmp_path / 'me.jpg')
  for as_is in (True, False):
    (face,) = faces_of(Photo.in_file(item), search(spec, align='never', as_is=as_is), False)
    assert face.noise == (pytest.approx(0.1, rel=0.15) if as_is else None)
  told = parse(spec).stored(data.jpeg_coding(tmp_path / 'me.jpg'), 96, SIDE, 0.1)
  assert not told.unknown
  assert face._replace(photo=None, coding=None).measured(parse(spec), SIDE).unknown


def test_a_screenshot_counts_as_the_jpeg_that_it_shows(tmp_path):
  """Where its blocks lie there; a file that was saved well afterwards hides nothing."""
  shown = data.decode('scripts/demo/astronaut.png')[60:220, 130:290]
  Image.fromarray(shown).save(tmp_path / 'me.jpg', quality=20)
  decoded = data.decode(tmp_path / 'me.jpg')
  window = np.full((300, 300, 3), 230, np.uint8)
  window[67:227, 83:243] = decoded
  quad = np.array([[90, 75], [90, 215], [230, 215], [230, 75]], float)
  coding = coding_of(window, quad, None)
  steps = data.jpeg_coding(tmp_path / 'me.jpg').tables[0]
  np.testing.assert_array_equal(coding.tables[0], steps)
  assert [place % 8 for place in coding.origin] == [67 % 8, 83 % 8]
  Image.fromarray(decoded).save(tmp_path / 'again.jpg', quality=95)
  again, of_file = data.decode(tmp_path / 'again.jpg'), data.jpeg_coding(tmp_path / 'again.jpg')
  np.testing.assert_array_equal(coding_of(again, quad - 70, of_file).tables[0], steps)
  own = data.jpeg_coding(tmp_path / 'me.jpg')
  assert coding_of(decoded, quad - 70, own) is own
  assert coding_of(shown, quad - 70, None) is None
