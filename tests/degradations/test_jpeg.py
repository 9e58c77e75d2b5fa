import io
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ganjax import data
from ganjax.data import JpegCoding
from ganjax.degradations import DegradationError, Jpeg, parse
from ganjax.degradations.cells import noise_before
from ganjax.degradations.jpeg import (
  CHROMA_TABLE,
  DCT,
  LUMA_TABLE,
  clip,
  quality_of,
  quantisation_table,
  soft_round,
  tables_of,
)
from ganjax.pixels import to_bytes, to_float

PICTURE = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
KEY = jax.random.key(0)


@jax.jit
def model_of(jpeg, image):
  return jpeg.model(image, KEY)


def demo(width, height):
  with Image.open(PICTURE) as picture:
    small = picture.convert('RGB').resize((width, height), Image.Resampling.LANCZOS)
  return to_float(np.asarray(small))


def psnr(first, second):
  return 10 * np.log10(4 / np.mean(np.square(first - second)))


def test_quantisation_tables_are_the_codecs_at_every_quality():
  grey = Image.fromarray(np.zeros((16, 16, 3), np.uint8))
  for quality in range(1, 101):
    file = io.BytesIO()
    grey.save(file, 'JPEG', quality=quality)
    with Image.open(file) as picture:
      tables = picture.quantization
    for index, base in enumerate((LUMA_TABLE, CHROMA_TABLE)):
      ours = quantisation_table(base, np.int32(quality)).ravel()
      np.testing.assert_array_equal(ours, tables[index], err_msg=f'quality {quality}')


@pytest.mark.parametrize('quality', [6, 9, 12, 15, 18, 50, 75, 95])
def test_model_is_close_to_the_codec(quality):
  image = demo(128, 128)
  jpeg = Jpeg.create(quality)
  true = jpeg.true(image, KEY)
  model = model_of(jpeg, jnp.asarray(image))
  assert psnr(model, true) > 37
  # Much closer than the loss that it describes.
  assert psnr(model, true) > psnr(image, true) + 10


@pytest.mark.parametrize(('width', 'height'), [(40, 40), (33, 50), (7, 5), (17, 16)])
def test_sizes_that_are_no_multiple_of_16(width, height):
  image = demo(width, height)
  jpeg = Jpeg.create(50)
  model, true = model_of(jpeg, jnp.asarray(image)), jpeg.true(image, KEY)
  assert model.shape == true.shape == image.shape
  # The last rows and columns are as close as the rest.
  for part in (np.s_[:], np.s_[-3:], np.s_[:, -3:]):
    assert psnr(np.asarray(model)[part], true[part]) > 33


def test_dct_is_orthonormal():
  np.testing.assert_allclose(DCT @ DCT.T, np.eye(8), atol=1e-12)


def test_soft_round_by_finite_differences():
  x = jnp.asarray([-1.3, -0.2, 0.0, 0.1, 0.4, 2.75], jnp.float32)
  step = 1e-2
  slope = (soft_round(x + step) - soft_round(x - step)) / (2 * step)
  np.testing.assert_allclose(jax.vmap(jax.grad(soft_round))(x), slope, atol=2e-3)
  assert np.all(np.abs(soft_round(x) - x) <= 0.5)


def test_gradient_by_finite_differences_where_no_coefficient_jumps():
  """A grey picture made of coefficients that lie a quarter step beyond a multiple."""
  quality = 20
  table = np.asarray(quantisation_table(LUMA_TABLE, np.int32(quality)))
  rng = np.random.default_rng(0)
  steps = np.zeros((8, 8))
  steps[:3, :3] = rng.integers(-1, 2, (3, 3)) + 0.25
  block = DCT.T @ (steps * table) @ DCT / 127.5
  image = np.tile(block[:, :, None], (2, 2, 3)).astype(np.float32)
  assert np.abs(image).max() < 0.9
  direction = rng.uniform(-1, 1, (16, 16, 3)).astype(np.float32)
  weights = jnp.asarray(rng.standard_normal((16, 16, 3)), jnp.float32)
  jpeg = Jpeg.create(quality)

  def value(image):
    return jnp.sum(weights * model_of(jpeg, image))

  step = 5e-3
  moved = [value(jnp.asarray(image + sign * step * direction)) for sign in (1, -1)]
  slope = float(moved[0] - moved[1]) / (2 * step)
  gradient = jax.grad(value)(jnp.asarray(image))
  assert abs(slope) > 0.1
  assert np.vdot(gradient, direction) == pytest.approx(slope, rel=3e-2)


