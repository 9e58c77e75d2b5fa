import io

import numpy as np
import pytest
from PIL import Image

from ganjax.report import ReportError, animation


def ramp(count: int, side: int = 64) -> list[np.ndarray]:
  levels = np.linspace(30, 220, count).astype(np.uint8)
  return [np.full((side, side, 3), level, np.uint8) for level in levels]


def play(data: bytes) -> tuple[list[np.ndarray], list[int], Image.Image]:
  image = Image.open(io.BytesIO(data))
  frames, durations = [], []
  for i in range(getattr(image, 'n_frames', 1)):
    image.seek(i)
    image.load()
    frames.append(np.asarray(image.convert('RGB')))
    durations.append(image.info['duration'])
  return frames, durations, image


def test_every_frame_is_there_in_order_and_the_last_is_held():
  frames, durations, image = play(animation(ramp(11)))
  assert image.format == 'WEBP'
  assert image.info['loop'] == 0
  assert len(frames) == 11
  means = [frame.mean() for frame in frames]
  np.testing.assert_allclose(means, [frame.mean() for frame in ramp(11)], atol=4)
  assert len(set(durations[:-1])) == 1
  assert durations[-1] >= 5 * durations[0]


@pytest.mark.parametrize('count', [2, 20, 60])
def test_plays_within_some_seconds(count):
  _, durations, _ = play(animation(ramp(count)))
  assert 300 <= sum(durations[:-1]) <= 6000


def test_labels_stand_in_a_strip_below():
  frames, _, _ = play(animation(ramp(3, 128), ['step 0', 'step 50', 'step 100']))
  assert frames[0].shape[1] == 128
  assert frames[0].shape[0] > 128
  np.testing.assert_allclose(frames[0][:120].mean(), 30, atol=4)
  strips = [frame[130:].astype(int) for frame in frames]
  assert all(strip.max() > 180 for strip in strips)
  assert np.abs(strips[0] - strips[1]).max() > 50


def test_a_small_picture_grows_under_its_label():
  frames, _, _ = play(animation(ramp(2, 32), ['a', 'b']))
  assert frames[0].shape[1] == 128


def test_keeps_colour():
  picture = np.zeros((64, 64, 3), np.uint8)
  picture[...] = (224, 172, 105)  # a skin tone
  picture[:, 32:] = (30, 60, 200)
  frames, _, _ = play(animation([picture, 255 - picture]))
  np.testing.assert_allclose(frames[0][4:-4, 4:28].mean((0, 1)), (224, 172, 105), atol=5)


@pytest.mark.parametrize(
  ('frames', 'labels', 'message'),
  [
    ([], None, 'at least one frame'),
    ([*ramp(1), *ramp(1, 32)], None, 'frame 1'),
    ([ramp(1)[0].astype(np.float32)], None, 'frame 0'),
    ([np.zeros((4, 4), np.uint8)], None, r'\[H, W, 3\]'),
    (ramp(2), ['one'], '1 labels for 2 frames'),
  ],
)
def test_what_does_not_fit_is_refused(frames, labels, message):
  with pytest.raises(ReportError, match=message):
    animation(frames, labels)


def test_one_frame_is_a_picture():
  image = Image.open(io.BytesIO(animation(ramp(1))))
  assert image.size == (64, 64)
  np.testing.assert_allclose(np.asarray(image.convert('RGB')), 30, atol=4)
