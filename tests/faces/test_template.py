import numpy as np
import pytest

from ganjax import faces


def test_ffhq_by_hand(make_face):
  # Eyes 64 px apart, mouth 40 px below: half = max(2 · 64, 1.8 · 40), centre a tenth of the way.
  quad = faces.FFHQ.quad(make_face((168, 200), (232, 200), (200, 240)))
  np.testing.assert_allclose(quad, [(72, 76), (72, 332), (328, 332), (328, 76)], atol=1e-9)


def test_the_mouth_sets_the_size_of_a_long_face(make_face):
  quad = faces.FFHQ.quad(make_face((190, 200), (210, 200), (200, 300)))
  np.testing.assert_allclose(quad, [(20, 30), (20, 390), (380, 390), (380, 30)], atol=1e-9)


def test_tight_puts_eyes_and_mouth_where_forehead_and_chin_are_at_the_edges(make_face):
  quad = faces.Template(1.2075, 1.2308, 0.5385).quad(make_face((37, 36), (90, 36), (64, 88)))
  np.testing.assert_allclose(quad, [(0, 0), (0, 128), (128, 128), (128, 0)], atol=0.7)


@pytest.mark.parametrize('template', [faces.FFHQ, faces.TIGHT])
def test_follows_shift_scale_and_rotation(template, make_face):
  landmarks = make_face((30, 40), (71, 44), (52, 90))
  angle = np.deg2rad(37)
  turn = 1.7 * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
  moved = landmarks @ turn.T + (12.5, -80)
  expected = template.quad(landmarks) @ turn.T + (12.5, -80)
  np.testing.assert_allclose(template.quad(moved), expected, atol=1e-9)


def test_quad_is_a_square_with_the_forehead_on_top(make_face):
  quad = faces.FFHQ.quad(make_face((30, 40), (71, 44), (52, 90)))
  edges = np.roll(quad, -1, axis=0) - quad
  np.testing.assert_allclose(np.linalg.norm(edges, axis=1), np.linalg.norm(edges[0]))
  assert edges[0] @ edges[1] == pytest.approx(0, abs=1e-9)
  top, bottom = quad[[0, 3]].mean(axis=0), quad[[1, 2]].mean(axis=0)
  assert top[1] < 40 < 90 < bottom[1]
  assert quad[0, 0] < quad[3, 0]


@pytest.mark.parametrize(
  'landmarks', [np.zeros((68, 2)), np.zeros((5, 2)), np.full((68, 2), np.nan)]
)
def test_refuses_what_is_no_face(landmarks):
  with pytest.raises(faces.FaceError):
    faces.FFHQ.quad(landmarks)
