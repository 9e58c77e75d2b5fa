"""Bulk runs of a tiny network over tiny pictures."""

import pytest
import tiny
from absl import flags
from pictures import write_photos

from ganjax.tasks import main


@pytest.fixture
def photos(tmp_path):
  """Thirteen pictures, two of them broken."""
  return write_photos(tmp_path / 'photos', 13, broken=(4, 9))


@pytest.fixture
def configure(tmp_path, weights_file, photos):
  """(flags) -> the configuration of a bulk run with those flags, too."""
  if 'task' not in flags.FLAGS:
    main.define_flags()

  def configure(*given, output='out'):
    flags.FLAGS.unparse_flags()
    for flag in flags.FLAGS:
      flags.FLAGS[flag].unparse()
    common = tiny.bulk_flags(weights_file, photos, tmp_path / output)
    flags.FLAGS(['ganjax', *common, *given])
    return main.from_flags()

  return configure
