"""Holes drawn in a file."""

import dataclasses
import os
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import data
from ganjax.data.names import name_of
from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError, Leaf
from ganjax.degradations.pytrees import frozen_pytree

WHITE = 250  # from here on a grey level counts as white: it lets less than 2 % of a hole through
MIDDLE = 128
_FLAT_GREY = 225  # the median of waves around a stroke is lighter
_GREY = range(16, 240)  # levels that no pen and no JPEG leaves behind on black or white
_ONE_COLOUR = 24  # levels by which strokes of one pen differ
_MOST_GREY = 0.5  # share from which on a picture is no mask
_TOLD_GREY = 0.01  # share of grey pixels from which on it is told
_MOST_HIDDEN = 0.6  # share from which on a mask looks inverted


class Drawing(NamedTuple):
  """What a file says of holes."""

  visible: np.ndarray  # bool [h, w], False in holes
  grey: float  # share of pixels that are neither black nor white, and so count as holes


@frozen_pytree
class FileMask(Mask):
  """Holes drawn in a picture: black, or transparent; white is visible.

  Grey levels hide: they let something of a hole through. A file with transparency is read by its
  alpha alone: transparent pixels are holes; unless strokes of one colour, other than white, were
  drawn on a transparent layer, which then are the holes. `file` may be a folder, which has a mask
  for each photo, by name.
  """

  picture: Leaf | None  # bool [h, w], True = visible; None while `file` is a folder
  file: str = dataclasses.field(metadata={'static': True})
  # Whether white, or what is opaque, is the hole; None: no, but then a mask that hides most is
  # refused.
  inverted: bool | None = dataclasses.field(default=None, metadata={'static': True})
  grey: float = dataclasses.field(default=0.0, metadata={'static': True})  # as in `Drawing`

  @classmethod
  def create(cls, file: str, inverted: int | None = None) -> 'FileMask':
    """Reads the file.

    Args:
      file: any picture that `data.decode` reads, or a folder of such; `~` is the user's own.
      inverted: 1 if white, or what is opaque, is the hole; 0 if it is certainly not.

    Raises:
      DegradationError: the file cannot be read, hides nothing, all, or more than 60 % though
        nobody said that it is not inverted.
    """
    if inverted not in (None, 0, 1):
      raise DegradationError(f'mask: inverted={inverted}: write 1 where white is the hole, or 0')
    is_inverted = None if inverted is None else bool(inverted)
    path = os.path.expanduser(file)
    if os.path.isdir(path):
      return cls(None, file, is_inverted)
    drawing = _read(path, is_inverted)
    return cls(drawing.visible, file, is_inverted, drawing.grey)

  def of_photo(self, name: str) -> Drawing:
    """What it says of the photo called `name`.

    Raises:
      DegradationError: a mask in a folder, as `create`; or there is none of that name, or two.
    """
    if self.picture is not None:
      return Drawing(np.asarray(self.picture), self.grey)
    folder = pathlib.Path(os.path.expanduser(self.file))
    return _read(_named(folder, name), self.inverted)

  def visible(self, height: int, width: int) -> jax.Array:
    if self.picture is None:
      raise DegradationError(f'{self}: is a folder of masks, which belong to photos: name a file')
    if np.shape(self.picture) != (height, width):
      rows, columns = np.shape(self.picture)
      raise DegradationError(
        f"mask: file='{self.file}' is {columns}×{rows} px, the picture {width}×{height}: "
        'give a mask of its size'
      )
    return jnp.asarray(self.picture).astype(jnp.float32).reshape(height, width, 1)

  def __str__(self) -> str:
    quote = '"' if "'" in self.file else "'"
    told = '' if self.inverted is None else f', inverted={int(self.inverted)}'
    return f'mask(file={quote}{self.file}{quote}{told})'


def _named(folder: pathlib.Path, name: str) -> str:
  """The mask in a folder that belongs to the photo called `name`."""
  try:
    found = [item.path for item in data.find(folder)]
  except data.SourceError as error:
    raise DegradationError(f'mask: {error}') from None
  own = [path for path in found if name_of(path.relative_to(folder).as_posix()) == name]
  if len(own) != 1:
    count = 'no mask' if not own else f'{len(own)} masks'
    raise DegradationError(
      f"mask: file='{folder}' has {count} called {name}: name it, and its folder, as the photo"
    )
  return str(own[0])


def _read(path: str, inverted: bool | None) -> Drawing:
  try:
    pixels, alpha = data.decode_with_alpha(path)
  except data.ImageError as error:
    told = str(error).removeprefix(f'{path}: ')
    raise DegradationError(f"mask: file='{path}': {told}") from None
  levels = _levels(pixels, alpha)
  if inverted:
    levels = 255 - levels
  visible = ~_within_waves(levels) if _is_jpeg(path) else levels >= WHITE
  hidden = float(np.mean(~visible))
  is_grey = (levels >= _GREY.start) & (levels < _GREY.stop)
  grey = float(np.mean(is_grey))
  if grey > _MOST_GREY:
    raise DegradationError(
      f"mask: file='{path}' is no mask but a picture: draw one that is white where the photograph "
      'is whole, and black in its holes'
    )
  if not hidden:
    raise DegradationError(
      f"mask: file='{path}' hides nothing: paint holes black in it, or make them transparent"
    )
  if hidden == 1:
    raise DegradationError(
      f"mask: file='{path}' hides everything: make it white where the photograph is whole"
    )
  if hidden > _MOST_HIDDEN and inverted is None:
    raise DegradationError(
      f"mask: file='{path}' hides {hidden:.0%} of the picture: black is a hole, white is visible. "
      'Is it inverted? Then give --invert_mask, or inverted=1 in the mask; if not, --noinvert_mask'
    )
  hidden_grey = float(np.mean(is_grey & ~visible))
  return Drawing(visible, hidden_grey if hidden_grey >= _TOLD_GREY else 0.0)


def _is_jpeg(path: str) -> bool:
  with open(path, 'rb') as file:
    return file.read(2) == b'\xff\xd8'


def _within_waves(levels: np.ndarray) -> np.ndarray:
  """The strokes of a JPEG, which thin waves of grey surround; bool [h, w].

  They are where it is less than half white, or grey all around; and one pixel about that.
  """
  from scipy import ndimage  # other masks do without it

  strokes = (levels < MIDDLE) | (ndimage.median_filter(levels, 5) < _FLAT_GREY)
  return ndimage.binary_dilation(strokes, np.ones((3, 3)))


def _levels(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
  """How much of the photograph shows, uint8 [h, w]; 255 where it is whole."""
  darkest = pixels.min(axis=2)  # so that strokes may have any colour
  if alpha is None:
    return darkest
  painted = pixels[alpha == 255]
  is_one_colour = len(painted) and np.all(np.ptp(painted, axis=0) <= _ONE_COLOUR)
  if is_one_colour and painted.min() < WHITE:
    return 255 - alpha  # strokes on a layer of their own
  return alpha
