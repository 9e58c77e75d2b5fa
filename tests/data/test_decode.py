"""Every kind of picture that Pillow can build here, and files that mean harm."""

import io
import os
import struct
import sys
import threading
import warnings

import numpy as np
import pytest
from pictures import bad_files, endless_scans, file_of, png_header, text_bomb
from PIL import Image, ImageCms, ImageOps

from ganjax.data import formats
from ganjax.data.decode import ImageError, decode, encode_png

BAD = bad_files()

LIMITS = decode.__globals__  # the function's name hides its module's

HEIGHT, WIDTH = 24, 32

KINDS = 'PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF', 'GIF', 'PPM', 'AVIF', 'JPEG2000'


@pytest.fixture
def pixels():
  return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.fixture
def grey():
  return np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 65535 // (HEIGHT * WIDTH - 1)


@pytest.mark.parametrize('kind', ['PNG', 'BMP', 'TIFF', 'PPM', 'JPEG2000'])
def test_lossless_formats_give_the_pixels(kind, pixels):
  decoded = decode(file_of(Image.fromarray(pixels), kind))
  assert decoded.dtype == np.uint8
  assert decoded.flags.c_contiguous
  np.testing.assert_array_equal(decoded, pixels)


def test_lossless_webp_gives_the_pixels(pixels):
  np.testing.assert_array_equal(
    decode(file_of(Image.fromarray(pixels), 'WEBP', lossless=True)), pixels
  )


def test_jpeg_stays_close():
  smooth = np.linspace(0, 255, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
  decoded = decode(file_of(Image.fromarray(smooth), 'JPEG', quality=95)).astype(int)
  assert np.abs(decoded - smooth).max() < 12


def test_reads_a_path(tmp_path, pixels):
  path = tmp_path / 'a.png'
  path.write_bytes(encode_png(pixels))
  np.testing.assert_array_equal(decode(path), pixels)
  np.testing.assert_array_equal(decode(str(path)), pixels)


def test_png_round_trip_is_exact_and_repeatable(pixels):
  assert encode_png(pixels) == encode_png(pixels.copy())
  np.testing.assert_array_equal(decode(encode_png(pixels)), pixels)
  np.testing.assert_array_equal(decode(encode_png(pixels[:, ::-1])), pixels[:, ::-1])
  np.testing.assert_array_equal(decode(encode_png(pixels[..., 0]))[..., 2], pixels[..., 0])


@pytest.mark.parametrize(
  'wrong',
  [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_encode_refuses_what_is_no_picture(wrong):
  with pytest.raises(ImageError, match='uint8'):
    encode_png(wrong)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_avif_is_turned_once(orientation):
  image, upright = oriented(orientation)
  decoded = decode(file_of(image, 'AVIF', quality=100, exif=image.getexif())).astype(int)
  assert decoded.shape == upright.shape
  assert np.abs(decoded - upright).max() <= 4


def oriented(orientation):
  """A picture with an EXIF orientation, and its pixels when it is upright."""
  block = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((64, 64))).astype(np.uint8)
  image = Image.fromarray(block).convert('RGB')
  image.getexif()[0x0112] = orientation
  return image, np.asarray(ImageOps.exif_transpose(image)).astype(int)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied_once(kind, orientation):
  block = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((16, 16))).astype(np.uint8)
  exif = Image.Exif()
  exif[0x0112] = orientation
  options = {'lossless': True} if kind == 'WEBP' else {}
  data = file_of(Image.fromarray(block).convert('RGB'), kind, exif=exif, **options)
  with Image.open(io.BytesIO(data)) as image:
    expected = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
  assert expected.shape == ((48, 32, 3) if orientation > 4 else (32, 48, 3))
  np.testing.assert_array_equal(decode(data), expected)


def test_broken_exif_does_not_cost_the_picture(pixels):
  data = file_of(Image.fromarray(pixels), 'PNG', exif=b'Exif\0\0garbage that is no TIFF')
  np.testing.assert_array_equal(decode(data), pixels)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'PPM'])
