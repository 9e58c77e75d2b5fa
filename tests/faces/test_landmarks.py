import concurrent.futures
import importlib.util
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganjax import faces
from ganjax.faces import detectors

NO_FACES = {
  'black': np.zeros((300, 300, 3), np.uint8),
  'one pixel': np.zeros((1, 1, 3), np.uint8),
  'one row': np.full((1, 700, 3), 90, np.uint8),
  'a long strip': np.full((3, 5000, 3), 90, np.uint8),
  'noise': np.random.default_rng(0).integers(0, 256, (200, 320, 3), np.uint8),
  'checks': np.kron(
    np.indices((20, 20)).sum(0)[..., None] % 2 * np.ones(3), np.ones((20, 20, 1))
  ).astype(np.uint8)
  * 255,
}


def resize(image, width, height):
  return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def points(face):
  return np.stack([face[36:42].mean(0), face[42:48].mean(0), face[[48, 54]].mean(0)])


def test_finds_the_astronaut(astronaut, astronaut_face):
  assert astronaut_face.shape == (68, 2)
  np.testing.assert_allclose(points(astronaut_face), [(203, 101), (247, 104), (221, 144)], atol=4)


@pytest.mark.parametrize(('height', 'width'), [(100, 150), (600, 500), (900, 2400)])
def test_positions_are_exact(monkeypatch, height, width):
  # A predictor that finds the centre of a bright spot; pixel 0 is at position 0 for dlib.
  def centroid(seen, box):
    weight = seen[..., 0].astype(float)
    y, x = np.indices(weight.shape)
    spot = SimpleNamespace(x=(x * weight).sum(), y=(y * weight).sum())
    spot.x, spot.y = spot.x / weight.sum(), spot.y / weight.sum()
    return SimpleNamespace(parts=lambda: [spot] * 68)

  detector = SimpleNamespace(run=lambda *_: (['box'], [1.0], [0]))
  monkeypatch.setattr(detectors, 'hog', lambda: detector)
  monkeypatch.setattr(detectors, 'predictor', lambda: centroid)
  y, x = np.mgrid[:height, :width] + 0.5
  spot = 255 * np.exp(-((x - 61.3) ** 2 + (y - 44.6) ** 2) / 200)
  (face,) = faces.detect(np.repeat(spot[..., None], 3, axis=2).astype(np.uint8))
  np.testing.assert_allclose(face, np.broadcast_to((61.3, 44.6), (68, 2)), atol=0.1)


@pytest.mark.parametrize('side', [64, 150, 1100, 2400])
def test_landmarks_follow_the_scale(astronaut, astronaut_face, side):
  (face,) = faces.detect(resize(astronaut, side, side))
  np.testing.assert_allclose(points(face) * 512 / side, points(astronaut_face), atol=3)


def test_landmarks_follow_a_stretched_photo(astronaut, astronaut_face):
  (face,) = faces.detect(resize(astronaut, 512, 600))
  np.testing.assert_allclose(points(face) * (1, 512 / 600), points(astronaut_face), atol=3)


def test_landmarks_follow_a_rotation(astronaut, astronaut_face):
  turned = np.asarray(Image.fromarray(astronaut).rotate(25, Image.Resampling.BICUBIC))
  (face,) = faces.detect(turned)
  angle = np.deg2rad(25)
  turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
  expected = (points(astronaut_face) - 256) @ turn.T + 256
  np.testing.assert_allclose(points(face), expected, atol=4)


def test_several_faces_come_from_left_to_right(astronaut):
  head = astronaut[:256, 96:352]
  photo = np.concatenate([resize(head, 200, 200), resize(head, 300, 300)[:200]], axis=1)
  found = faces.detect(photo)
  assert len(found) == 2
  assert found[0][:, 0].mean() < 200 < found[1][:, 0].mean()


def test_grey_photo(astronaut, astronaut_face):
  grey = np.repeat(astronaut.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
  (face,) = faces.detect(grey)
  np.testing.assert_allclose(points(face), points(astronaut_face), atol=3)


def test_a_face_that_fills_the_picture(astronaut):
  assert len(faces.detect(astronaut[72:172, 176:276])) == 1


@pytest.mark.parametrize('name', NO_FACES)
def test_no_false_faces(name):
  assert faces.detect(NO_FACES[name]) == []


def test_no_false_faces_on_badges_and_helmet(astronaut):
  assert faces.detect(astronaut[200:]) == []
  assert faces.detect(astronaut[320:440, 110:230]) == []


@pytest.mark.parametrize(
  'image', [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)]
)
def test_refuses_what_is_no_rgb_picture(image):
  with pytest.raises(faces.FaceError, match='RGB'):
    faces.detect(image)


def test_threads_find_what_one_finds(astronaut):
  pictures = [astronaut, astronaut[:300], NO_FACES['black'], astronaut[:, 50:400]]
  expected = [faces.detect(picture) for picture in pictures]
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for found in pool.map(lambda _: [faces.detect(p) for p in pictures], range(8)):
      for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def unloaded(monkeypatch):
  monkeypatch.setattr(detectors, '_own', threading.local())
  detectors.predictor.cache_clear()
  yield
  detectors.predictor.cache_clear()


def test_says_how_to_install_the_landmark_model(astronaut, monkeypatch, unloaded):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(faces.FaceError, match='pip install face_recognition_models'):
    faces.detect(astronaut)


def test_says_how_to_install_dlib(monkeypatch, unloaded):
  monkeypatch.setitem(sys.modules, 'dlib', None)
  with pytest.raises(faces.FaceError, match='pip install dlib-bin'):
    faces.detect(NO_FACES['black'])


def test_tight_crops(shared):
  files = sorted((shared / 'faces' / 'validation').rglob('*.jpg'))[::40]
  pictures = [np.asarray(Image.open(file).convert('RGB')) for file in files]
  found = [faces.detect(picture) for picture in pictures]
  assert [len(picture) for picture in found] == [1] * len(files)
  mean = np.mean([points(face) * 128 / 200 for (face,) in found], axis=0)
  # The mean of all 400 that dlib measures; see `TIGHT` for what the generator was trained on.
  np.testing.assert_allclose(mean, [(38.5, 38.5), (87.8, 38.5), (63.2, 88.7)], atol=2.5)


def test_the_detector_that_is_read_is_dlib_s_own(tmp_path):
  dlib = pytest.importorskip('dlib')
  dlib.get_frontal_face_detector().save(str(tmp_path / 'own.svm'))
  detectors.hog().save(str(tmp_path / 'read.svm'))
  assert (tmp_path / 'read.svm').read_bytes() == (tmp_path / 'own.svm').read_bytes()
