"""Faces that one glance at the photo misses."""

import concurrent.futures

import numpy as np
import pytest
from PIL import Image

from ganjax import faces
from ganjax.faces import detectors, landmarks


def side(quad):
  return np.linalg.norm(quad[3] - quad[0])


def misfit(crop, expected):
  """How far a quad's worst corner is off, in sides."""
  return np.abs(crop.quad - expected.quad).max() / side(expected.quad)


@pytest.fixture(scope='module')
def unscratched(photograph):
  (crop,) = faces.align(photograph('sepia.jpg'), faces.TIGHT, 96)
  return crop


def test_three_faces_of_three_sizes(photograph, no_network):
  crops = faces.align(photograph('group.jpg'), faces.TIGHT, 64)
  np.testing.assert_allclose([side(crop.quad) for crop in crops], (92, 126, 63), atol=5)


def test_a_small_print_on_a_large_page(photograph, no_network):
  (crop,) = faces.align(photograph('border.jpg'), faces.TIGHT, 64)
  assert side(crop.quad) == pytest.approx(57, abs=4)
  top = crop.quad[3] - crop.quad[0]  # tilted by eight degrees and by herself
  assert np.degrees(np.arctan2(-top[1], top[0])) == pytest.approx(8 - 4, abs=4)


def test_small_faces_beside_a_large_one_in_a_large_photo(astronaut, monkeypatch):
  monkeypatch.setattr(detectors, 'mmod', lambda pixels: [])  # sees nothing
  page = Image.new('RGB', (3000, 2250), (120, 120, 120))
  photo = Image.fromarray(astronaut)
  page.paste(photo.resize((1500, 1500), Image.Resampling.LANCZOS), (100, 700))
  for left in (1700, 2200):
    page.paste(photo.resize((500, 500), Image.Resampling.LANCZOS), (left, 60))
  crops = faces.align(np.asarray(page), faces.TIGHT, 64)
  np.testing.assert_allclose([side(crop.quad) for crop in crops], (311, 104, 104), atol=12)


@pytest.mark.parametrize('turn', [1, 2, 3])
def test_a_turned_photo(photograph, no_network, turn):
  lying = photograph('sideways.jpg')
  upright = np.rot90(lying, 3)
  (expected,) = faces.align(upright, faces.TIGHT, 80)
  photo = np.ascontiguousarray(np.rot90(upright, turn))
  assert faces.detect(photo) == []
  (crop,) = faces.align(photo, faces.TIGHT, 80)
  assert np.abs(crop.image.astype(int) - expected.image).mean() < 2
  back = faces.paste(photo, crop.image, crop.quad)
  assert np.abs(back.astype(int) - photo).mean() < 0.5
  marked = faces.paste(photo, np.full((80, 80, 3), 255, np.uint8), crop.quad, feather=0)
  changed = np.argwhere((marked != photo).any(axis=2))[:, ::-1]
  np.testing.assert_allclose(changed.min(axis=0), crop.quad.min(axis=0), atol=2)
  np.testing.assert_allclose(changed.max(axis=0) + 1, crop.quad.max(axis=0), atol=2)


def test_scratches_with_a_mask_cost_nothing(photograph, no_network, unscratched):
  photo, hidden = photograph('scratched.jpg'), photograph('scratched_mask.png')
  (crop,) = faces.align(photo, faces.TIGHT, 96, hidden=hidden)
  assert misfit(crop, unscratched) < 0.05
  expected = faces.align(photo, faces.TIGHT, 96, box=(100, 60, 210, 180), hidden=hidden)[0]
  assert misfit(crop, expected) < 0.05
  assert (crop.image > 225).all(axis=2).mean() > 0.1  # cut from the scratched photo itself


def test_scratches_without_a_mask(photograph, no_network, unscratched):
  photo = photograph('scratched.jpg')
  assert faces.detect(photo) == []
  (crop,) = faces.align(photo, faces.TIGHT, 96)
  assert misfit(crop, unscratched) < 0.1


def test_the_network_sees_what_nothing_else_does(photograph, monkeypatch, unscratched):
  monkeypatch.setattr(landmarks, '_behind_scratches', lambda photo: [])
  (crop,) = faces.align(photograph('scratched.jpg'), faces.TIGHT, 96)
  assert misfit(crop, unscratched) < 0.25


