"""What pix2pix learns from: pairs stay pairs, and holes are where they are said to be."""

import jax
import numpy as np
import pytest
from PIL import Image

from ganjax import degradations
from ganjax.data import ImageError, SourceError
from ganjax.pix2pix import cases, conditions
from ganjax.training import Pictures
from ganjax.training.pix2pix import examples
from ganjax.training.pix2pix.examples import Jitter


def write(folder, name, pixels):
  folder.mkdir(exist_ok=True)
  Image.fromarray(pixels).save(folder / name)


def noise(seed, height=20, width=20):
  return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
  for i in range(3):
    write(tmp_path / 'clean', f'{i}.png', noise(i))
  return Pictures(str(tmp_path / 'clean'))


def rng(seed=0):
  return np.random.default_rng(seed)


def test_masks_are_cut_anew_each_time(pictures):
  read = examples.degraded(pictures, degradations.parse('mask(boxes=2, size=0.25)'), 16, None)
  first, again, other = read(0, rng(1)), read(0, rng(1)), read(0, rng(2))
  for a, b in zip(first, again, strict=True):
    np.testing.assert_array_equal(a, b)
  assert (first.known != other.known).any()
  assert first.truth.shape == (16, 16, 3)
  assert 16 <= (first.known == 0).sum() <= 32
  np.testing.assert_array_equal(first.condition, first.truth * first.known)


@pytest.mark.parametrize(
  'spec', ['downsample(factor=4)', 'blur(kernel_size=5) | mask(missing=0.2)']
)
def test_other_degradations_show_nothing_of_the_truth_itself(pictures, spec):
  example = examples.degraded(pictures, degradations.parse(spec), 16, Jitter())(0, rng())
  assert example.condition.shape == example.truth.shape == (16, 16, 3)
  assert not example.known.any()
  assert (example.condition != example.truth).any()


def test_both_of_a_pair_are_framed_alike(tmp_path):
  for i in range(2):
    write(tmp_path / 'a', f'{i}.png', noise(i))
    write(tmp_path / 'b', f'{i}.jpg', noise(i))  # another format of the same picture
    Image.fromarray(noise(i)).save(tmp_path / 'b' / f'{i}.jpg', quality=100, subsampling=0)
    write(tmp_path / 'ab', f'{i}.png', np.concatenate([noise(i), 255 - noise(i)], axis=1))
  a, b = Pictures(str(tmp_path / 'a')), Pictures(str(tmp_path / 'b'))
  read, count = examples.paired(a, b, 16, Jitter(1.5))
  assert count == 2
  frames = []
  for seed in range(6):
    condition, truth, known = read(1, rng(seed))
    assert np.abs(condition.astype(int) - truth).mean() < 4
    assert not known.any()
    frames.append(condition.tobytes())
  assert len(set(frames)) == 6
  for order in ('ab', 'ba'):
    example = examples.side_by_side(Pictures(str(tmp_path / 'ab')), order, 20, None)(0, rng())
    left = example.condition if order == 'ab' else example.truth
    np.testing.assert_array_equal(left, noise(0))
    np.testing.assert_array_equal(example.condition, 255 - example.truth)


def test_what_is_no_pair(tmp_path, pictures):
  write(tmp_path / 'b', '1.png', noise(1))
  read, count = examples.paired(pictures, Pictures(str(tmp_path / 'b')), 16, None)
  assert count == 3
  read(1, rng())
  with pytest.raises(ImageError, match=r'0.png: has no truth of the same name in --truth$'):
    read(0, rng())
  write(tmp_path / 'c', '7.png', noise(1))
  with pytest.raises(SourceError, match=r'0.png: has no truth .* so it is with all of --input'):
    examples.paired(pictures, Pictures(str(tmp_path / 'c')), 16, None)
  with pytest.raises(ImageError, match=r'x.png: 41 px wide'):
    conditions.split_halves(noise(0, 20, 41), 'ab', 'x.png')


@pytest.mark.parametrize('size', [(64, 64), (64, 96), (64, 48), (64, 192), (90, 160), (64, 140)])
def test_pictures_that_are_not_side_by_side(size):
  with pytest.raises(ImageError, match=rf'x.png: {size[1]}×{size[0]} px, .* twice as wide as high'):
    conditions.split_halves(noise(0, *size), 'ab', 'x.png')
  conditions.split_halves(noise(0, 64, 130), 'ab', 'x.png')  # with a line between


