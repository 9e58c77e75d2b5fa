"""What a network is shown of an image: its condition, and where that is the truth itself."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from ganjax.choices import Order
from ganjax.data import ImageError
from ganjax.degradations import Pipeline, RandomBoxMask
from ganjax.pix2pix.masks import Corner
from ganjax.pixels import to_bytes, to_float

HALVES_TOLERANCE = 0.05  # of 2 : 1
PAIR_TOLERANCE = 0.01


class Example(NamedTuple):
  condition: np.ndarray  # uint8 [S, S, 3]
  truth: np.ndarray  # uint8 [S, S, 3]
  known: np.ndarray  # uint8 [S, S, 1]; 1 where the condition shows the truth itself


def split_halves(picture: np.ndarray, order: Order, name: str) -> tuple[np.ndarray, np.ndarray]:
  """(condition, truth) of a side-by-side picture: two squares of one size.

  Raises:
    ImageError: it is not twice as wide as high, so it is another kind of picture; or its width is
      odd.
  """
  height, width = picture.shape[:2]
  if abs(width / (2 * height) - 1) > HALVES_TOLERANCE:
    raise ImageError(
      f'{name}: {width}×{height} px, but two squares side by side are twice as wide as high; '
      'join condition and truth, or name folders by --input and --truth'
    )
  if width % 2:
    raise ImageError(f'{name}: {width} px wide, so it has no halves; join pictures of one size')
  left, right = picture[:, : width // 2], picture[:, width // 2 :]
  return (left, right) if order == 'ab' else (right, left)


def misfit(condition: np.ndarray, truth: np.ndarray) -> str:
  """What is wrong with a pair whose shapes differ; '' where at most the resolution does.

  The sides' ratio may differ by `PAIR_TOLERANCE`, or by what rounding to whole px makes of it.
  """
  small, large = sorted((condition.shape[:2], truth.shape[:2]))
  expected = large[1] * small[0] / large[0]
  error = abs(small[1] - expected)
  if error < 1 or error <= PAIR_TOLERANCE * expected:
    return ''
  sizes = [f'{picture.shape[1]}×{picture.shape[0]}' for picture in (condition, truth)]
  return f'is {sizes[0]}, its truth {sizes[1]}; crop both to one shape'


def degrade(truth: np.ndarray, pipeline: Pipeline, key: jax.Array) -> tuple[Example, Pipeline]:
  """The example of one clean picture, and the degradation with what was random in it.

  Args:
    truth: uint8 [H, W, 3]; H = W unless the degradation is masks alone.
    pipeline: what is done to it.
    key: all randomness is drawn from it.

  Raises:
    DegradationError: the degradation does not fit the size.
  """
  done, true_key = pipeline.draw(key)
  height, width = truth.shape[:2]
  if done.is_only_masks:
    done.check(height, width)
    known = np.asarray(_visible(done, height, width), np.uint8)
    return Example(truth * known, truth, known), done
  condition = to_bytes(done.true(to_float(truth), true_key))
  return without_known(resized(condition, height), truth), done


def boxes_of(pipeline: Pipeline, height: int, width: int) -> tuple[tuple[Corner, ...], int]:
  """The (x, y) of sampled random boxes, and their side, in px; ((), 0) for other degradations."""
  match pipeline.operators:
    case (RandomBoxMask() as operator,):
      places, side = operator.places(height, width)
      return tuple((int(x), int(y)) for y, x in np.asarray(places)), int(side)
    case _:
      return (), 0


@functools.partial(jax.jit, static_argnums=(1, 2))
def _visible(pipeline: Pipeline, height: int, width: int) -> jax.Array:
  return pipeline.visible(height, width)


def without_known(condition: np.ndarray, truth: np.ndarray) -> Example:
  """An example whose condition shows nothing of the truth itself."""
  return Example(condition, truth, np.zeros((*truth.shape[:2], 1), np.uint8))


def resized(picture: np.ndarray, side: int) -> np.ndarray:
  """The whole picture at side × side, bicubic; uint8 [H, W, 3]."""
  return window(picture, side, (0.0, 0.0, picture.shape[1], picture.shape[0]))


def window(picture: np.ndarray, side: int, box: tuple[float, float, float, float]) -> np.ndarray:
  if picture.shape[:2] == (side, side) and box == (0.0, 0.0, side, side):
    return picture
  image = Image.fromarray(picture)
  return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box))