def test_sixteen_bit_grey_is_scaled(kind, grey):
  decoded = decode(file_of(Image.fromarray(grey.astype(np.uint16)), kind))
  np.testing.assert_array_equal(
    decoded, np.rint(grey / 257).astype(np.uint8)[..., None].repeat(3, 2)
  )


def test_sixteen_bit_big_endian_tiff(grey):
  image = Image.fromarray(grey.astype('>u2'))
  assert image.mode == 'I;16B'
  np.testing.assert_array_equal(decode(file_of(image, 'TIFF'))[..., 0], np.rint(grey / 257))


def test_sixteen_bit_transparency_is_white(grey):
  image = Image.fromarray(grey.astype(np.uint16))
  decoded = decode(file_of(image, transparency=int(grey[3, 4])))
  assert (decoded[3, 4] == 255).all()
  assert decoded[0, 0, 0] == 0


def test_min_is_white_tiff_is_inverted(grey):
  data = file_of(Image.fromarray(grey.astype(np.uint16)), 'TIFF')
  entry = struct.pack('<HHI', 262, 3, 1)
  at = data.index(entry) + len(entry)
  data = data[:at] + struct.pack('<H', 0) + data[at + 2 :]
  np.testing.assert_array_equal(decode(data)[..., 0], 255 - np.rint(grey / 257))


@pytest.mark.parametrize('white', [255, 65535])
def test_whole_numbers_of_32_bits(white, grey):
  values = np.rint(grey / 65535 * white).astype(np.int32)
  decoded = decode(file_of(Image.fromarray(values), 'TIFF'))
  np.testing.assert_array_equal(decoded[..., 0], np.rint(values * (255 / white)))


@pytest.mark.parametrize('white', [1, 255, 65535])
def test_floats(white, grey):
  values = (grey / 65535 * white).astype(np.float32)
  decoded = decode(file_of(Image.fromarray(values), 'TIFF')).astype(float)
  assert np.abs(decoded[..., 0] - grey / 257).max() < 0.51


@pytest.mark.parametrize('value', [-1, 70000, np.nan, np.inf])
def test_values_without_a_white_are_refused(value, grey):
  values = (grey / 65535).astype(np.float32)
  values[2, 2] = value
  with pytest.raises(ImageError, match='8 bits'):
    decode(file_of(Image.fromarray(values), 'TIFF'))


@pytest.mark.parametrize(
  ('kind', 'mode'),
  [('PNG', 'RGBA'), ('TIFF', 'RGBA'), ('WEBP', 'RGBA'), ('PNG', 'LA'), ('TIFF', 'LA')],
)
def test_alpha_is_laid_over_white(kind, mode):
  levels = np.array([[[0, 0], [0, 255]], [[100, 51], [200, 255]]], np.uint8)
  image = (
    Image.fromarray(levels, 'LA') if mode == 'LA' else Image.fromarray(levels[..., [0, 0, 0, 1]])
  )
  options = {'lossless': True, 'exact': True} if kind == 'WEBP' else {}
  expected = [[255, 0], [224, 200]]  # 224 = 100 · 0.2 + 255 · 0.8
  decoded = decode(file_of(image, kind, **options))
  np.testing.assert_array_equal(decoded, np.array(expected)[..., None].repeat(3, 2))


@pytest.mark.parametrize('kind', ['PNG', 'GIF', 'TIFF', 'BMP'])
def test_palette(kind, pixels):
  image = Image.fromarray(pixels).quantize(16)
  np.testing.assert_array_equal(decode(file_of(image, kind)), np.asarray(image.convert('RGB')))


@pytest.mark.parametrize('transparency', [1, b'\xff\x00'])
def test_palette_with_transparency(transparency):
  image = Image.new('P', (2, 1))
  image.putpalette([10, 20, 30, 40, 50, 60])
  image.putpixel((1, 0), 1)
  decoded = decode(file_of(image, transparency=transparency))
  np.testing.assert_array_equal(decoded, [[[10, 20, 30], [255, 255, 255]]])


