"""Evidence of how well it went: curves, grids, animations and the HTML report.

Drawn by NumPy, Pillow and matplotlib; pictures are uint8 [0, 255].
"""

from ganjax.errors import ReportError
from ganjax.report.animations import animation
from ganjax.report.figures import curve, deviation_map, loss_curve
from ganjax.report.grids import MAX_ROWS, Row, grid, quality_caption
from ganjax.report.heat_maps import heat_map
from ganjax.report.outlines import outlined
from ganjax.report.page import write_report
from ganjax.report.runs import mean
from ganjax.report.sheets import MAX_CELLS, Cell, picture_table, sheet

__all__ = [
  'MAX_CELLS',
  'MAX_ROWS',
  'Cell',
  'ReportError',
  'Row',
  'animation',
  'curve',
  'deviation_map',
  'grid',
  'heat_map',
  'loss_curve',
  'mean',
  'outlined',
  'picture_table',
  'quality_caption',
  'sheet',
  'write_report',
]
