"""What pix2pix learns from: a condition, the truth, and where the one shows the other."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from ganjax.choices import Order
from ganjax.data import ImageError, SourceError
from ganjax.degradations import Pipeline, RandomBoxMask
from ganjax.pix2pix.masks import Corner
from ganjax.pixels import to_bytes, to_float
from ganjax.training import Pictures


class Example(NamedTuple):
  condition: np.ndarray  # uint8 [S, S, 3]
  truth: np.ndarray  # uint8 [S, S, 3]
  known: np.ndarray  # uint8 [S, S, 1]; 1 where the condition shows the truth itself


@dataclasses.dataclass(frozen=True)
class Jitter:
  """Random changes of framing, alike for condition and truth (Isola et al. 2017, section 6.2)."""

  enlargement: float = 286 / 256  # the picture's side over that of the window cut from it
  mirror: bool = True


Read = Callable[[int, np.random.Generator], Example]


def degraded(pictures: Pictures, pipeline: Pipeline, side: int, jitter: Jitter | None) -> Read:
  """Clean pictures, degraded anew each time they are shown; `read(index, random stream)`."""

  def read(index: int, rng: np.random.Generator) -> Example:
    (truth,) = _framed([pictures.read(index)], side, jitter, rng)
    return degrade(truth, pipeline, jax.random.key(int(rng.integers(2**31))))[0]

  return read


def paired(
  conditions: Pictures, truths: Pictures, side: int, jitter: Jitter | None
) -> tuple[Read, int]:
  """Pictures of two sources that belong together by their names; also says how many there are.

  Raises:
    SourceError: a condition has no truth; names the first.
  """
  places = {truths.entry(i).name: i for i in range(len(truths))}
  missing = [
    entry.source
    for entry in map(conditions.entry, range(len(conditions)))
    if entry.name not in places
  ]
  if missing:
    raise SourceError(
      f'{missing[0]}: has no truth of the same name, like {len(missing) - 1} others; '
      'give every picture of --input one in --truth'
    )

  def read(index: int, rng: np.random.Generator) -> Example:
    truth = truths.read(places[conditions.entry(index).name])
    return _without_known(*_framed([conditions.read(index), truth], side, jitter, rng))

  return read, len(conditions)


def side_by_side(pictures: Pictures, order: Order, side: int, jitter: Jitter | None) -> Read:
  """Pictures whose halves are condition and truth."""

  def read(index: int, rng: np.random.Generator) -> Example:
    halves = split_halves(pictures.read(index), order, pictures.entry(index).source)
    return _without_known(*_framed(list(halves), side, jitter, rng))

  return read


def split_halves(picture: np.ndarray, order: Order, name: str) -> tuple[np.ndarray, np.ndarray]:
  """(condition, truth) of a side-by-side picture.

  Raises:
    ImageError: its width is odd.
  """
  width = picture.shape[1]
  if width % 2:
    raise ImageError(f'{name}: {width} px wide, so it has no halves; join pictures of one size')
  left, right = picture[:, : width // 2], picture[:, width // 2 :]
  return (left, right) if order == 'ab' else (right, left)


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
  return _without_known(resized(condition, height), truth), done


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


def _without_known(condition: np.ndarray, truth: np.ndarray) -> Example:
  return Example(condition, truth, np.zeros((*truth.shape[:2], 1), np.uint8))


def resized(picture: np.ndarray, side: int) -> np.ndarray:
  """The whole picture at side × side, bicubic; uint8 [H, W, 3]."""
  return _window(picture, side, (0.0, 0.0, picture.shape[1], picture.shape[0]))


def _framed(
  pictures: list[np.ndarray], side: int, jitter: Jitter | None, rng: np.random.Generator
) -> list[np.ndarray]:
  """Cuts the same window, in shares of the sides, from all of them."""
  if jitter is None:
    return [resized(picture, side) for picture in pictures]
  share = 1 / jitter.enlargement
  left, top = rng.random(2) * (1 - share)
  mirrored = jitter.mirror and rng.random() < 0.5
  cut = []
  for picture in pictures:
    height, width = picture.shape[:2]
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    window = _window(picture, side, box)
    cut.append(np.ascontiguousarray(window[:, ::-1]) if mirrored else window)
  return cut


def _window(picture: np.ndarray, side: int, box: tuple[float, float, float, float]) -> np.ndarray:
  if picture.shape[:2] == (side, side) and box == (0.0, 0.0, side, side):
    return picture
  image = Image.fromarray(picture)
  return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box))