def test_colour_key_transparency(pixels):
  pixels[0, 0] = 1, 2, 3
  decoded = decode(file_of(Image.fromarray(pixels), transparency=(1, 2, 3)))
  assert (decoded[0, 0] == 255).all()
  np.testing.assert_array_equal(decoded[1:], pixels[1:])


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'BMP', 'PPM', 'GIF'])
def test_one_bit(kind, grey):
  bits = grey % 5 > 2
  decoded = decode(file_of(Image.fromarray(bits), kind))
  np.testing.assert_array_equal(decoded[..., 1], bits * 255)


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF'])
def test_cmyk(kind):
  inks = np.zeros((16, 16, 4), np.uint8)
  inks[..., 0] = 255
  decoded = decode(file_of(Image.fromarray(inks, 'CMYK'), kind)).astype(int)
  assert np.abs(decoded - [0, 255, 255]).max() <= 2


@pytest.mark.parametrize('kind', ['GIF', 'PNG', 'WEBP', 'TIFF'])
def test_first_frame_of_an_animation(kind):
  frames = [Image.new('RGB', (8, 8), colour) for colour in ('red', 'blue')]
  options = {'lossless': True} if kind == 'WEBP' else {}
  data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options)
  with Image.open(io.BytesIO(data)) as image:
    assert image.n_frames == 2
  assert (decode(data) == [255, 0, 0]).all()


def test_pictures_of_a_two_lens_camera():
  frames = [Image.new('RGB', (8, 8), colour) for colour in ('white', 'black')]
  assert (decode(file_of(frames[0], 'MPO', save_all=True, append_images=frames[1:])) == 255).all()


def swapped_profile(name='test'):
  """An RGB profile whose red is sRGB's blue."""
  profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
  for tag in (b'XYZ', b'TRC'):
    first, second = profile.index(b'r' + tag), profile.index(b'b' + tag)
    profile[first], profile[second] = profile[second], profile[first]
  return bytes(profile).replace('sRGB'.encode('utf-16-be'), name.encode('utf-16-be'))


def test_colour_profile_is_converted(pixels):
  data = file_of(Image.fromarray(pixels), icc_profile=swapped_profile())
  assert np.abs(decode(data).astype(int) - pixels[..., ::-1]).max() <= 2


def test_colour_profile_of_a_palette_and_alpha():
  image = Image.new('RGBA', (4, 4), (255, 0, 0, 255))
  assert (decode(file_of(image, icc_profile=swapped_profile())) == [0, 0, 255]).all()
  image = Image.new('P', (4, 4))
  image.putpalette([255, 0, 0])
  assert (decode(file_of(image, icc_profile=swapped_profile())) == [0, 0, 255]).all()


def test_a_profile_called_srgb_changes_not_one_bit(pixels):
  profile = swapped_profile('sRGB')
  np.testing.assert_array_equal(
    decode(file_of(Image.fromarray(pixels), icc_profile=profile)), pixels
  )


@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_broken_or_foreign_profile_is_ignored(mode, pixels):
  image = Image.fromarray(pixels).convert(mode)
  profile = b'no profile' if mode == 'RGB' else swapped_profile()
  np.testing.assert_array_equal(
    decode(file_of(image, icc_profile=profile)), np.asarray(image.convert('RGB'))
  )


# Hostile files.


def refusal(data, name='bad.png'):
  with pytest.raises(ImageError) as caught:
    decode(data, name=name)
  message = str(caught.value)
  assert message.startswith(f'{name}: ')
  assert '\n' not in message
  return message


