"""Every example runs, and does what it says."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image

from ganjax import degradations, inversion
from ganjax.degradations.testing import check

FOLDER = pathlib.Path(__file__).resolve().parents[1] / 'examples'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py') if path.stem != 'support')
# The rows and columns of each one's sheet, for a single face.
SHEETS = {
  'edit_face': (2, 6),
  'invert_batch': (2, 2),
  'latent_space': (1, 4),
  'motion_blur': (3, 1),
  'perceptual_distance': (1, 3),
  'preset': (1, 3),
  'solver': (1, 3),
}
FLAGS = {
  'edit_face': ['--components=2'],
  'motion_blur': ['--length=5'],
  'solver': ['--degradation=downsample(factor=2)'],
}
CELL = 256


@pytest.fixture(autouse=True)
def _path(monkeypatch):
  monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
  path = tmp_path_factory.mktemp('photos') / 'square.png'
  pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
  Image.fromarray(pixels).save(path)
  return path


@pytest.mark.parametrize('name', NAMES)
def test_example_writes_its_sheet(name, photo, weights_file, tmp_path, capsys):
  flags = [f'--input={photo}', f'--output={tmp_path}', f'--weights={weights_file}']
  flags += ['--align=never', '--num_steps=3', *FLAGS.get(name, [])]
  example = importlib.import_module(name)
  example.main(flags)
  rows, columns = SHEETS[name]
  with Image.open(tmp_path / f'{name}.png') as sheet:
    assert sheet.size == (columns * CELL, rows * CELL)
    cells = np.asarray(sheet).reshape(rows, CELL, columns, CELL, 3).swapaxes(1, 2)
  assert all(cell.std() > 1 for cell in cells.reshape(-1, CELL, CELL, 3))
  assert f'wrote {tmp_path / name}.png' in capsys.readouterr().out
  assert f'python examples/{name}.py' in example.__doc__


def test_every_example_has_a_sheet():
  assert list(SHEETS) == NAMES


def test_motion_blur_has_all_properties():
  importlib.import_module('motion_blur')
  check('motion_blur(length=9, angle=30)', other='motion_blur(length=4, angle=-75)')


def test_motion_blur_moves_along_its_angle():
  importlib.import_module('motion_blur')
  point = np.full((31, 31, 3), -1, np.float32)
  point[15, 15] = 1
  spread = {
    angle: degradations.parse(f'motion_blur(length=8, angle={angle})')
    .true(point, jax.random.key(0))
    .mean(axis=2)
    + 1
    for angle in (0, 90)
  }
  assert np.count_nonzero(spread[0].sum(axis=0)) >= 8
  assert np.count_nonzero(spread[0].sum(axis=1)) == 1
  np.testing.assert_allclose(spread[0], spread[90].T, atol=0.01)


def test_the_length_of_a_motion_blur_can_be_found():
  importlib.import_module('motion_blur')
  image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)), jnp.float32)
  pipeline = degradations.parse('motion_blur(length=?, angle=20)')
  target = degradations.parse('motion_blur(length=9, angle=20)').model(image, jax.random.key(0))

  def loss(free):
    return jnp.mean((pipeline.bind(free).model(image, jax.random.key(0)) - target) ** 2)

  slope = jax.grad(loss)(pipeline.free())['0.length']
  assert slope[0] < 0  # from its start at 5 px it has to grow


def test_a_pyramid_tells_scales_apart():
  pyramid = importlib.import_module('perceptual_distance').LaplacianPyramid()
  image = jnp.zeros((32, 32, 3))
  fine = image.at[::2].set(0.5).at[1::2].set(-0.5)
  assert inversion.distance(pyramid, image, image) == 0
  bands = pyramid.features(fine)
  assert np.abs(bands[0]).mean() == 0.5
  assert all(np.abs(band).max() == 0 for band in bands[1:])


def test_groups_lie_between_w_and_w_plus():
  config = tiny.networks().generator.config
  groups = importlib.import_module('latent_space').Groups()
  latent = groups.enter(jnp.arange(config.w_dim, dtype=jnp.float32), config)
  assert latent.shape == (3, config.w_dim)
  rows = groups.rows(latent.at[0].set(7.0), config)
  assert rows.shape == (config.num_ws, config.w_dim)
  assert 0 < np.count_nonzero(np.all(rows == 7, axis=1)) < config.num_ws
  assert groups.distance(latent, inversion.Euclidean(latent[0])) == 0


def test_a_random_search_never_gets_worse(networks, prior):
  search = importlib.import_module('solver').RandomSearch(population=2)
  image = np.random.default_rng(0).uniform(-1, 1, (16, 16, 3)).astype(np.float32)
  hyper = inversion.Hyper(num_steps=20)
  problem = inversion.make_problem(prior, image, degradations.parse('identity'), 'a', 0, hyper)
  result = inversion.run(prior, [search], inversion.stack([problem]))
  assert result.loss.shape == (1, 20)
  assert np.all(np.diff(result.loss[0]) <= 0)
  assert result.loss[0, -1] < result.loss[0, 0]
