"""JPEG compression."""

import functools
import io
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.data import JpegCoding
from ganjax.degradations.cells import DCT, RGB_TO_YCC, YCC_TO_RGB, within_cells
from ganjax.degradations.clipping import clip
from ganjax.degradations.estimators import Discrete, Unknown
from ganjax.degradations.parameters import Leaf, require_range, spell
from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register
from ganjax.pixels import to_bytes, to_float

# ITU-T T.81, annex K, tables K.1 (luma) and K.2 (chroma); what libjpeg scales by the quality.
LUMA_TABLE = np.array(
  [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
  ],
  np.int32,
)
CHROMA_TABLE = np.full((8, 8), 99, np.int32)
CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

FAULTLESS = 70  # a quality above which a file is not what is wrong with a photo


def quality_of(coding: JpegCoding, scale: float = 1.0) -> np.ndarray | None:
  """The quality at which a crop loses about as much as the photo did that it was cut from.

  A pattern of the crop's frequency u has u / scale in the photo, and spreads over scale² as many
  blocks, so that of the steps there a crop's coefficient feels 1 / scale.

  Args:
    coding: of the photo.
    scale: pixels of the photo that become one of the crop.

  Returns:
    int32 scalar; None where the file is so good that whatever is wrong with the photo was wrong
    before.
  """
  own, felt = _felt_quality(coding, 1.0), _felt_quality(coding, scale)
  return None if min(own, felt) > FAULTLESS else np.asarray(felt, np.int32)


def _felt_quality(coding: JpegCoding, scale: float) -> int:
  from scipy import ndimage  # other degradations do without it

  at = np.minimum(np.arange(8) / scale, 7)
  felt = ndimage.map_coordinates(
    coding.tables[0].astype(np.float64), np.meshgrid(at, at, indexing='ij'), order=1
  )
  # Of the lowest frequencies, whose steps hardly any quality brings to the largest that there is.
  ratio = np.mean(felt[:4, :4]) / scale / np.mean(LUMA_TABLE[:4, :4])
  return round(min(max(50 / ratio if ratio > 1 else 100 - 50 * ratio, 1), 100))


