"""Bulk runs of a tiny network over tiny pictures."""

import pytest
import tiny
from absl import flags
from pictures import file_of, noise
from PIL import Image

from ganjax.tasks import main


@pytest.fixture(scope='session')
def weights_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return path


@pytest.fixture
def photos(tmp_path):
  """Thirteen pictures, two of them broken."""
  return write_photos(tmp_path / 'photos', 13, broken=(4, 9))


def write_photos(folder, count, broken=()):
  folder.mkdir()
  for i in range(count):
    content = b'broken' if i in broken else file_of(Image.fromarray(noise(16, i)))
    (folder / f'{i}.png').write_bytes(content)
  return folder


def tiny_flags(weights_file, photos, output):
  """The flags of a bulk run that takes next to no time."""
  return [
    '--task=bulk',
    f'--input={photos}',
    f'--output={output}',
    f'--weights={weights_file}',
    '--num_steps=4',
    '--align=never',
    '--batch_size=4',
    '--block_size=5',
    '--threads=2',
  ]


@pytest.fixture
def configure(tmp_path, weights_file, photos):
  """(flags) -> the configuration of a bulk run with those flags, too."""
  if 'task' not in flags.FLAGS:
    main.define_flags()

  def configure(*given, output='out'):
    flags.FLAGS.unparse_flags()
    for flag in flags.FLAGS:
      flags.FLAGS[flag].unparse()
    common = tiny_flags(weights_file, photos, tmp_path / output)
    flags.FLAGS(['ganjax', *common, *given])
    return main.from_flags()

  return configure