def test_a_strong_turned_face_outdoes_a_weak_upright_one(monkeypatch):
  weak, strong = (landmarks._Found(np.full((68, 2), score), score, 0) for score in (0.1, 1.2))
  monkeypatch.setattr(landmarks, '_find_upright', lambda photo: [weak])
  monkeypatch.setattr(landmarks, '_with_company', lambda photo, found: found)
  seen = {1: [strong]}
  monkeypatch.setattr(landmarks, '_look', lambda photo, look, turn: seen.get(turn, []))
  photo = np.zeros((9, 9, 3), np.uint8)
  assert faces.detect(photo, thorough=True)[0][0, 0] == 1.2
  seen.clear()
  assert faces.detect(photo, thorough=True)[0][0, 0] == 0.1


def test_a_badge_beside_a_face_is_asked_about_too(monkeypatch):
  shape = np.stack([np.arange(68) % 9, np.arange(68) // 9], axis=1) * 2.0
  face, badge = (landmarks._Found(shape + x, score, 0) for x, score in ((0, 1.2), (40, 0.33)))
  monkeypatch.setattr(landmarks, '_find_upright', lambda photo: [badge, face])
  monkeypatch.setattr(landmarks, '_look', lambda photo, look, turn: [])
  photo = np.zeros((60, 120, 3), np.uint8)
  for seen, count in (([], 1), ([badge.box], 2)):
    monkeypatch.setattr(landmarks, '_ask_network', lambda view, seen=seen: seen)
    assert len(faces.detect(photo, thorough=True)) == count


def test_weak_faces_are_asked_of_the_network(monkeypatch):
  places = np.array([(0, 0), (40, 0), (80, 0)])
  shape = np.stack([np.arange(68) % 9, np.arange(68) // 9], axis=1) * 2.0
  candidates = [
    landmarks._Found(shape + place, score, 0)
    for place, score in zip(places, (1.1, 0.5, 0.4), strict=True)
  ]
  monkeypatch.setattr(landmarks, '_ask_network', lambda view: [candidates[1].box])
  photo = np.zeros((60, 120, 3), np.uint8)
  found = landmarks._confirmed(photo, candidates[::-1] + candidates)
  assert [face.score for face in found] == [1.1, 0.5]


def test_no_face_is_made_up(astronaut):
  assert faces.detect(astronaut[220:], thorough=True) == []


@pytest.mark.parametrize('box', [(320, 80, 430, 200), (290, 20, 480, 220), (240, 0, 500, 300)])
def test_the_face_in_a_box(photograph, no_network, box):
  photo = photograph('group.jpg')
  crops = faces.align(photo, faces.TIGHT, 64)
  (crop,) = faces.align(photo, faces.TIGHT, 64, box=box)
  assert misfit(crop, crops[1]) < 0.05


def test_a_box_around_a_lying_face(photograph, no_network):
  photo = photograph('sideways.jpg')
  (expected,) = faces.align(photo, faces.TIGHT, 64)
  left, top = expected.quad.min(axis=0)
  right, bottom = expected.quad.max(axis=0)
  (crop,) = faces.align(photo, faces.TIGHT, 64, box=(left, top, right, bottom))
  assert misfit(crop, expected) < 0.05


def test_a_box_is_believed_where_no_face_is_seen():
  grey = np.full((300, 400, 3), 128, np.uint8)
  (crop,) = faces.align(grey, faces.TIGHT, 64, box=(120, 90, 220, 190))
  np.testing.assert_allclose(crop.quad.mean(axis=0), (170, 140), atol=25)
  assert 60 < side(crop.quad) < 160
  assert crop.quad[0, 0] < crop.quad[3, 0]


def test_a_box_of_an_aligned_crop_passes_it_through(astronaut):
  (aligned,) = faces.align(astronaut, faces.TIGHT, 128)
  (same,) = faces.align(aligned.image, faces.TIGHT, 128, box=(10, 10, 118, 118))
  np.testing.assert_array_equal(same.image, aligned.image)


def test_threads_take_turns_at_the_network(astronaut):
  with concurrent.futures.ThreadPoolExecutor(3) as pool:
    found = list(pool.map(detectors.mmod, [astronaut[:300:2, 100:400:2]] * 3))
  assert len({str(boxes) for boxes in found}) == 1
