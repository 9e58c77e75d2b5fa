"""Tables of masks and submissions: every line is checked, every float32 comes back."""

import csv

import numpy as np
import pytest

from ganjax.pix2pix import masks
from ganjax.pix2pix.masks import MasksError, Row

BOXES = ((3, 4), (50, 60))


def written(tmp_path, text, encoding='utf-8'):
  path = tmp_path / 'masks.csv'
  path.write_bytes(text.encode(encoding))
  return path


@pytest.mark.parametrize(
  'text',
  [
    'filename,x1,y1,x2,y2\na.png,3,4,50,60\n',
    'a.png,3,4,50,60\n',
    '0,a.png,3,4,50,60\n',
    ',filename,x1,y1,x2,y2\r\n0,a.png,3,4,50,60\r\n\r\n',
    '\ufeffx2,y2,Filename, x1,y1\n50,60,"a.png",3.0,4',
    'FILENAME;X1;Y1;X2;Y2\r\na.png;3,0;4;50;60\r\n',
    'a.png\t3\t4\t50\t60\n',
    'a.png,3,4,50,60\na.png,3,4,50,60\n',
  ],
)
def test_the_forms_of_a_table(tmp_path, text):
  rows, problems = masks.read_masks(written(tmp_path, text))
  assert problems == []
  assert [(row.filename, row.corners) for row in rows] == [('a.png', BOXES)]


def test_every_bad_line_is_named_and_the_others_stand(tmp_path):
  lines = [
    'filename,x1,y1,x2,y2',
    'a.png,1,2,3,4',
    'b.png,1,2,3',
    'c.png,1,2,-3,4',
    'd.png,1,2,,4',
    'e.png,1,2,3,1e999',
    ',1,2,3,4',
    'a.png,5,6,7,8',
    'f.png,1,2,3.5,4',
    'g.png,1,2,3,4,5',
    'h.png,1,2,3,9999999',
  ]
  rows, problems = masks.read_masks(written(tmp_path, '\n'.join(lines)))
  assert [row.line for row in rows] == [2, 10]
  assert [problem.line for problem in problems] == [3, 4, 5, 6, 7, 8, 9, 11]
  assert problems[1].reason == 'x2=-3 is no place in px: write whole numbers from 0'
  assert problems[5].reason == 'a.png is in line 2 already'


@pytest.mark.parametrize(
  ('text', 'encoding', 'reason'),
  [
    ('', 'utf-8', 'empty'),
    ('name,left,top\na.png,1,2\n', 'utf-8', 'line 1: neither a header'),
    ('a.png,one,two,three,four\n', 'utf-8', 'line 1: neither a header'),
    ('filename,x1,y1,x2,y2\nä.png,1,2,3,4', 'utf-16-le', 'no text'),
  ],
)
def test_no_table(tmp_path, text, encoding, reason):
  path = written(tmp_path, text, encoding)
  with pytest.raises(MasksError, match=reason) as error:
    masks.read_masks(path)
  assert str(error.value).startswith(str(path))
  assert '\n' not in str(error.value)


def test_a_missing_table(tmp_path):
  with pytest.raises(MasksError, match=r'none.csv: cannot be read \(No such file'):
    masks.read_masks(tmp_path / 'none.csv')


def test_a_table_is_read_as_it_was_written(tmp_path):
  names = ['a.png', 'with, comma "and" quotes.jpg', 'folder/ü.png']
  path = written(tmp_path, masks.table((name, BOXES) for name in names))
  rows, problems = masks.read_masks(path)
  assert rows == [Row(i, name, BOXES) for i, name in enumerate(names, start=2)]
  assert problems == []


def test_holes_and_what_is_in_them():
  picture = np.arange(10 * 12 * 3).reshape(10, 12, 3)
  known = masks.known([(0, 1), (8, 6)], 4, 10, 12)
  assert known.sum() == 120 - 32
  assert not known[1:5, 0:4].any()
  assert not known[6:10, 8:12].any()
  boxes = masks.cut(picture, [(0, 1), (8, 6)], 4)
  np.testing.assert_array_equal(boxes[1], picture[6:10, 8:12])
  with pytest.raises(ValueError, match='box 2 at x=9, y=6 with 4 px a side lies outside the 12×10'):
    masks.known([(0, 0), (9, 6)], 4, 10, 12)


@pytest.mark.parametrize('filename', ['a.png', 'with, comma "and" quotes.jpg'])
def test_a_submission_gives_the_same_floats_again(filename):
  boxes = np.random.default_rng(0).random((2, 5, 5, 3), np.float32)
  boxes[0, 0, 0] = [0, 1, 1e-9]
  lines = [masks.HEADER, *''.join(masks.submission(filename, boxes)).splitlines()]
  rows = list(csv.DictReader(lines))
  assert [row['filename_box_pixel'] for row in rows] == [
    f'{filename}_{box}_{pixel}' for box in (1, 2) for pixel in range(75)
  ]
  values = np.float32([row['value'] for row in rows])
  np.testing.assert_array_equal(values.reshape(boxes.shape), boxes)
