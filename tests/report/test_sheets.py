"""Sheets of pictures."""

import numpy as np
import pytest

from ganjax.report import Cell, ReportError, sheet

GREY = np.full((16, 16, 3), 90, np.uint8)
MARK = (213, 94, 0)


def test_cells_stand_in_rows_and_the_marked_one_is_framed():
  rows = [[Cell(GREY, 'a'), Cell(GREY, 'b 93 %', marked=True)], [Cell(GREY)]]
  drawn = sheet(rows, titles=['first', 'second'], headings=['step 0', 'step 1'])
  # Two cells of 128 px with 4 between them and 12 around.
  assert drawn.shape[1] == 2 * 128 + 4 + 2 * 12
  framed = np.argwhere(np.all(drawn == MARK, axis=2))
  picture = framed[framed[:, 0] < framed[:, 0].min() + 128]
  assert picture[:, 1].min() == 12 + 128 + 4
  assert np.all(drawn[100, 20] == 90)
  plain = sheet(rows)
  assert plain.shape[0] < drawn.shape[0]
  assert plain.shape[1] == drawn.shape[1]


def test_what_cannot_be_drawn_is_refused():
  for rows, titles in (([], []), ([[]], []), ([[Cell(GREY)]], ['a', 'b'])):
    with pytest.raises(ReportError, match='rows'):
      sheet(rows, titles)
