import numpy as np
import pytest
from PIL import Image

from ganjax import faces


def psnr(a, b):
  return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def square(centre, half, degrees=0.0):
  angle = np.deg2rad(degrees)
  x = half * np.array([np.cos(angle), np.sin(angle)])
  y = np.array([-x[1], x[0]])
  return np.asarray(centre) + np.stack([-x - y, -x + y, x + y, x - y])


def inside(quad, height, width):
  """Which pixels have their centre in the quad, by the sign of cross products."""
  y, x = np.mgrid[:height, :width] + 0.5
  result = np.ones((height, width), bool)
  for (x0, y0), (x1, y1) in zip(quad, np.roll(quad, -1, axis=0), strict=True):
    result &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) <= 0
  return result


def ramp(x, y):
  """Colours that tell the position; every linear filter keeps them."""
  return np.stack([2.4 * x, 2.4 * y, 240 - 1.2 * (x + y)], axis=-1)


@pytest.fixture(scope='module')
def ramp_photo():
  y, x = np.mgrid[:100, :100] + 0.5
  return np.rint(ramp(x, y)).astype(np.uint8)


class FixedQuad:
  """A template that cuts out what the test asks for."""

  def __init__(self, quad):
    self._quad = quad

  def quad(self, landmarks):
    return self._quad


def crop(photo, quad, size):
  return faces.crop(photo, np.zeros((68, 2)), FixedQuad(quad), size)


@pytest.mark.parametrize('size', [8, 23, 64, 200])
@pytest.mark.parametrize('degrees', [0, 20, -110])
def test_crop_is_exact_in_position_and_colour(ramp_photo, size, degrees):
  quad = square((52.3, 47.9), 30, degrees)
  image, _ = crop(ramp_photo, quad, size)
  assert image.shape == (size, size, 3)
  assert image.dtype == np.uint8
  v, u = (np.mgrid[:size, :size] + 0.5) / size
  position = quad[0] + u[..., None] * (quad[3] - quad[0]) + v[..., None] * (quad[1] - quad[0])
  error = image - ramp(position[..., 0], position[..., 1])
  assert np.abs(error).max() < 1.6
  assert np.abs(error.mean(axis=(0, 1))).max() < 0.2  # a shift by half a pixel would make it 1.2


def test_landmarks_end_where_the_template_wants_them(astronaut, make_face):
  # A red, a green and a blue dot for the eyes and the mouth, in a photo turned by 30°.
  turn = np.array([(0.866, -0.5), (0.5, 0.866)]) * 2.2
  centres = np.array([(37, 36), (90, 36), (64, 88)]) @ turn.T + (160, 40)
  photo = np.zeros((400, 400, 3), np.uint8)
  y, x = np.mgrid[:400, :400] + 0.5
  for channel, (cx, cy) in enumerate(centres):
    photo[np.hypot(x - cx, y - cy) < 8, channel] = 255
  image = faces.crop(
    photo, make_face(*centres), faces.Template(1.2075, 1.2308, 0.5385), 128
  ).image.astype(float)
  y, x = np.mgrid[:128, :128] + 0.5
  found = [[(c * x).sum() / c.sum(), (c * y).sum() / c.sum()] for c in np.moveaxis(image, 2, 0)]
  np.testing.assert_allclose(found, [(37, 36), (90, 36), (64, 88)], atol=0.6)


@pytest.mark.parametrize('half', [280, 150, 70])
def test_shrinking_averages_all_pixels(half):
  noise = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
  image = crop(noise, square((320, 320), half, 10), 64).image
  # The deviation of a mean over (2 · half / 64)² pixels, and the Lanczos filter's share.
  assert image[4:-4, 4:-4].std() < 1.3 * 74 / (2 * half / 64)
  assert image.mean() == pytest.approx(127.5, abs=1)


def test_quad_on_the_edge_needs_no_padding(ramp_photo):
  image, _ = crop(ramp_photo, faces.full_quad(ramp_photo), 100)
  assert np.abs(image.astype(int) - ramp_photo).max() <= 2


def test_padding_leaves_the_photo_as_it_is(astronaut):
  quad = square((250, 150), 100)
  expected = crop(astronaut, quad, 200).image
  image = crop(astronaut[:, 190:], quad - (190, 0), 200).image  # begins at column 40 of the crop
  # A tenth of the quad is blurred on this side of the photo's edge, all else is the photo.
  assert np.abs(image[:, 65:].astype(int) - expected[:, 65:]).max() <= 1


def test_padding_mirrors_and_blurs_the_photo():
  photo = np.full((300, 300, 3), 200, np.uint8)
  photo[:, 8:14] = 0
  row = crop(photo, square((60, 150), 100), 200).image[100, :, 0].astype(int)
  # The photo begins at column 40: the dark band lies at 48–54, its reflection at 27–32.
  assert np.argmin(row[:40]) in (29, 30)
  assert row[28] < row[20] - 25
  assert row[28] < row[38] - 25
  assert row[51] < row[28] - 25  # the reflection has faded
  assert np.abs(np.diff(row[:40])).max() < 30  # and has no hard edge


def test_padding_blurs_and_fades_to_the_median():
  photo = np.full((300, 300, 3), (200, 120, 60), np.uint8)
  photo[::2] = (210, 130, 70)
  photo[:60] = 0  # the edge that is reflected; the median is that of the stripes
  image = crop(photo, square((150, 30), 100), 200).image.astype(int)
  assert np.ptp(image[60:64].mean(axis=2)) <= 8
  top = image[0].mean(axis=0)
  assert top[0] > 30
  assert top[0] > top[1] > top[2]


