"""A visitor's photo: decoded, its faces found, shown small, and painted on."""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ganjax import data, faces
from ganjax.restoration.faces import CLEAR, reduced

SHOWN_SIDE = 1600  # px, the longer side of what a browser gets
_OUTLINE = (0, 114, 178)
_TOUCHED = 0  # alpha above which a pixel is painted


class Upload(NamedTuple):
  """A photo, and what was found in it."""

  path: pathlib.Path
  name: str
  pixels: np.ndarray  # uint8 [H, W, 3]
  hidden: np.ndarray | None  # bool [H, W], where it is transparent; None where that is nowhere
  shown: np.ndarray  # uint8 [h, w, 3], at most SHOWN_SIDE
  crops: tuple[faces.Crop, ...]  # from left to right
  problem: str = ''  # why there is none

  @property
  def outlined(self) -> np.ndarray:
    """What is shown, with the faces outlined: uint8 [h, w, 3]."""
    image = Image.fromarray(self.shown)
    draw = ImageDraw.Draw(image)
    width = max(2, max(image.size) // 300)
    for crop in self.crops:
      corners = [tuple(point) for point in crop.quad * self._scale]
      draw.line([*corners, corners[0]], fill=_OUTLINE, width=width, joint='curve')
    return np.asarray(image)

  @property
  def _scale(self) -> float:
    return self.shown.shape[1] / self.pixels.shape[1]


def open_upload(path: str | os.PathLike, template: faces.Template, side: int) -> Upload:
  """Decodes a photo and looks for faces.

  Args:
    path: of the file.
    template, side: of the generator.

  Raises:
    ImageError: it cannot be decoded.
  """
  path = pathlib.Path(path)
  name = data.names.name_of(path.name)
  pixels, alpha = data.decode_with_alpha(path, path.name)
  hidden = None if alpha is None or alpha.min() >= CLEAR else alpha < 255
  upload = Upload(path, name, pixels, hidden, reduced(pixels, SHOWN_SIDE), ())
  return found_in(upload, template, side, None)


def found_in(
  upload: Upload, template: faces.Template, side: int, box: tuple[float, ...] | None
) -> Upload:
  """The upload with its faces, or the one in a box of `box_around`."""
  try:
    crops = faces.align(upload.pixels, template, side, hidden=upload.hidden, box=box)
  except faces.FaceError as error:
    return upload._replace(crops=(), problem=str(error))
  return upload._replace(crops=tuple(crops), problem='')


def painted(layers: Sequence[np.ndarray], upload: Upload) -> np.ndarray | None:
  """What a visitor painted over, at the photo's own size.

  Args:
    layers: uint8 [h, w, 4], the strokes, as the browser has them: of the size of what is shown, or
      any other of its shape.
    upload: the photo.

  Returns:
    bool [H, W], True in all that a stroke touches; None where nothing is painted.
  """
  height, width = upload.pixels.shape[:2]
  whole = np.zeros((height, width), bool)
  for layer in layers:
    if (touched := layer[..., 3] > _TOUCHED).any():
      image = Image.fromarray((255 * touched).astype(np.uint8))
      whole |= np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)) > 0
  return whole if whole.any() else None


def box_around(strokes: np.ndarray) -> tuple[float, ...]:
  """Left, top, right and bottom of what is painted, bool [H, W], in px."""
  rows, columns = (np.flatnonzero(strokes.any(axis=axis)) for axis in (1, 0))
  return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
