"""How a JPEG file codes its pixels, which says how much its coefficients may be off."""

import os
from typing import NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from ganjax.data.decode import foreign_profile, orientation, silenced

# What Pillow calls a sampling -> pixels that share a chroma sample, (down, across).
_SAMPLINGS = {0: (1, 1), 1: (1, 2), 2: (2, 2)}
_GREY = np.zeros((8, 8), np.int32)  # a grey file's pixels have no chroma, for certain


class JpegCoding(NamedTuple):
  """How a JPEG codes Y, Cb and Cr."""

  tables: tuple[np.ndarray, np.ndarray, np.ndarray]  # steps of the DCT coefficients, [8, 8] each
  sampling: tuple[int, int]  # pixels that share a chroma sample, (down, across)
  origin: tuple[int, int] = (0, 0)  # a pixel, (row, column), with which a unit of blocks begins

  @property
  def factors(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Pixels that share a sample, (down, across), for each of Y, Cb and Cr."""
    return (1, 1), self.sampling, self.sampling


def jpeg_coding(path: str | os.PathLike) -> JpegCoding | None:
  """How a file's pixels, as `decode` gives them, were coded.

  Returns:
    None where that is not known: the file is no JPEG, or the pixels are not what it has, since they
    were turned, or their colours converted; or its kind is a rare one.
  """
  try:
    with silenced(), Image.open(path, formats=('JPEG',)) as image:
      return _coding(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None
  except Exception:  # as of `decode`: a broken file can make Pillow raise almost anything
    return None


def _coding(image: JpegImagePlugin.JpegImageFile) -> JpegCoding | None:
  if orientation(image) != 1 or foreign_profile(image):
    return None
  tables = [np.reshape(image.quantization[layer[3]], (8, 8)) for layer in image.layer]
  if image.mode == 'L':
    return JpegCoding((tables[0], _GREY, _GREY), (1, 1))
  sampling = _SAMPLINGS.get(JpegImagePlugin.get_sampling(image))
  if image.mode != 'RGB' or sampling is None or _is_rgb(image):
    return None
  return JpegCoding((tables[0], tables[1], tables[2]), sampling)


def _is_rgb(image: JpegImagePlugin.JpegImageFile) -> bool:
  """Whether a JPEG's components are R, G and B themselves, as libjpeg decides."""
  if 'jfif' in image.info:
    return False
  if 'adobe_transform' in image.info:
    return image.info['adobe_transform'] == 0
  return [layer[0] for layer in image.layer] == list(b'RGB')
