"""What pix2pix learns from: a condition, the truth, and where the one shows the other."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from ganjax.choices import Order
from ganjax.data import ImageError, SourceError
from ganjax.degradations import Pipeline
from ganjax.pix2pix import conditions
from ganjax.pix2pix.conditions import Example
from ganjax.training import Pictures


@dataclasses.dataclass(frozen=True)
class Jitter:
  """Random changes of framing, alike for condition and truth (Isola et al. 2017, section 6.2)."""

  enlargement: float = 286 / 256  # the picture's side over that of the window cut from it
  mirror: bool = True


_ALONE = 'has no truth of the same name in --truth'
Read = Callable[[int, np.random.Generator], Example]


def degraded(pictures: Pictures, pipeline: Pipeline, side: int, jitter: Jitter | None) -> Read:
  """Clean pictures, degraded anew each time they are shown; `read(index, random stream)`."""

  def read(index: int, rng: np.random.Generator) -> Example:
    (truth,) = _framed([pictures.read(index)], side, jitter, rng)
    return conditions.degrade(truth, pipeline, jax.random.key(int(rng.integers(2**31))))[0]

  return read


def paired(
  inputs: Pictures, truths: Pictures, side: int, jitter: Jitter | None
) -> tuple[Read, int]:
  """Pictures of two sources that belong together by their names; also says how many there are.

  `read` raises ImageError where a condition has no truth, or one of another shape
  (`conditions.misfit`).

  Raises:
    SourceError: no condition has a truth; names the first.
  """
  places = {truths.entry(i).name: i for i in range(len(truths))}
  entries = map(inputs.entry, range(len(inputs)))
  if not any(entry.name in places for entry in entries):
    raise SourceError(f'{inputs.entry(0).source}: {_ALONE}, and so it is with all of --input')

  def read(index: int, rng: np.random.Generator) -> Example:
    entry = inputs.entry(index)
    if entry.name not in places:
      raise ImageError(f'{entry.source}: {_ALONE}')
    pair = [inputs.read(index), truths.read(places[entry.name])]
    if reason := conditions.misfit(*pair):
      raise ImageError(f'{entry.source}: {reason}')
    return conditions.without_known(*_framed(pair, side, jitter, rng))

  return read, len(inputs)


def side_by_side(pictures: Pictures, order: Order, side: int, jitter: Jitter | None) -> Read:
  """Pictures whose halves are condition and truth (`conditions.split_halves`)."""

  def read(index: int, rng: np.random.Generator) -> Example:
    halves = conditions.split_halves(pictures.read(index), order, pictures.entry(index).source)
    return conditions.without_known(*_framed(list(halves), side, jitter, rng))

  return read


def _framed(
  pictures: list[np.ndarray], side: int, jitter: Jitter | None, rng: np.random.Generator
) -> list[np.ndarray]:
  """Cuts the same window, in shares of the sides, from all of them."""
  if jitter is None:
    return [conditions.resized(picture, side) for picture in pictures]
  share = 1 / jitter.enlargement
  left, top = rng.random(2) * (1 - share)
  mirrored = jitter.mirror and rng.random() < 0.5
  cut = []
  for picture in pictures:
    height, width = picture.shape[:2]
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    window = conditions.window(picture, side, box)
    cut.append(np.ascontiguousarray(window[:, ::-1]) if mirrored else window)
  return cut
