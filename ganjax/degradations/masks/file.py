"""Holes drawn in a file."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.masks.base import Mask
from ganjax.degradations.parameters import DegradationError, Leaf
from ganjax.degradations.pytrees import frozen_pytree


@frozen_pytree
class FileMask(Mask):
  """Holes drawn in a picture: white is visible, black is a hole; resized with nearest."""

  picture: Leaf  # bool [h, w], True = visible
  file: str = dataclasses.field(metadata={'static': True})

  @classmethod
  def create(cls, file: str) -> 'FileMask':
    """Reads the file.

    Args:
      file: any picture that Pillow reads; grey levels from 128 count as white.

    Raises:
      DegradationError: the file cannot be read, or has no white pixel.
    """
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        with Image.open(file) as picture:
          visible = np.asarray(picture.convert('L')) >= 128
    except Exception as error:  # A hostile file can raise anything.
      raise DegradationError(
        f"mask: file='{file}' cannot be read ({type(error).__name__}): give a picture, "
        'white where the photograph is whole'
      ) from error
    if not visible.any():
      raise DegradationError(
        f"mask: file='{file}' is black all over: make it white where the photograph is whole"
      )
    return cls(visible, file)

  def visible(self, height: int, width: int) -> jax.Array:
    picture = jnp.asarray(self.picture)
    rows = _nearest(height, picture.shape[0])
    columns = _nearest(width, picture.shape[1])
    return picture[rows][:, columns].astype(jnp.float32).reshape(height, width, 1)

  def __str__(self) -> str:
    quote = '"' if "'" in self.file else "'"
    return f'mask(file={quote}{self.file}{quote})'


def _nearest(size: int, source: int) -> np.ndarray:
  """The source pixel nearest to each of `size` pixel centres."""
  return (2 * np.arange(size) + 1) * source // (2 * size)
