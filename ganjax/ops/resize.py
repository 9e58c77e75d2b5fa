"""Changes an image's size."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganjax.runtime import platforms


def resize(
  image: Float[Array, 'h w c'], height: int, width: int
) -> Float[Array, '{height} {width} c']:
  """Area average where sides shrink by whole factors, else linear (anti-aliased), [H, W, C]."""
  h, w, channels = image.shape
  if (h, w) == (height, width):
    return image
  if h % height == 0 and w % width == 0:
    if platforms.current() == 'tpu':  # which would pad an axis of a few pixels to 128
      exact = jax.lax.Precision.HIGHEST
      rows = jnp.einsum('yY,YXc->yXc', _averages(h, height), image, precision=exact)
      return jnp.einsum('xX,yXc->yxc', _averages(w, width), rows, precision=exact)
    cells = image.reshape(height, h // height, width, w // width, channels)
    return jnp.mean(cells, axis=(1, 3))
  return jax.image.resize(image, (height, width, channels), 'linear', antialias=True)


def _averages(size: int, cells: int) -> Float[Array, '{cells} {size}']:
  """The matrix [cells, size] that averages neighbours."""
  return jnp.repeat(jnp.eye(cells), size // cells, axis=1) * (cells / size)
