"""Evidence of how well it went: curves, grids, animations and the HTML report.

NumPy, Pillow and matplotlib only; pictures are uint8 [0, 255].
"""

from ganjax.report.animations import animation
from ganjax.report.errors import ReportError
from ganjax.report.figures import deviation_map, loss_curve
from ganjax.report.grids import MAX_ROWS, Row, grid, quality_caption
from ganjax.report.page import write_report

__all__ = [
  'MAX_ROWS',
  'ReportError',
  'Row',
  'animation',
  'deviation_map',
  'grid',
  'loss_curve',
  'quality_caption',
  'write_report',
]
