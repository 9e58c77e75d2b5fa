"""The formats of pictures: which are decoded, which are known by their names or first bytes alone.

What a file holds counts more than how it is called: phones and programs name HEIC files `.jpg`.
"""

import functools
import os

from PIL import features

_EVERYWHERE = frozenset(
  {'png', 'jpg', 'jpeg', 'jpe', 'jfif', 'mpo', 'webp', 'bmp', 'tif', 'tiff', 'gif'}
  | {'ppm', 'pgm', 'pbm', 'pnm', 'pfm'}
)
READABLE = _EVERYWHERE | frozenset(
  {'avif', 'avifs', 'heic', 'heics', 'heif', 'heifs', 'hif'}
  | {'jp2', 'j2k', 'j2c', 'jpc', 'jpf', 'jpx'}
)
RAW = frozenset(
  {'3fr', 'ari', 'arq', 'arw', 'bay', 'cr2', 'cr3', 'crw', 'dcr', 'dcs', 'dng', 'drf', 'erf', 'fff'}
  | {'gpr', 'iiq', 'k25', 'kdc', 'mdc', 'mef', 'mos', 'mrw', 'nef', 'nrw', 'orf', 'ori', 'pef'}
  | {'ptx', 'raf', 'raw', 'rw2', 'rwl', 'sr2', 'srf', 'srw', 'x3f'}
)
# Other photographs that are not decoded, by extension.
_OTHER = {
  **dict.fromkeys(('psd', 'psb'), 'a Photoshop document'),
  'xcf': 'a GIMP document',
  'jxl': 'JPEG XL',
  **dict.fromkeys(('jxr', 'wdp', 'hdp'), 'JPEG XR'),
  'exr': 'OpenEXR',
  'tga': 'TGA',
}
PHOTOGRAPHS = READABLE | RAW | _OTHER.keys()

_RAW_PHOTO, _VIDEO = "a camera's RAW file", 'a video'
# No photographs: a folder's are passed over, and one that is named itself is told by its name.
_NO_PHOTO = {
  **dict.fromkeys(('mov', 'mp4', 'm4v', 'avi', 'mkv', 'webm', '3gp', 'mts'), _VIDEO),
  **dict.fromkeys(('svg', 'svgz', 'ai', 'eps'), 'a vector drawing'),
  'pdf': 'a PDF',
}
_SIGNATURES = (  # (where, what is there, whose sign it is)
  (0, b'8BPS', _OTHER['psd']),
  (0, b'gimp xcf', _OTHER['xcf']),
  (0, b'\xff\x0a', _OTHER['jxl']),
  (0, b'\0\0\0\x0cJXL ', _OTHER['jxl']),
  (0, b'II\xbc\x01', _OTHER['jxr']),
  (0, b'\x76\x2f\x31\x01', _OTHER['exr']),
  (0, b'%PDF', _NO_PHOTO['pdf']),
  (0, b'%!PS', _NO_PHOTO['eps']),
  (0, b'<svg', _NO_PHOTO['svg']),
  (8, b'CR\x02', _RAW_PHOTO),  # Canon
  (6, b'HEAPCCDR', _RAW_PHOTO),  # Canon, before 2004
  (0, b'IIRO', _RAW_PHOTO),  # Olympus
  (0, b'IIRS', _RAW_PHOTO),
  (0, b'MMOR', _RAW_PHOTO),
  (0, b'IIU\0', _RAW_PHOTO),  # Panasonic and Leica
  (0, b'FUJIFILMCCD-RAW', _RAW_PHOTO),
  (0, b'\0MRM', _RAW_PHOTO),  # Minolta
  (0, b'FOVb', _RAW_PHOTO),  # Sigma
)
_TIFF = b'II*\0', b'MM\0*'
_AVIF = {b'avif', b'avis'}
# ISO/IEC 23008-12: HEVC pictures and sequences, and containers that say no more than "pictures".
_HEIF = {b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs'}
_CONTAINER = {b'mif1', b'mif2', b'msf1', b'miaf'}


def extension(file: str) -> str:
  """'jpg' of 'x/Me.JPG'."""
  return os.path.splitext(file)[1][1:].lower()


def precedence(file: str) -> int:
  """Which of several files that differ in their extension alone has the plain name: the least.

  A copy that every program reads comes before HEIC, and that before what cannot be decoded.
  """
  end = extension(file)
  return 0 if end in _EVERYWHERE else 1 if end in READABLE else 2


@functools.cache
def pillow_formats() -> tuple[str, ...]:
  """What Pillow may be asked to open here: none of them runs another program."""
  optional = {'avif': 'AVIF', 'jpg_2000': 'JPEG2000'}  # builds of Pillow may leave them out
  built = [name for feature, name in optional.items() if features.check(feature)]
  return ('PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF', 'GIF', 'PPM', *built)


def is_heif(data: bytes) -> bool:
  """Whether a file is HEIC, or another HEIF that is not AVIF."""
  major, brands = _brands(data)
  if major in _HEIF:
    return True
  return bool(brands & (_HEIF | _CONTAINER)) and not brands & _AVIF


def is_avif(data: bytes) -> bool:
  """Whether a file is AVIF."""
  major, brands = _brands(data)
  return major not in _HEIF and bool(brands & _AVIF)


def unreadable(data: bytes, name: str) -> str:
  """What a file is that is known, and never decoded; '' where decoding is worth a try.

  Args:
    data: the file.
    name: of the file; RAW files that are built like TIFFs are told by it alone. Their first
      picture would be a thumbnail.
  """
  end = extension(name)
  if data.startswith(_TIFF) and end in RAW:
    return _RAW_PHOTO
  for place, sign, kind in _SIGNATURES:
    if data.startswith(sign, place):
      return kind
  major, brands = _brands(data)
  if major == b'crx ':  # Canon's CR3
    return _RAW_PHOTO
  return _VIDEO if brands and not brands & (_AVIF | _HEIF | _CONTAINER) else ''


def named_as(name: str) -> str:
  """What an undecodable file's name says it is; '' where it says nothing."""
  end = extension(name)
  return _RAW_PHOTO if end in RAW else _OTHER.get(end) or _NO_PHOTO.get(end, '')


def _brands(data: bytes) -> tuple[bytes, set[bytes]]:
  """(major brand, all brands) of an ISO base media file; (b'', none) of another."""
  if data[4:8] != b'ftyp' or len(data) < 16:
    return b'', set()
  end = min(int.from_bytes(data[:4], 'big'), 256)
  return data[8:12], {data[8:12]} | {data[i : i + 4] for i in range(16, end - 3, 4)}
