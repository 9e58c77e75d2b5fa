import importlib

import numpy as np
import pytest
from PIL import Image

from ganjax import faces

# `ganjax.faces.align` is the function; this is the module that holds it.
module = importlib.import_module('ganjax.faces.align')

TEMPLATES = [faces.FFHQ, faces.TIGHT]


def test_a_portrait_is_cropped(astronaut, astronaut_face):
  (found,) = faces.align(astronaut, faces.FFHQ, 96)
  expected = faces.crop(astronaut, astronaut_face, faces.FFHQ, 96)
  np.testing.assert_array_equal(found.image, expected.image)
  np.testing.assert_array_equal(found.quad, expected.quad)


@pytest.mark.parametrize('template', TEMPLATES)
@pytest.mark.parametrize('size', [128, 300])
def test_auto_passes_a_crop_through(astronaut, template, size):
  (aligned,) = faces.align(astronaut, template, size)
  (again,) = faces.align(aligned.image, template, size)
  np.testing.assert_array_equal(again.image, aligned.image)
  np.testing.assert_array_equal(again.quad, [(0, 0), (0, size), (size, size), (size, 0)])


def test_auto_crops_what_is_aligned_for_another_generator(astronaut):
  (wide,) = faces.align(astronaut, faces.FFHQ, 256)
  (tight,) = faces.align(wide.image, faces.TIGHT, 128)
  assert np.linalg.norm(tight.quad[3] - tight.quad[0]) < 0.75 * 256


def test_always_crops_an_aligned_picture_again(astronaut):
  (aligned,) = faces.align(astronaut, faces.TIGHT, 256)
  (again,) = faces.align(aligned.image, faces.TIGHT, 256, mode='always')
  assert np.abs(again.quad - faces.full_quad(aligned.image)).max() > 0.1
  np.testing.assert_allclose(again.quad, faces.full_quad(aligned.image), atol=0.05 * 256)


def test_never_looks_for_no_face(monkeypatch):
  monkeypatch.setattr(module, 'detect', None)
  picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
  (same,) = faces.align(picture, faces.FFHQ, 64, mode='never')
  np.testing.assert_array_equal(same.image, picture)
  (small,) = faces.align(picture, faces.FFHQ, 16, mode='never')
  assert small.image.shape == (16, 16, 3)
  np.testing.assert_array_equal(small.quad, faces.full_quad(picture))


def test_never_refuses_an_oblong(astronaut):
  with pytest.raises(faces.FaceError, match=r'512×300 px is not square.*--align=auto'):
    faces.align(astronaut[:300], faces.FFHQ, 64, mode='never')


def test_detects_once(astronaut, monkeypatch):
  calls = []
  monkeypatch.setattr(module, 'detect', lambda *a, **k: calls.append(1) or faces.detect(*a, **k))
  faces.align(astronaut, faces.FFHQ, 64)
  assert len(calls) == 1


def test_every_face_of_a_photo(astronaut):
  photo = np.concatenate([astronaut[:400, 64:400], astronaut[:400, 64:400, ::-1]], axis=1)
  left, right = faces.align(photo, faces.TIGHT, 128)
  np.testing.assert_allclose(right.quad - left.quad, np.broadcast_to((336, 0), (4, 2)), atol=4)
  swapped = right.image[..., ::-1].astype(float)  # the right one has red and blue exchanged
  assert np.abs(left.image - swapped).mean() < 8
  back = photo
  for image, quad in (left, right):
    back = faces.paste(back, image, quad)
  assert np.abs(back.astype(int) - photo).mean() < 0.5


@pytest.mark.parametrize('mode', ['auto', 'always'])
def test_no_face_is_an_error_with_a_remedy(monkeypatch, mode):
  monkeypatch.setattr(module, 'detect', lambda image, thorough: [])
  with pytest.raises(faces.FaceError, match=r'no face found.*--face=left.*--align=never'):
    faces.align(_noise(120, 160), faces.FFHQ, 64, mode=mode)


def _noise(height, width):
  return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_each_cause_has_its_message(astronaut):
  with pytest.raises(faces.FaceError, match=r'15×10 px, too small to show a face'):
    faces.align(astronaut[:10, :15], faces.TIGHT, 64)
  with pytest.raises(faces.FaceError, match=r'no face found in 20×30 px.*larger copy'):
    faces.align(_noise(30, 20), faces.TIGHT, 64)
  with pytest.raises(faces.FaceError, match='of one colour'):
    faces.align(np.full((90, 90, 3), 3, np.uint8), faces.TIGHT, 64)
  tiny = np.asarray(Image.fromarray(astronaut).resize((64, 64), Image.Resampling.LANCZOS))
  with pytest.raises(faces.FaceError, match=r'was found.* 1\d px wide.*larger copy'):
    faces.align(tiny, faces.TIGHT, 64)
  with pytest.raises(faces.FaceError, match=r'--face=600:0:700:90 .*outside.*512×512 px'):
    faces.align(astronaut, faces.TIGHT, 64, box=(600, 0, 700, 90))
  with pytest.raises(faces.FaceError, match=r'--face .*--align=never.*leave one out'):
    faces.align(astronaut, faces.TIGHT, 64, mode='never', box=(0, 0, 9, 9))
  with pytest.raises(faces.FaceError, match=r'holes of 9×5 px.*512×512 px'):
    faces.align(astronaut, faces.TIGHT, 64, hidden=np.zeros((5, 9), bool))


def test_a_small_face_on_an_empty_background_is_looked_for(monkeypatch):
  photo = np.full((400, 500, 3), 255, np.uint8)
  photo[200:206, 300:304] = 90  # it hardly changes the mean
  monkeypatch.setattr(module, 'detect', lambda image, thorough: [])
  with pytest.raises(faces.FaceError, match='no face found'):
    faces.align(photo, faces.TIGHT, 64)


def test_refuses_an_unknown_mode(astronaut):
  with pytest.raises(faces.FaceError, match='auto, always or never'):
    faces.align(astronaut, faces.FFHQ, 64, mode='sometimes')  # type: ignore[arg-type]


@pytest.mark.parametrize(('shift', 'aligned'), [(0, True), (20, True), (45, False)])
def test_tolerance(make_face, shift, aligned):
  face = make_face((74, 72), (180, 72), (127, 176)) + np.array([shift, 0])
  picture = np.zeros((256, 256, 3), np.uint8)
  assert faces.is_aligned(picture, [face], faces.TIGHT) is aligned
  assert not faces.is_aligned(picture[:-1], [face], faces.TIGHT)
  assert not faces.is_aligned(picture, [], faces.TIGHT)


def test_tight_crops_pass_through(shared):
  files = sorted((shared / 'faces' / 'validation').rglob('*.jpg'))[5::40]
  pictures = [np.asarray(Image.open(file).convert('RGB')) for file in files]
  crops = [faces.align(picture, faces.TIGHT, 200) for picture in pictures]
  same = [np.array_equal(c[0].image, p) for c, p in zip(crops, pictures, strict=True)]
  assert sum(same) >= len(files) - 1
  # FFHQ's wide crop does not fit them: these are no FFHQ pictures.
  assert not any(faces.is_aligned(p, faces.detect(p), faces.FFHQ) for p in pictures)