@pytest.mark.parametrize('other', [(60, 40), (30, 20), (33, 22), (601, 401), (600, 403)])
def test_pairs_may_differ_in_resolution(other):
  assert conditions.misfit(noise(0, 60, 40), noise(1, *other)) == ''
  assert conditions.misfit(noise(1, *other), noise(0, 60, 40)) == ''


@pytest.mark.parametrize('other', [(40, 60), (60, 60), (60, 41), (600, 410), (60, 43)])
def test_pairs_of_other_shapes_are_refused(tmp_path, other):
  write(tmp_path / 'a', '0.png', noise(0, 60, 40))
  write(tmp_path / 'b', '0.png', noise(1, *other))
  read, _ = examples.paired(Pictures(str(tmp_path / 'a')), Pictures(str(tmp_path / 'b')), 16, None)
  reason = f'is 40×60, its truth {other[1]}×{other[0]}; crop both to one shape'
  with pytest.raises(ImageError, match=f'0.png: {reason}'):
    read(0, rng())
  with pytest.raises(ValueError, match=reason):
    cases.conditioned(noise(0, 60, 40), noise(1, *other), 16)


def test_a_pair_of_two_resolutions_is_framed_alike(tmp_path):
  small = np.kron(noise(0, 4, 4), np.ones((8, 8, 1), np.uint8))
  write(tmp_path / 'a', '0.png', small)
  write(tmp_path / 'b', '0.png', np.kron(small, np.ones((4, 4, 1), np.uint8)))
  pair = (Pictures(str(tmp_path / name)) for name in 'ab')
  read, _ = examples.paired(*pair, 16, Jitter(1.3))
  condition, truth, _ = read(0, rng())
  assert np.abs(condition.astype(int) - truth).mean() < 6


class TestCases:
  def test_holes_shrink_with_the_picture_and_never_leak(self):
    picture = np.full((40, 60, 3), 255, np.uint8)
    case = cases.boxed(picture, None, [(0, 0), (33, 11)], 10, 16)
    assert case.degraded.shape == (40, 60, 3)
    assert set(np.unique(case.condition)) == {0, 255}
    assert case.condition[0, 0, 0] == 0
    assert (case.condition == 0).mean() > 200 / 2400

  def test_the_default_size_is_75_at_256(self):
    for side, size in ((256, 75), (128, 37), (200, 58)):
      picture = np.zeros((side, side, 3), np.uint8)
      assert cases.boxed(picture, None, [(0, 0), (1, 1)], None, 16).size == size

  def test_the_truth_must_fit(self):
    with pytest.raises(ValueError, match='is 20×20, its truth 30×20'):
      cases.boxed(noise(0), noise(0, 20, 30), [(0, 0), (1, 1)], 5, 16)

  def test_random_boxes_are_those_of_the_mask(self):
    pipeline = degradations.parse('mask(boxes=2)')
    case = cases.degraded(noise(0, 60, 40), pipeline, jax.random.key(3), 16)
    assert case.size == 11
    assert len(case.corners) == 2
    hole = np.zeros((60, 40), bool)
    for x, y in case.corners:
      hole[y : y + 11, x : x + 11] = True
    np.testing.assert_array_equal(hole, case.known[:, :, 0] == 0)

  def test_scores_are_those_of_the_boxes(self):
    truth = np.full((40, 40, 3), 100, np.uint8)
    case = cases.boxed(truth, truth, [(0, 0), (20, 20)], 12, 16)
    completed = truth / np.float32(255)
    completed[0:12, 0:12] += np.float32(0.1)
    scores = cases.scores(case, completed)
    assert scores['mse_holes'] == pytest.approx(0.005, rel=1e-4)
    assert scores['mse'] == pytest.approx(0.01 * 144 / 1600, rel=1e-4)
    assert scores['psnr_holes'] == pytest.approx(23.01, abs=0.01)
    assert 0.5 < scores['ssim_holes'] < 1
    assert cases.scores(case._replace(truth=None), completed) == {}
