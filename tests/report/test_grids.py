import numpy as np
import pytest

from ganjax.report import MAX_ROWS, ReportError, Row, grid, quality_caption
from ganjax.report.grids import _CAPTION, _CELL, _GAP, _HEADING, _MARGIN, _NAME

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 30), (30, 30, 200)


def plain(colour, height=64, width=64) -> np.ndarray:
  return np.full((height, width, 3), colour, np.uint8)


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
  top = _MARGIN + _HEADING + row * (_NAME + _CELL + _CAPTION) + _NAME
  left = _MARGIN + column * (_CELL + _GAP)
  return sheet[top : top + _CELL, left : left + _CELL]


def below(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
  """The strip of the caption."""
  top = _MARGIN + _HEADING + row * (_NAME + _CELL + _CAPTION) + _NAME + _CELL
  left = _MARGIN + column * (_CELL + _GAP)
  return sheet[top : top + _CAPTION - 1, left : left + _CELL]


def full(name='one', **changes) -> Row:
  pictures = {
    'input': plain(RED, 100, 100),
    'degraded': plain(GREEN, 8, 8),
    'restored': plain(BLUE),
    'truth': plain(RED),
  }
  return Row(name, **(pictures | changes))


def test_pictures_of_all_sizes_fill_their_cells():
  sheet = grid([full(), full('two')])
  assert sheet.dtype == np.uint8
  assert sheet.shape == (
    2 * _MARGIN + _HEADING + 2 * (_NAME + _CELL + _CAPTION),
    2 * _MARGIN + 4 * _CELL + 3 * _GAP,
    3,
  )
  for row in range(2):
    for column, colour in enumerate((RED, GREEN, BLUE, RED)):
      assert (cell(sheet, row, column) == colour).all()


def test_the_completed_picture_stands_beside_the_restored_one():
  sheet = grid([full(completed=plain(GREEN), captions={'completed': '33.2 dB'}), full('two')])
  assert sheet.shape[1] == 2 * _MARGIN + 5 * _CELL + 4 * _GAP
  assert (cell(sheet, 0, 3) == GREEN).all()
  assert below(sheet, 0, 3).min() < 255
  assert (cell(sheet, 1, 4) == RED).all()


def test_a_wide_picture_keeps_its_shape():
  shown = cell(grid([full(input=plain(RED, 50, 100))]), 0, 0)
  red = (shown == RED).all(axis=-1)
  assert red.sum() == _CELL * _CELL // 2
  assert red[_CELL // 2].all()
  assert not red[: _CELL // 8].any()


def test_a_low_resolution_picture_shows_its_pixels_and_others_are_smooth():
  steps = np.zeros((8, 8, 3), np.uint8)
  steps[:, ::2] = 255
  sheet = grid([full(degraded=steps)])
  assert set(np.unique(cell(sheet, 0, 1))) == {0, 255}
  same_size = grid([full(degraded=steps, restored=plain(BLUE, 8, 8))])
  assert len(np.unique(cell(same_size, 0, 1))) > 2


def test_a_grey_picture_is_taken():
  assert (cell(grid([full(restored=np.full((16, 16), 77, np.uint8))]), 0, 2) == 77).all()


def test_captions_stand_below_their_picture_only():
  sheet = grid([full(captions={'restored': '24.1 dB · 0.77'})])
  assert below(sheet, 0, 2).min() < 150
  assert all((below(sheet, 0, column) == 255).all() for column in (0, 1, 3))
  other = grid([full(captions={'restored': '18.2 dB · 0.61'})])
  assert (below(sheet, 0, 2) != below(other, 0, 2)).any()


def test_quality_caption():
  assert quality_caption(18.23, 0.614) == '18.2 dB · 0.61'
  assert quality_caption(18.23, None) == '18.2 dB'
  assert quality_caption(None, None) == ''


def test_a_missing_picture_leaves_a_quiet_placeholder():
  shown = cell(grid([full(), full('two', truth=None)]), 1, 3)
  assert np.median(shown) > 230
  assert shown.min() < 150  # and says so


def test_a_column_without_any_picture_is_not_drawn():
  sheet = grid([full(degraded=None, input=None)])
  assert sheet.shape[1] == 2 * _MARGIN + 2 * _CELL + _GAP
  assert (cell(sheet, 0, 0) == BLUE).all()


def test_many_rows_are_capped_and_counted():
  rows = [full()] * (MAX_ROWS + 5)
  capped = grid(rows)
  exact = grid(rows[:MAX_ROWS])
  assert exact.shape[0] < capped.shape[0] < exact.shape[0] + _CELL
  foot = capped[exact.shape[0] - _MARGIN :]
  assert foot.min() < 150
  np.testing.assert_array_equal(grid(rows[:MAX_ROWS], left_out=5), capped)
  assert (grid(rows[:MAX_ROWS], left_out=6) != capped).any()


@pytest.mark.parametrize('name', ['', 'x' * 10_000, '日本\n\x00\ud800', '<script>'])
def test_any_name_is_drawn_and_none_spills_over(name):
  sheet = grid([full(name)])
  assert sheet.shape == grid([full()]).shape
  assert (cell(sheet, 0, 0) == RED).all()
  assert (sheet[:, -_MARGIN:] == 255).all()


@pytest.mark.parametrize(
  'picture',
  [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_refused_by_name(picture):
  with pytest.raises(ReportError, match='one: the truth picture'):
    grid([full(truth=picture)])


@pytest.mark.parametrize('rows', [[], [Row('one')]])
def test_nothing_to_draw_is_refused(rows):
  with pytest.raises(ReportError, match='at least one'):
    grid(rows)