@pytest.mark.parametrize('size', [(12000, 12000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_before_decoding(size, monkeypatch):
  def load(self):
    raise AssertionError('decoded')

  monkeypatch.setattr('PIL.ImageFile.ImageFile.load', load)
  assert 'pixels; scale it down' in refusal(png_header(*size))


def test_pixel_limit(monkeypatch, pixels):
  monkeypatch.setitem(LIMITS, 'MAX_PIXELS', HEIGHT * WIDTH)
  decode(encode_png(pixels))
  monkeypatch.setitem(LIMITS, 'MAX_PIXELS', HEIGHT * WIDTH - 1)
  assert f'{WIDTH} × {HEIGHT}' in refusal(encode_png(pixels))


def test_a_large_picture_within_the_limit_passes_pillows_own_warning(monkeypatch, pixels):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', HEIGHT * WIDTH - 1)
  np.testing.assert_array_equal(decode(encode_png(pixels)), pixels)


def test_file_limit(monkeypatch, tmp_path, pixels):
  monkeypatch.setitem(LIMITS, 'MAX_FILE_BYTES', 100)
  assert 'save it smaller' in refusal(encode_png(pixels))
  path = tmp_path / 'big.png'
  path.write_bytes(encode_png(pixels))
  with pytest.raises(ImageError, match=r'big\.png: .*save it smaller'):
    decode(path)


def test_a_huge_file_is_not_read(tmp_path):
  path = tmp_path / 'huge.png'
  path.touch()
  os.truncate(path, 2**30)
  with pytest.raises(ImageError, match='1024 MiB, more than 256 MiB'):
    decode(path)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('part', [0.01, 0.1, 0.5, 0.9])
def test_truncated_files_are_refused(kind, part, pixels):
  data = file_of(Image.fromarray(pixels), kind)
  assert 'again' in (message := refusal(data[: int(len(data) * part)])) or 'save it' in message


def test_zero_bytes_text_and_zero_size():
  assert 'empty' in refusal(b'')
  assert 'known format' in refusal(b'these are words, and no picture at all')
  refusal(png_header(0, 5))
  refusal(b'P6 0 5 255\n')


@pytest.mark.parametrize(
  ('kind', 'reason'),
  [('EPS', 'a vector drawing'), ('PDF', 'a PDF'), ('ICO', 'known format'), ('TGA', 'known format')],
)
def test_other_formats_are_not_even_tried(kind, reason, pixels):
  assert reason in refusal(file_of(Image.fromarray(pixels), kind))


@pytest.mark.parametrize(
  ('name', 'data', 'kind'),
  [
    ('x.CR2', b'II*\0\x10\0\0\0CR\x02\0', "a camera's RAW file"),
    ('x.bin', b'II*\0\x10\0\0\0CR\x02\0', "a camera's RAW file"),
    ('x.cr3', b'\0\0\0\x18ftypcrx \0\0\0\x01crx isom', "a camera's RAW file"),
    ('x.NEF', file_of(Image.new('RGB', (16, 16)), 'TIFF'), "a camera's RAW file"),
    ('x.kdc', b'of no known form', "a camera's RAW file"),
    ('x.psd', b'8BPS\0\x01', 'a Photoshop document'),
    ('x.jpg', b'\0\0\0\x0cJXL \r\n\x87\n', 'JPEG XL'),
    ('x.mov', b'\0\0\0\x14ftypqt  \0\0\0\0qt  ', 'a video'),
    ('x.jpg', b'\0\0\0\x18ftypmp42\0\0\0\0isommp42', 'a video'),
    ('x.mkv', b'of no known form', 'a video'),
    ('x.svg', b'<?xml version="1.0"?><svg/>', 'a vector drawing'),
    ('x.pdf', b'%PDF-1.7', 'a PDF'),
  ],
)
def test_known_files_that_are_no_plain_picture_say_what_they_are(name, data, kind):
  assert refusal(data, name) == (
    f'{name}: is {kind}, which is not decoded; export it as JPEG or PNG'
  )


@pytest.mark.parametrize('name', ['x.HEIC', 'x.jpg', 'x.cr2'])
def test_what_a_file_holds_counts_more_than_its_name(name, pixels):
  np.testing.assert_array_equal(decode(encode_png(pixels), name), pixels)


@pytest.mark.parametrize('brands', [b'heic\0\0\0\0mif1heic', b'mif1\0\0\0\0mif1heic'])
@pytest.mark.parametrize('name', ['x.HEIC', 'x.jpg'])
def test_heic_names_the_package_that_it_needs(brands, name, monkeypatch):
  monkeypatch.setitem(sys.modules, 'pillow_heif', None)
  data = b'\0\0\0\x18ftyp' + brands + bytes(100)
  assert refusal(data, name) == f'{name}: is HEIC, which needs `pip install pillow-heif`'


def test_a_pillow_without_avif_says_so(monkeypatch, pixels):
  monkeypatch.setattr(formats, 'pillow_formats', lambda: ('PNG',))
  assert 'pip install --upgrade pillow' in refusal(file_of(Image.fromarray(pixels), 'AVIF'))


@pytest.fixture
def heif():
  return pytest.importorskip('pillow_heif')


def heic_of(heif, image):
  file = io.BytesIO()
  container = heif.from_pillow(Image.fromarray(np.asarray(image)))
  container[0].info['exif'] = image.getexif().tobytes()
  container.save(file, quality=-1, chroma=444)
  return file.getvalue()


def test_heic_gives_the_pixels(heif, pixels):
  decoded = decode(heic_of(heif, Image.fromarray(pixels))).astype(int)
  assert np.abs(decoded - pixels).max() <= 4


def test_broken_heic_is_refused(heif, pixels):
  whole = heic_of(heif, Image.fromarray(pixels))
  for part in (0.1, 0.5, 0.9):
    refusal(whole[: int(len(whole) * part)])


def test_heic_keeps_the_pixel_limit(heif, pixels, monkeypatch):
  monkeypatch.setitem(LIMITS, 'MAX_PIXELS', HEIGHT * WIDTH - 1)
  assert f'{WIDTH} × {HEIGHT}' in refusal(heic_of(heif, Image.fromarray(pixels)))


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_heic_is_turned_once(heif, orientation):
  image, upright = oriented(orientation)
  decoded = decode(heic_of(heif, image)).astype(int)
  assert decoded.shape == upright.shape
  assert np.abs(decoded - upright).max() <= 4


def test_jpeg_of_endless_scans_is_refused():
  decode(endless_scans(50))
  assert 'scans' in refusal(endless_scans())


def test_png_text_bomb_is_refused_or_skipped():
  refusal(text_bomb())


@pytest.mark.parametrize('name', BAD)
def test_bad_files_are_refused(name):
  refusal(BAD[name])


def test_paths_that_are_no_files(tmp_path):
  with pytest.raises(ImageError, match=r'nothing\.png: cannot be read'):
    decode(tmp_path / 'nothing.png')
  with pytest.raises(ImageError, match='not a regular file'):
    decode(tmp_path)
  with pytest.raises(ImageError, match='not a regular file'):
    decode('/dev/zero')


def test_odd_names_stay_on_one_line():
  with pytest.raises(ImageError) as caught:
    decode(b'', name='a\nb\x1b[31m\udcff.png')
  assert str(caught.value).startswith('a?b?[31m?.png: ')


@pytest.mark.parametrize('kind', KINDS)
def test_damaged_bytes_raise_nothing_but_image_errors(kind, pixels):
  rng = np.random.default_rng(7)
  data = np.frombuffer(file_of(Image.fromarray(pixels), kind), np.uint8)
  for _ in range(60):
    damaged = data.copy()
    where = rng.integers(0, min(len(data), 400), rng.integers(1, 6))
    damaged[where] = rng.integers(0, 256, len(where))
    try:
      decoded = decode(damaged.tobytes())
    except ImageError:
      continue
    assert decoded.dtype == np.uint8
    assert decoded.shape[2] == 3


def test_threads_leave_the_warning_filters_alone(pixels):
  before = list(warnings.filters)
  data = [file_of(Image.fromarray(pixels), kind) for kind in ('TIFF', 'JPEG', 'PNG')]
  threads = [
    threading.Thread(target=lambda: [decode(d) for _ in range(20) for d in data]) for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert list(warnings.filters) == before
