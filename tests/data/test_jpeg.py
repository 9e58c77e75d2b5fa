"""What JPEG files say of their pixels."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ganjax import data

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8))


def coding(tmp_path, picture=PICTURE, kind='JPEG', **options):
  path = tmp_path / 'me.jpg'
  picture.save(path, kind, **options)
  return data.jpeg_coding(path)


@pytest.mark.parametrize(
  ('options', 'sampling'),
  [
    ({'subsampling': '4:4:4'}, (1, 1)),
    ({'subsampling': '4:2:2'}, (1, 2)),
    ({'subsampling': '4:2:0'}, (2, 2)),
    ({'progressive': True}, (2, 2)),
  ],
)
def test_tables_and_sampling_are_the_files(tmp_path, options, sampling):
  luma, chroma = np.arange(1, 65), np.arange(101, 165)
  found = coding(tmp_path, qtables=[luma.tolist(), chroma.tolist()], **options)
  assert found.sampling == sampling
  assert found.factors == ((1, 1), sampling, sampling)
  for table, expected in zip(found.tables, (luma, chroma, chroma), strict=True):
    np.testing.assert_array_equal(table, expected.reshape(8, 8))


def test_a_grey_file_has_no_chroma_for_certain(tmp_path):
  found = coding(tmp_path, PICTURE.convert('L'), quality=50)
  assert found.tables[0][0, 0] == 16
  assert not np.any(found.tables[1:])


def exif(orientation):
  tags = Image.Exif()
  tags[ExifTags.Base.Orientation] = orientation
  return tags


def profile(kind):
  return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


@pytest.mark.parametrize(
  'options',
  [
    {'kind': 'PNG'},
    {'keep_rgb': True},
    {'picture': PICTURE.convert('CMYK')},
    {'exif': exif(6)},
    {'icc_profile': profile('XYZ')},
  ],
)
def test_of_other_pixels_nothing_is_known(tmp_path, options):
  assert coding(tmp_path, **options) is None


def test_upright_srgb_files_are_known(tmp_path):
  assert coding(tmp_path, exif=exif(1), icc_profile=profile('sRGB')) is not None


def test_of_broken_and_missing_files_nothing_is_known(tmp_path):
  (tmp_path / 'me.jpg').write_bytes(b'\xff\xd8\xff\xe0broken')
  assert data.jpeg_coding(tmp_path / 'me.jpg') is None
  assert data.jpeg_coding(tmp_path / 'missing.jpg') is None
