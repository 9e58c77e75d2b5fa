"""The table of pictures and the heat map: what is where, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from ganjax import report

BEST = np.array([0xD5, 0x5E, 0x00])


def pictures(rows, columns):
  return [[np.full((8, 8, 3), 20 * (i + j), np.uint8) for j in range(columns)] for i in range(rows)]


def test_the_best_picture_alone_is_framed():
  captions = [['a', 'b', 'c'], ['d', 'e', 'f']]
  plain, framed = (
    report.picture_table(pictures(2, 3), ['r0', 'r1'], ['x', 'y', 'z'], captions, best)
    for best in (None, (1, 2))
  )
  assert plain.shape == framed.shape
  assert not np.all(plain == BEST, axis=2).any()
  ys, xs = np.nonzero(np.all(framed == BEST, axis=2))
  assert ys.min() > framed.shape[0] / 2
  assert xs.min() > framed.shape[1] / 2


def test_a_table_takes_arrays():
  rows, columns, captions = ['r0', 'r1'], ['x', 'y', 'z'], [['', '', '']] * 2
  listed = report.picture_table(pictures(2, 3), rows, columns, captions)
  array = report.picture_table(np.array(pictures(2, 3)), rows, columns, np.array(captions))
  np.testing.assert_array_equal(array, listed)


@pytest.mark.parametrize(
  ('rows', 'columns', 'captions'),
  [([], ['x'], []), (['a', 'b'], ['x'], [['1']]), (['a'], ['x', 'y'], [['1']])],
)
def test_tables_that_do_not_go_together_are_refused(rows, columns, captions):
  with pytest.raises(report.ReportError, match='as many labels'):
    report.picture_table(pictures(len(captions), 1), rows, columns, captions)


def test_a_heat_map_is_drawn_for_one_cell_and_for_many():
  for shape in ((1, 1), (3, 5)):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    labels = [list('abcde')[:n] for n in shape]
    png = report.heat_map(values, *labels, 'PSNR', best=(0, 0))
    assert Image.open(io.BytesIO(png)).width > 200


def test_a_heat_map_of_nonsense_is_refused():
  with pytest.raises(report.ReportError):
    report.heat_map(np.array([[np.nan]]), ['a'], ['b'], 'PSNR')
  with pytest.raises(report.ReportError):
    report.heat_map(np.zeros((2, 1)), ['a'], ['b'], 'PSNR')


def test_a_deviation_map_is_drawn_and_nonsense_refused():
  png = report.deviation_map(np.zeros((16, 16)))
  assert Image.open(io.BytesIO(png)).size == (480, 400)
  with pytest.raises(report.ReportError):
    report.deviation_map(np.full((4, 4), np.inf))