@frozen_pytree
class Jpeg(Operator):
  """JPEG with 4:2:0 chroma.

  True form: Pillow's codec. Model form: the same arithmetic on real numbers, with the rounding of
  the coefficients made differentiable (Shin & Song 2017, "JPEG-resistant adversarial images").
  Both are clipped; the model lets the gradient through, since ringing leaves the range on many
  pixels that must still be pulled.
  """

  quality: Leaf  # int32

  is_codec: ClassVar[bool] = True
  has_consistency: ClassVar[bool] = True

  unknowns: ClassVar[dict[str, Unknown]] = {
    'quality': Discrete(
      tuple(np.asarray(q, np.int32) for q in (3, 4, 6, 9, 12, 18, 30, 50, 80)),
      quality_of,
    )
  }

  @classmethod
  def create(cls, quality: int = 12) -> 'Jpeg':
    """Raises DegradationError unless quality is within 1 to 100, the best."""
    require_range('jpeg: quality', quality, 1, 100)
    return cls(np.asarray(quality, np.int32))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    height, width, _ = image.shape
    padding = ((0, -height % 16), (0, -width % 16), (0, 0))
    pixels = jnp.pad(image, padding, mode='edge') * 127.5 + 127.5
    ycc = _mix(pixels, RGB_TO_YCC)
    luma = _quantise(ycc[:, :, 0] - 128, quantisation_table(LUMA_TABLE, self.quality)) + 128
    table = quantisation_table(CHROMA_TABLE, self.quality)
    planes = [luma[:height, :width]]
    for channel in (1, 2):
      chroma = _quantise(_halve(ycc[:, :, channel]), table)
      # The decoder interpolates within the picture: the padding must not reach into it.
      chroma = chroma[: (height + 1) // 2, : (width + 1) // 2]
      planes.append(_double(_double(chroma).T).T[:height, :width])
    return clip((_mix(jnp.stack(planes, axis=-1), YCC_TO_RGB) - 127.5) / 127.5)

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    del key
    file = io.BytesIO()
    picture = Image.fromarray(to_bytes(image))
    picture.save(file, 'JPEG', quality=int(np.asarray(self.quality)), subsampling='4:2:0')
    return to_float(np.asarray(Image.open(file)))

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """In the cells of its tables; see `within_cells`."""
    coding = JpegCoding(tables_of(int(np.asarray(self.quality))), (2, 2))
    return within_cells(image, degraded, visible, coding)

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    del height, width
    return {'quality': jnp.float32(self.quality) / 50}

  def __str__(self) -> str:
    return f'jpeg(quality={spell(self.quality)})'


register(
  'jpeg',
  Jpeg.create,
  {'quality': int},
  unknown={'quality': 12},
  usage='jpeg(quality=12)  1 to 100',
)


def quantisation_table(base: np.ndarray, quality: Leaf) -> jax.Array:
  """Scales a standard table by the quality, as libjpeg does.

  Args:
    base: int32 [8, 8], the table of quality 50.
    quality: int32 scalar, 1 to 100.

  Returns:
    float32 [8, 8], whole numbers from 1 to 255.
  """
  percent = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
  return jnp.clip((jnp.asarray(base) * percent + 50) // 100, 1, 255).astype(jnp.float32)


@functools.cache
def tables_of(quality: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """libjpeg's tables of a quality for Y, Cb and Cr; float32 [8, 8] each."""
  luma, chroma = (
    np.asarray(quantisation_table(base, np.asarray(quality, np.int32)))
    for base in (LUMA_TABLE, CHROMA_TABLE)
  )
  return luma, chroma, chroma


def soft_round(x: jax.Array) -> jax.Array:
  """Rounds, with a gradient: round(x) + (x - round(x))³ (Shin & Song 2017)."""
  nearest = jnp.round(x)
  return nearest + (x - nearest) ** 3


def _quantise(plane: jax.Array, table: jax.Array) -> jax.Array:
  """To DCT coefficients, softly rounded to multiples of the table, and back; [H, W] -> [H, W]."""
  height, width = plane.shape
  dct = jnp.asarray(DCT, jnp.float32)
  blocks = plane.reshape(height // 8, 8, width // 8, 8)
  exact = jax.lax.Precision.HIGHEST
  coefficients = jnp.einsum('iy,byax,jx->biaj', dct, blocks, dct, precision=exact)
  steps = jnp.broadcast_to(table.reshape(1, 8, 1, 8), coefficients.shape)
  rounded = soft_round(coefficients / steps) * steps
  return jnp.einsum('iy,biaj,jx->byax', dct, rounded, dct, precision=exact).reshape(height, width)


def _mix(image: jax.Array, matrix: np.ndarray) -> jax.Array:
  """A linear map of the three channels."""
  weights = jnp.asarray(matrix.T, jnp.float32)
  return jnp.matmul(image, weights, precision=jax.lax.Precision.HIGHEST)


def _halve(plane: jax.Array) -> jax.Array:
  """The mean of each 2×2 square; [H, W] -> [H/2, W/2]."""
  height, width = plane.shape
  return jnp.mean(plane.reshape(height // 2, 2, width // 2, 2), axis=(1, 3))


def _double(plane: jax.Array) -> jax.Array:
  """Interpolates rows with the decoder's triangle filter, ¾ near and ¼ far; [H, W] -> [2H, W]."""
  above = jnp.concatenate([plane[:1], plane[:-1]])
  below = jnp.concatenate([plane[1:], plane[-1:]])
  pairs = jnp.stack([0.75 * plane + 0.25 * above, 0.75 * plane + 0.25 * below], axis=1)
  return pairs.reshape(2 * plane.shape[0], plane.shape[1])
