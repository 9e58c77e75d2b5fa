"""Picture files to arrays and back. Any file may be hostile, so limits are checked first."""

import contextlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from ganjax.data import formats
from ganjax.errors import GanjaxError

MAX_FILE_BYTES = 256 * 2**20
MAX_PIXELS = 120_000_000  # a 108-megapixel phone camera's pictures still pass
MAX_JPEG_SCANS = 2000  # a scan of a few bytes costs a pass over all pixels; cameras write ≤ 12

# Pillow warns through process-wide filters, which only one thread at a time may change.
_filters = threading.Lock()


class ImageError(GanjaxError):
  """A picture cannot be read; the message names the file and the remedy."""


def decode(source: str | os.PathLike | bytes, name: str | None = None) -> np.ndarray:
  """Reads one picture, upright, in sRGB.

  The EXIF orientation is applied; a colour profile is converted to sRGB (a broken one is ignored);
  transparency is laid over white; of an animation the first frame is taken. Deep grey pictures
  are scaled so that the depth's white becomes 255; floats are taken as [0, 1], else [0, 255],
  else [0, 65535], the first that holds all values. HEIC needs the package pillow-heif.

  Args:
    source: a file's path, or its bytes.
    name: what to call it in errors; by default the path.

  Returns:
    uint8 [H, W, 3].

  Raises:
    ImageError: missing, too large, truncated, or in a format that cannot be decoded.
  """
  return decode_with_alpha(source, name)[0]


