"""Picture files for tests: good ones, and every way we know of being a bad one."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

ENDINGS = {'JPEG2000': 'jp2'}  # where it is not the format's own name


def file_of(image, kind='PNG', **options):
  """The file of a PIL image, as bytes."""
  file = io.BytesIO()
  image.save(file, kind, **options)
  return file.getvalue()


def png_header(width, height):
  """A PNG that claims to be of some size and holds nothing."""
  body = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
  return b'\x89PNG\r\n\x1a\n' + b''.join(
    map(_chunk, [body, b'IDAT' + zlib.compress(b'\0'), b'IEND'])
  )


def _chunk(content):
  return struct.pack('>I', len(content) - 4) + content + struct.pack('>I', zlib.crc32(content))


def noise(side=24, seed=0):
  """Random pixels, uint8 [side, side, 3]."""
  return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def pattern(side):
  """A picture by arithmetic alone, uint8 [side, side, 3]: what other programs can make, too."""
  y, x = np.mgrid[:side, :side]
  channels = [(y * 3 + x) % 256, (x * y // 7) % 256, (255 - y + 2 * x) % 256]
  return np.stack(channels, axis=2).astype(np.uint8)


def text_bomb():
  """A PNG whose comment unpacks to 128 MiB."""
  data = file_of(Image.fromarray(noise()))
  chunk = _chunk(b'zTXtComment\0\0' + zlib.compress(bytes(2**27), 9))
  return data[:33] + chunk + data[33:]


def endless_scans(count=3000):
  """A JPEG that asks for thousands of passes over its pixels."""
  data = file_of(Image.new('RGB', (64, 64)), 'JPEG', progressive=True)
  scan = data[data.rindex(b'\xff\xda') : -2]
  return data[:-2] + scan * count + data[-2:]


def bad_files():
  """Bad pictures, file name -> bytes; none of them can be decoded."""
  image = Image.fromarray(noise())
  png, jpeg, tiff = (file_of(image, kind) for kind in ('PNG', 'JPEG', 'TIFF'))
  files = {
    'empty.png': b'',
    'words.png': b'these are words, and no picture at all',
    'words.jpg': b'<html><body>404 Not Found</body></html>',
    'zeros.png': bytes(4096),
    'random.jpg': np.random.default_rng(1).bytes(4096),
    'signature.png': png[:8],
    'start.jpg': jpeg[:2],
    'without_pixels.png': png_header(64, 64),
    'without_width.png': png_header(0, 5),
    'bomb.png': png_header(12000, 12000),
    'largest.png': png_header(2**31 - 1, 2**31 - 1),
    'text_bomb.png': text_bomb(),
    'endless_scans.jpg': endless_scans(),
    'bad_crc.png': png[:20] + b'\xff' + png[21:],
    'bad_size.tif': tiff[:4] + b'\xff\xff\xff\x7f' + tiff[8:],
    'no_width.ppm': b'P6 0 5 255\n',
    'huge_width.ppm': b'P6 99999999999 5 255\n' + bytes(64),
    'negative.bmp': b'BM' + struct.pack('<IHHIIii', 58, 0, 0, 54, 40, -4, 4) + bytes(24),
    'nan.tif': file_of(Image.fromarray(np.full((8, 8), np.nan, np.float32)), 'TIFF'),
    'infinite.tif': file_of(Image.fromarray(np.full((8, 8), np.inf, np.float32)), 'TIFF'),
    'script.jpg': b'#!/bin/sh\nexit 1\n',
    'zip.png': b'PK\x03\x04' + bytes(100),
    'elf.png': b'\x7fELF' + bytes(100),
    'svg.png': b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
  }
  for kind in ('EPS', 'PDF', 'ICO', 'TGA'):
    files[f'really_{kind}.png'] = file_of(image, kind)
  for kind in ('PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF', 'GIF', 'PPM', 'AVIF', 'JPEG2000'):
    whole = file_of(image, kind)
    files[f'half.{ENDINGS.get(kind, kind.lower())}'] = whole[: len(whole) // 2]
  return files


def write_photos(folder, count, broken=()):
  """Writes 0.png, 1.png, … of 16 px; those whose numbers are in `broken` are no pictures."""
  folder.mkdir()
  for i in range(count):
    content = b'broken' if i in broken else file_of(Image.fromarray(noise(16, i)))
    (folder / f'{i}.png').write_bytes(content)
  return folder
