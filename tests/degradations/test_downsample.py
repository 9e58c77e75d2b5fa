import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ganjax.degradations import DegradationError, Downsample, parse
from ganjax.degradations.downsample import FILTERS
from ganjax.pixels import to_bytes, to_float

KEY = jax.random.key(0)
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize('name', FILTERS)
def test_true_form_is_pillows_on_8_bits(name):
  small = to_bytes(Downsample.create(4, name).true(to_float(PIXELS), KEY)).astype(int)
  expected = np.asarray(Image.fromarray(PIXELS).resize((16, 8), FILTERS[name])).astype(int)
  assert np.abs(small - expected).max() <= 1


def test_model_form_is_the_named_filter():
  image = to_float(PIXELS) / 2  # so that nothing overshoots
  for name in FILTERS:
    operator = Downsample.create(4, name)
    small = operator.model(jnp.asarray(image), KEY)
    np.testing.assert_allclose(small, operator.true(image, KEY), atol=1e-5, err_msg=name)


def test_model_form_without_a_filter_is_the_mean_of_squares():
  image = to_float(PIXELS)
  small = Downsample.create(8).model(jnp.asarray(image), KEY)
  for y, x in ((0, 0), (3, 5), (1, 7)):
    square = image[8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
    np.testing.assert_allclose(small[y, x], square.mean(axis=(0, 1)), atol=1e-6)


def test_overshoot_is_clipped():
  edges = np.where(np.arange(32) // 8 % 2, 1, -1).astype(np.float32)
  image = np.ascontiguousarray(np.broadcast_to(edges[:, None, None], (32, 32, 3)))
  small = Downsample.create(2, 'lanczos').true(image, KEY)
  assert small.max() == 1
  assert small.min() == -1


def test_wrong_arguments_are_refused():
  with pytest.raises(DegradationError, match='factor=1 is out of range: use 2 to 64'):
    Downsample.create(1)
  with pytest.raises(DegradationError, match='filter=cubic is unknown: use one of bilinear'):
    Downsample.create(2, 'cubic')
  with pytest.raises(DegradationError, match='factor=3 does not divide the 96×64 picture'):
    Downsample.create(3).check(64, 96)


def test_to_any_size_the_shorter_side_counts():
  operator = parse('downsample(size=37)')
  assert str(operator) == 'downsample(size=37)'
  assert operator.output_shape(128, 128) == (37, 37)
  assert operator.output_shape(64, 96) == (37, 56)
  assert parse('downsample(size=64)').output_shape(128, 128) == (64, 64)
  with pytest.raises(DegradationError, match='size=64 does not reduce the 96×64 picture'):
    parse('downsample(size=64)').check(64, 96)


def test_by_size_is_by_factor_where_both_are_whole():
  image = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3)).astype(np.float32)
  key = jax.random.key(0)
  for form in ('model', 'true'):
    by_size, by_factor = (
      np.asarray(getattr(parse(f'downsample({way})'), form)(image, key))
      for way in ('size=16', 'factor=4')
    )
    np.testing.assert_array_equal(by_size, by_factor)


def test_an_unknown_factor_follows_from_the_crop():
  operator = parse('downsample(factor=?) | jpeg(quality=?)')
  assert operator.follows_crop
  cropped = operator.cropped(37)
  assert not cropped.follows_crop
  assert cropped.unknown == ((1, 'quality'),)
  assert cropped.output_shape(128, 128) == (37, 37)