def test_clip_lets_the_gradient_through_near_the_range_and_not_far_beyond():
  x = jnp.asarray([-100.0, -1.1, -0.5, 0.5, 1.1, 3.0], jnp.float32)
  np.testing.assert_allclose(clip(x), [-1, -1, -0.5, 0.5, 1, 1])
  gradient = jax.grad(lambda x: jnp.sum(clip(x)))(x)
  np.testing.assert_allclose(gradient, [0, 0.96, 1, 1, 0.96, 0], atol=1e-2)


@pytest.mark.parametrize('quality', [0, 101, -5])
def test_quality_out_of_range_is_refused(quality):
  with pytest.raises(DegradationError, match=f'quality={quality} is out of range: use 1 to 100'):
    Jpeg.create(quality)


@pytest.mark.parametrize('quality', [5, 10, 20, 40, 60])
def test_the_quality_that_a_crop_has_of_its_photo_is_read_off_the_file(tmp_path, quality):
  photo = Image.open('scripts/demo/astronaut.png').convert('RGB')

  def stored(image, quality):
    image.save(tmp_path / 'x.jpg', quality=quality)
    return np.asarray(Image.open(tmp_path / 'x.jpg'), np.float32)

  for scale in (1.0, 1.5):
    small = photo.resize((256, 256)) if scale > 1 else photo.crop((150, 40, 310, 200))
    side = round(small.width / scale) // 16 * 16
    box = (0, 0, side * scale, side * scale)

    def cut(image, box=box, side=side):
      whole = image if isinstance(image, Image.Image) else Image.fromarray(image.astype(np.uint8))
      return whole.resize((side, side), Image.Resampling.LANCZOS, box)

    lost = np.mean((np.float32(cut(stored(small, quality))) - np.float32(cut(small))) ** 2)
    found = quality_of(data.jpeg_coding(tmp_path / 'x.jpg'), scale)
    assert found is not None, 'it would be raced for'
    if scale == 1:
      assert abs(found - quality) <= 1
    own = np.mean((stored(cut(small), int(found)) - np.float32(cut(small))) ** 2)
    assert 0.5 < own / lost < 2


def stored(image, quality):
  file = io.BytesIO()
  Image.fromarray(to_bytes(image)).save(file, 'JPEG', quality=quality)
  return np.asarray(Image.open(file)), JpegCoding(tables_of(quality), (2, 2))


@pytest.mark.parametrize('is_grey', [False, True])
@pytest.mark.parametrize(('sigma', 'quality'), [(0.05, 40), (0.05, 90), (0.15, 20), (0.15, 90)])
def test_noise_is_known_through_the_jpeg_that_was_made_of_it(sigma, quality, is_grey):
  image = demo(256, 256)
  if is_grey:
    image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
  noise = np.random.default_rng(0).standard_normal(image.shape[:2] + ((1,) if is_grey else (3,)))
  pixels, coding = stored(np.clip(image + 2 * sigma * noise, -1, 1), quality)
  assert noise_before(pixels, coding) == pytest.approx(sigma, rel=0.2)
  if is_grey:  # or toned, which the pixels do not tell
    pixels = np.clip(pixels + np.array([9, 0, -9]), 0, 255).astype(np.uint8)
    assert noise_before(pixels, coding, is_grey) == pytest.approx(sigma, rel=0.2)


def test_where_no_block_tells_nothing_is_known_of_noise():
  for image in (demo(24, 24), np.ones((128, 128, 3), np.float32)):
    assert noise_before(*stored(image, 50)) is None


def test_noise_that_was_stored_is_taken_over():
  coding = JpegCoding(tables_of(40), (2, 2))
  told = parse('noise(sigma=?) | jpeg(quality=?)').stored(coding, 256, 128, 0.1)
  assert not told.unknown
  assert told.operators[0].sigma == np.float32(0.05), 'a crop half as large averages it'
  assert parse('noise(sigma=?) | jpeg').stored(coding, 64, 128, 0.1).operators[
    0
  ].sigma == np.float32(0.1)
  assert not parse('noise(sigma=?) | mask').stored(coding, 256, 128, 0.1).unknown
  for spec, noise in (('noise(sigma=?) | blur | jpeg', 0.1), ('noise(sigma=?) | jpeg', None)):
    assert parse(spec).stored(coding, 256, 128, noise).unknown, 'it is for the crop to tell'
