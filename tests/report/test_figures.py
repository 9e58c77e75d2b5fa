import io

import numpy as np
import pytest
from matplotlib import _pylab_helpers
from PIL import Image

from ganjax.report import ReportError, loss_curve
from ganjax.report.figures import _MARK, _PSNR

STEPS = 200
LOSS = np.geomspace(1.0, 0.01, STEPS)


def pixels(png: bytes) -> np.ndarray:
  assert png.startswith(b'\x89PNG')
  return np.asarray(Image.open(io.BytesIO(png)).convert('RGB')).astype(np.int32)


def mark_at(image: np.ndarray) -> float:
  """The column of the dashed line, as a share of the width: the most pixels of its colour."""
  colour = np.array([int(_MARK[i : i + 2], 16) for i in (1, 3, 5)])
  near = np.abs(image - colour).max(axis=-1) < 40
  return int(near.sum(axis=0).argmax()) / image.shape[1]


def test_is_a_small_picture_on_a_light_ground():
  png = loss_curve({'total': LOSS, 'perceptual': LOSS * 0.9, 'noise': LOSS**2}, 120, 'one')
  image = pixels(png)
  assert image.shape == (360, 720, 3)
  assert len(png) < 40_000
  assert (image > 240).all(axis=-1).mean() > 0.8


def test_the_mark_stands_where_the_loss_settled():
  early, late = (mark_at(pixels(loss_curve({'total': LOSS}, step, 'one'))) for step in (20, 180))
  # The axes take most of the width, so 160 of 200 steps are some 70 % of it.
  assert 0.6 < late - early < 0.85


def test_psnr_is_drawn_on_a_scale_of_its_own():
  """A rise from 20 to 30 dB would be a flat line above the loss's own scale."""
  image = pixels(loss_curve({'total': LOSS}, 50, 'one', np.linspace(20, 30, STEPS), 'taken'))
  colour = np.array([int(_PSNR[i : i + 2], 16) for i in (1, 3, 5)])
  drawn = np.abs(image - colour).max(axis=-1) < 40
  rows = [int(np.flatnonzero(drawn[:, x]).mean()) for x in (100, 250, 400)]
  assert rows[0] - rows[1] > 60
  assert rows[1] - rows[2] > 60


def test_a_mark_beyond_the_steps_stays_in_the_picture():
  last = pixels(loss_curve({'total': LOSS}, STEPS - 1, 'one'))
  np.testing.assert_array_equal(
    mark_at(pixels(loss_curve({'total': LOSS}, 10**6, 'one'))), mark_at(last)
  )


def test_the_scale_is_logarithmic():
  """A geometric fall is a straight line: halfway in steps, halfway in height."""
  image = pixels(loss_curve({'total': LOSS}, 0, ''))
  dark = image.max(axis=-1) < 60
  # Left of the axes and below them stand the labels, which are grey, not as dark as the curve.
  ys, xs = np.nonzero(dark[60:300])
  first, last = ys[xs < xs.min() + 8].mean(), ys[xs > xs.max() - 8].mean()
  middle = ys[np.abs(xs - (xs.min() + xs.max()) / 2) < 8].mean()
  assert abs(middle - (first + last) / 2) < 4
  assert last - first > 150


def height(terms) -> int:
  """How many rows the black curve of the loss spans."""
  image = pixels(loss_curve(terms, 0, ''))[45:310, :450]  # without the title and the legend
  return int(np.ptp(np.nonzero((image.max(axis=-1) < 60).any(axis=1))[0]))


def test_a_tiny_term_does_not_squeeze_the_loss():
  assert height({'total': LOSS, 'a': LOSS * 1e-12}) > 180
  assert 35 < height({'total': LOSS, 'a': np.geomspace(1, 1e-12, STEPS)}) < 100


@pytest.mark.parametrize(
  'terms',
  [
    {'total': LOSS, 'zero': np.zeros(STEPS)},
    {'total': np.zeros(STEPS)},
    {'total': np.full(STEPS, np.nan)},
    {'total': np.where(np.arange(STEPS) % 7, LOSS, np.inf)},
    {'total': np.ones(STEPS)},
    {'total': np.ones(1)},
    {'total': np.full(STEPS, 1e-38), 'big': np.full(STEPS, 1e38)},
    {'loss': LOSS.astype(np.float32), '_hidden': LOSS, 'a $b': LOSS, '日本': LOSS},
    {f'term {i}': LOSS * i for i in range(12)},
  ],
)
def test_hard_values_and_names_are_drawn(terms):
  assert pixels(loss_curve(terms, 0, 'one')).shape == (360, 720, 3)


@pytest.mark.parametrize('title', ['', '$\\frac', '日本\n\x00\ud800', 'x' * 10_000, '<b>&amp;'])
def test_any_title_is_drawn(title):
  assert pixels(loss_curve({'total': LOSS}, 5, title)).shape == (360, 720, 3)


@pytest.mark.parametrize(
  'terms',
  [{}, {'total': np.zeros(0)}, {'total': LOSS, 'a': LOSS[1:]}, {'total': np.ones((3, 3))}],
)
def test_terms_that_do_not_fit_are_refused(terms):
  with pytest.raises(ReportError, match='num_steps'):
    loss_curve(terms, 0, 'one')


def test_leaves_no_figure_behind():
  for _ in range(3):
    loss_curve({'total': LOSS}, 5, 'one')
  assert not _pylab_helpers.Gcf.get_all_fig_managers()