def decode_with_alpha(
  source: str | os.PathLike | bytes, name: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
  """As `decode`; also gives how opaque each pixel is.

  Returns:
    uint8 [H, W, 3], and uint8 [H, W], 0 for a transparent pixel; None where all are opaque.

  Raises:
    ImageError: as `decode` does.
  """
  encoded = isinstance(source, bytes)
  name = printable(name or ('the picture' if encoded else os.fspath(source)))
  try:
    return _decode(source if isinstance(source, bytes) else _read(source), name)
  except ImageError as error:
    raise ImageError(f'{name}: {error}') from None


def decode_photo(source: str | os.PathLike | bytes, name: str | None = None) -> np.ndarray:
  """As `decode_with_alpha`, in one array.

  Returns:
    uint8 [H, W, 4], the last channel being alpha; [H, W, 3] where all is opaque.

  Raises:
    ImageError: as `decode` does.
  """
  pixels, alpha = decode_with_alpha(source, name)
  return pixels if alpha is None else np.dstack([pixels, alpha])


def encode_png(pixels: np.ndarray) -> bytes:
  """The PNG file of one picture; the same pixels always give the same bytes.

  Args:
    pixels: uint8, [H, W, 3] or [H, W].

  Raises:
    ImageError: another type or shape, or no pixels.
  """
  colour = pixels.ndim == 3 and pixels.shape[2] == 3
  if pixels.dtype != np.uint8 or not (colour or pixels.ndim == 2) or not pixels.size:
    raise ImageError(f'a picture must be uint8 [H, W, 3] or [H, W]; got {pixels.dtype} '
                     f'{list(pixels.shape)}')  # fmt: skip
  file = io.BytesIO()
  Image.fromarray(np.ascontiguousarray(pixels)).save(file, 'PNG')
  return file.getvalue()


def printable(text: str | bytes) -> str:
  """`text` on one line: file names may hold line breaks, escape codes and broken UTF-8."""
  return ''.join(c if c.isprintable() else '?' for c in os.fsdecode(text))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
  """Lets Pillow warn of nothing."""
  with _filters, warnings.catch_warnings():
    warnings.simplefilter('ignore')
    yield


def _read(path: str | os.PathLike) -> bytes:
  try:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
      raise ImageError('not a regular file; name a picture file')
    _check_file_size(status.st_size)
    with open(path, 'rb') as file:
      return file.read(MAX_FILE_BYTES + 1)
  except OSError as error:
    raise ImageError(f'cannot be read ({error.strerror}); check path and permissions') from None


def _check_file_size(size: int) -> None:
  if size > MAX_FILE_BYTES:
    limit = MAX_FILE_BYTES // 2**20
    raise ImageError(f'{size / 2**20:.0f} MiB, more than {limit} MiB; save it smaller')


def _decode(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray | None]:
  _check_file_size(len(data))
  if not data:
    raise ImageError('an empty file; copy it again')
  if kind := formats.unreadable(data, name):
    raise _not_decoded(kind)
  try:
    with silenced():
      return _pixels(_open(data))
  except ImageError:
    raise
  except UnidentifiedImageError:
    if kind := formats.named_as(name):
      raise _not_decoded(kind) from None
    raise ImageError('no whole picture in a known format; save it as JPEG or PNG') from None
  except Image.DecompressionBombError:
    raise ImageError(f'more than {MAX_PIXELS:,} pixels; scale it down') from None
  except Exception as error:  # a broken file can make Pillow raise almost anything
    reason = printable(str(error)) or type(error).__name__
    raise ImageError(f'broken or truncated ({reason}); copy it again or save it as PNG') from None


def _not_decoded(kind: str) -> ImageError:
  return ImageError(f'is {kind}, which is not decoded; export it as JPEG or PNG')


def _open(data: bytes) -> Image.Image:
  """Parses the header, checks the limits, and only then decodes."""
  if formats.is_heif(data):
    image = _open_heif(data)
  elif formats.is_avif(data) and 'AVIF' not in formats.pillow_formats():
    raise ImageError('is AVIF, which this Pillow cannot read: `pip install --upgrade pillow`')
  else:
    image = Image.open(io.BytesIO(data), formats=formats.pillow_formats())
  _check_pixels(image)
  if image.format in ('JPEG', 'MPO') and data.count(b'\xff\xda') > MAX_JPEG_SCANS:
    raise ImageError(f'more than {MAX_JPEG_SCANS} JPEG scans; save it as PNG')
  image.load()
  _check_pixels(image)  # HEIF may hold more than its header says
  return image


def _open_heif(data: bytes) -> Image.Image:
  """A HEIF file's primary picture, not yet decoded; it will be upright, and its EXIF says so."""
  try:
    from pillow_heif import HeifImageFile  # the extra heif; used without telling Pillow of it
  except ImportError:
    raise ImageError('is HEIC, which needs `pip install pillow-heif`') from None
  return HeifImageFile(io.BytesIO(data))


def _check_pixels(image: Image.Image) -> None:
  width, height = image.size
  if width * height > MAX_PIXELS:
    raise ImageError(f'{width} × {height}, more than {MAX_PIXELS:,} pixels; scale it down')


def _pixels(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
  """The upright colours, and the alpha channel where it says something."""
  alpha = None
  if image.mode in ('I', 'F') or image.mode.startswith('I;16'):
    shown = Image.fromarray(_shallow(image)).convert('RGB')
  else:
    shown = _over_white(image)
    if image.has_transparency_data:
      alpha = _upright(image.convert('RGBA').getchannel('A'), image)
  is_opaque = alpha is None or alpha.min() == 255
  return _upright(shown, image), None if is_opaque else alpha


def _upright(shown: Image.Image, image: Image.Image) -> np.ndarray:
  """What is shown of an image, turned as its EXIF tag says."""
  shown.info.clear()  # tags that may be broken; those of a TIFF are lost by now in any case
  shown.getexif()[ExifTags.Base.Orientation] = orientation(image)
  ImageOps.exif_transpose(shown, in_place=True)
  return np.asarray(shown)


def _shallow(image: Image.Image) -> np.ndarray:
  """A grey picture of more than 8 bits as uint8 [H, W]."""
  values = np.asarray(image)
  low, high = values.min(), values.max()
  white = next((white for white in _whites(image) if low >= 0 and high <= white), None)
  if white is None:  # also when a value is not a number
    raise ImageError(f'grey values from {low} to {high} have no known white; save it with 8 bits')
  grey = np.rint(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)
  if 'transparency' in image.info:
    grey = np.where(values == image.info['transparency'], np.uint8(255), grey)
  if isinstance(image, TiffImagePlugin.TiffImageFile):
    min_is_white = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    return 255 - grey if min_is_white else grey  # Pillow inverts only up to 8 bits
  return grey


def _whites(image: Image.Image) -> tuple[int, ...]:
  """The values that can mean white, smallest first."""
  if image.mode == 'F':
    return 1, 255, 2**16 - 1
  if isinstance(image, TiffImagePlugin.TiffImageFile):
    bits = image.tag_v2[TiffImagePlugin.BITSPERSAMPLE][0]
    return (255, 2**16 - 1) if bits == 32 else (2**bits - 1,)
  return (2**16 - 1,)


def _over_white(image: Image.Image) -> Image.Image:
  if not image.has_transparency_data:
    return _to_srgb(image)
  alpha = image.convert('RGBA').getchannel('A')
  white = Image.new('RGB', image.size, 'white')
  return Image.composite(_to_srgb(image.convert('RGBA')), white, alpha)


def _to_srgb(image: Image.Image) -> Image.Image:
  if image.mode not in ('L', 'RGB', 'CMYK'):
    icc = image.info.get('icc_profile')
    image = image.convert('RGB')
    image.info['icc_profile'] = icc
  if profile := foreign_profile(image):
    with contextlib.suppress(ImageCms.PyCMSError):  # made for another mode
      srgb = ImageCms.createProfile('sRGB')
      image = ImageCms.profileToProfile(image, profile, srgb, outputMode='RGB') or image
  return image.convert('RGB')


def foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
  """A picture's colour profile, unless it is sRGB or broken: then colours are taken as sRGB."""
  if not image.info.get('icc_profile'):
    return None
  try:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info['icc_profile']))
    return None if 'sRGB' in ImageCms.getProfileDescription(profile) else profile
  except (ImageCms.PyCMSError, OSError):
    return None


def orientation(image: Image.Image) -> int:
  """How a picture has to be turned, as EXIF counts; 1 for not at all."""
  try:
    return image.getexif().get(ExifTags.Base.Orientation, 1)
  except Exception:  # broken EXIF says nothing about whole pixels
    return 1
