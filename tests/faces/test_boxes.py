import numpy as np
import pytest

from ganjax import faces
from ganjax.faces import boxes


def test_reads_a_box():
  assert faces.parse_box('120:80:260.5:240') == (120, 80, 260.5, 240)


@pytest.mark.parametrize('text', ['', '1:2:3', '1:2:3:4:5', 'a:b:c:d', '1,2,3,4'])
def test_refuses_what_is_not_four_numbers(text):
  with pytest.raises(faces.FaceError, match=r'--face=.*four numbers.*left:top:right:bottom'):
    faces.parse_box(text)


@pytest.mark.parametrize('text', ['10:0:10:5', '0:9:5:2', '0:0:nan:5', '0:0:inf:5'])
def test_refuses_an_empty_box(text):
  with pytest.raises(faces.FaceError, match=r'--face=.*empty'):
    faces.parse_box(text)


def test_a_box_is_cut_at_the_edge_of_the_photo():
  photo = np.zeros((60, 80, 3), np.uint8)
  np.testing.assert_array_equal(boxes.check_box((-5, 10, 30, 90), photo), (0, 10, 30, 60))


@pytest.mark.parametrize('box', [(80, 0, 90, 10), (-9, 0, 0, 10), (500, 500, 600, 600)])
def test_refuses_a_box_outside_of_the_photo(box):
  with pytest.raises(faces.FaceError, match=r'--face=.*outside.*80×60 px'):
    boxes.check_box(box, np.zeros((60, 80, 3), np.uint8))


@pytest.mark.parametrize('box', [(30, 0, 20, 10), (0, 0, 5), (0, 0, float('nan'), 9)])
def test_refuses_what_is_no_box(box):
  with pytest.raises(faces.FaceError, match=r'--face=.*80×60 px'):
    boxes.check_box(box, np.zeros((60, 80, 3), np.uint8))


def test_same_face():
  one = np.array([10.0, 10.0, 50.0, 50.0])
  assert boxes.same_face(one, one + 10)
  assert boxes.same_face(one, np.array([20.0, 20.0, 40.0, 40.0]))
  assert not boxes.same_face(one, one + np.array([40, 0, 40, 0]))