def test_refuses_a_face_outside_of_the_photo(ramp_photo):
  with pytest.raises(faces.FaceError, match='outside'):
    crop(ramp_photo, square((400, 50), 30), 64)


@pytest.mark.parametrize('shape', [(1, 50), (2, 2), (1, 1)])
def test_tiny_photos_can_be_padded(shape):
  photo = np.full((*shape, 3), 77, np.uint8)
  image = crop(photo, square((1, 1), 20, 5), 16).image
  np.testing.assert_array_equal(image, np.full((16, 16, 3), 77))


@pytest.mark.parametrize('template', [faces.FFHQ, faces.TIGHT])
@pytest.mark.parametrize('size', [128, 256, 600])
def test_paste_undoes_crop(astronaut, astronaut_face, template, size):
  image, quad = faces.crop(astronaut, astronaut_face, template, size)
  back = faces.paste(astronaut, image, quad, feather=0.02)
  mask = inside(quad, 512, 512)
  shrunk = size < np.linalg.norm(quad[3] - quad[0])
  assert psnr(back[mask], astronaut[mask]) > (30 if shrunk else 38)
  np.testing.assert_array_equal(back[~mask], astronaut[~mask])


@pytest.mark.parametrize('size', [16, 60, 300])
def test_paste_is_exact_in_position_and_colour(ramp_photo, size):
  quad = square((52.3, 47.9), 30, 20)
  image, _ = crop(ramp_photo, quad, size)
  error = faces.paste(ramp_photo, image, quad, feather=0.1).astype(int) - ramp_photo
  assert np.abs(error).max() <= 2
  inner = inside(square((52.3, 47.9), 20, 20), 100, 100)
  assert np.abs(error[inner].mean(axis=0)).max() < 0.2


@pytest.mark.parametrize('feather', [0, 0.1, 0.5])
def test_paste_changes_the_inside_only_and_fades(ramp_photo, feather):
  photo = np.full_like(ramp_photo, 50)
  quad = square((50, 50), 30, 25)
  result = faces.paste(photo, np.full((64, 64, 3), 250, np.uint8), quad, feather=feather)
  mask = inside(quad, 100, 100)
  assert (result[~mask] == 50).all()
  assert (result[50, 50] == 250).all()
  deep = inside(square((50, 50), 30 - max(1, 60 * feather) - 0.01, 25), 100, 100)
  assert (result[deep] == 250).all()
  assert result.min() == 50  # nothing dark bleeds in
  assert np.abs(np.diff(result[50, 50:, 0].astype(int))).max() <= (160 if feather == 0 else 60)
  assert (photo == 50).all()


@pytest.mark.parametrize('feather', [0, 0.1])
def test_no_seam_where_nothing_changes(ramp_photo, feather):
  photo = np.full_like(ramp_photo, 133)
  restored = np.full((40, 40, 3), 133, np.uint8)
  for centre in ((50, 50), (95, 10)):
    result = faces.paste(photo, restored, square(centre, 30, 33), feather=feather)
    np.testing.assert_array_equal(result, photo)


def test_full_quad_is_replaced_as_a_whole(astronaut):
  face = astronaut[40:240, 120:320]
  result = faces.paste(np.zeros_like(face), face, faces.full_quad(face))
  np.testing.assert_array_equal(result, face)
  white = np.full((128, 128, 3), 255, np.uint8)
  assert (faces.paste(face, white, faces.full_quad(face)) == 255).all()


def test_paste_fades_towards_a_photo_edge_that_cuts_the_face(astronaut, astronaut_face):
  cut, face = astronaut[90:], astronaut_face - (0, 90)
  image, quad = faces.crop(cut, face, faces.FFHQ, 256)
  back = faces.paste(cut, image, quad)
  mask = inside(quad, *cut.shape[:2])
  assert psnr(back[mask], cut[mask]) > 34
  np.testing.assert_array_equal(back[~mask], cut[~mask])
  assert np.abs(back[0].astype(int) - cut[0]).max() <= 2  # the crop is blurred there


def test_paste_outside_of_the_photo_changes_nothing(ramp_photo):
  result = faces.paste(ramp_photo, np.zeros((8, 8, 3), np.uint8), square((400, 50), 30))
  np.testing.assert_array_equal(result, ramp_photo)


def test_paste_of_a_finer_face_averages_all_pixels():
  noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
  photo = np.full((100, 100, 3), 127, np.uint8)
  result = faces.paste(photo, noise, square((50, 50), 30, 10))
  assert result[35:65, 35:65].std() < 1.3 * 74 / (512 / 60)


@pytest.mark.parametrize('feather', [-0.1, 0.6, float('nan')])
def test_refuses_a_feather_out_of_range(ramp_photo, feather):
  with pytest.raises(faces.FaceError, match='feather'):
    faces.paste(ramp_photo, ramp_photo, faces.full_quad(ramp_photo), feather=feather)


def test_huge_photo(astronaut, astronaut_face):
  photo = np.asarray(Image.fromarray(astronaut).resize((2560, 2560), Image.Resampling.LANCZOS))
  image, quad = faces.crop(photo, astronaut_face * 5, faces.FFHQ, 128)
  small = faces.crop(astronaut, astronaut_face, faces.FFHQ, 128).image
  assert psnr(image, small) > 32
  np.testing.assert_allclose(quad / 5, faces.FFHQ.quad(astronaut_face))
