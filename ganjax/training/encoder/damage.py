"""Random degradations: what an encoder learns to look through.

Every kind of damage is a function that draws its parameters; a compiled program holds all kinds, of
which an image takes one. Parameters reach from what is hardly seen to what leaves little.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ganjax import degradations
from ganjax.degradations import Operator, Pipeline, description
from ganjax.models.encoder import Observation, observation

Draw = Callable[[jax.Array], Operator]  # key -> an operator all of whose chance is drawn

SMALLEST = 8  # px, of what is reduced
UNTOLD = 0.3  # share of the images of whose degradation no parameter is told
CLEAN = 0.15  # share of the images to which nothing happens


def _uniform(key: jax.Array, low: float, high: float) -> jax.Array:
  return jax.random.uniform(key, (), jnp.float32, low, high)


def _log_uniform(key: jax.Array, low: float, high: float) -> jax.Array:
  return jnp.exp(_uniform(key, math.log(low), math.log(high)))


def _blur(side: int) -> Draw:
  size = max(3, side // 3 // 2 * 2 - 1)
  return lambda key: degradations.Blur(jnp.int32(size), _log_uniform(key, 1, (side / 16) ** 2))


def _grey(key: jax.Array) -> Operator:
  del key
  return degradations.Grayscale()


def _strokes(key: jax.Array) -> Operator:
  count, place = jax.random.split(key)
  most = degradations.StrokeMask.create(17)
  drawn = most.sample(place)
  number = jax.random.randint(count, (), 1, 18)
  return degradations.StrokeMask(number, most.width, drawn.lines, most.max_strokes)


def _boxes(key: jax.Array) -> Operator:
  count, size, place = jax.random.split(key, 3)
  most = degradations.RandomBoxMask.create(3).sample(place)
  number = jax.random.randint(count, (), 1, 4)
  return degradations.RandomBoxMask(number, _uniform(size, 0.15, 0.45), most.corners, 3)


def _gaussian(key: jax.Array) -> Operator:
  return degradations.GaussianNoise(_log_uniform(key, 0.02, 0.4))


def _photons(side: int) -> Draw:
  """With the places of dropped pixels, which show in a picture and are holes then."""

  def draw(key: jax.Array) -> Operator:
    number, place = jax.random.split(key)
    photons = _log_uniform(number, 6, 96)
    drop = 3.84 / photons
    kept = (jax.random.uniform(place, (side, side, 1)) >= drop).astype(jnp.float32)
    return degradations.PhotonNoise(photons, drop, kept)

  return draw


def _jpeg(key: jax.Array) -> Operator:
  return degradations.Jpeg(jnp.int32(_log_uniform(key, 3, 60)))


def _reduced(factor: int) -> Draw:
  return lambda key: degradations.Downsample.create(factor)


def kinds(side: int) -> list[tuple[Draw, ...]]:
  """All kinds of damage to images of `side` px: what is done, one after another.

  Those that a user's command undoes, then what comes together in the wild, in its order: seen
  through a lens, by a sensor, reduced, stored, scratched.
  """
  factors = [factor for factor in (2, 4, 8, 16, 32) if side // factor >= SMALLEST]
  blur = _blur(side)
  singles = [
    blur,
    _grey,
    _strokes,
    _boxes,
    _gaussian,
    _photons(side),
    _jpeg,
    *map(_reduced, factors),
  ]
  halved, quarter = factors[:1], factors[1:2]
  composed = [
    (blur, _gaussian),
    (blur, _jpeg),
    (_grey, _strokes),
    (_grey, _gaussian, _boxes),
    (blur, _grey),
    (*map(_reduced, halved), _gaussian, _jpeg),
    (*map(_reduced, quarter), _photons(side // math.prod(quarter)), _jpeg, _strokes),
  ]
  return [(), *((single,) for single in singles), *composed]


def _pipeline(kind: tuple[Draw, ...], key: jax.Array) -> Pipeline:
  keys = [jax.random.fold_in(key, i) for i in range(len(kind))]
  return Pipeline(tuple(draw(own) for draw, own in zip(kind, keys, strict=True)))


@functools.cache
def told_of(side: int) -> tuple[str, ...]:
  """All that there is to tell of `kinds`, in order."""

  def told() -> dict[str, jax.Array | float]:
    key = jax.random.key(0)
    found = [description.described(_pipeline(k, key), side, side) for k in kinds(side)]
    return {name: value for one in found for name, value in one.items()}

  # Whose key matters for values alone; shapes tell the names.
  known = jax.eval_shape(told)
  operators = [name for name in known if '.' not in name]
  return tuple(sorted([*known, *(name + description.UNKNOWN for name in operators)]))


def observe(image: jax.Array, key: jax.Array, side: int, names: tuple[str, ...]) -> Observation:
  """An image as an encoder meets it: degraded at random, and rounded to 8 bits.

  Args:
    image: [H, H, 3] in [-1, 1]; the result is differentiable by it but for the rounding, through
      which a gradient passes.
    key: of all draws; the same key does the same to another image.
    side: px, of what the encoder looks at.
    names: what it is told of degradations, such as `told_of` gives.
  """
  resolution = image.shape[0]
  which, clean, drawn, happens, told = jax.random.split(key, 5)
  branches = [functools.partial(_observed, kind, side, names) for kind in kinds(resolution)]
  index = jax.random.randint(which, (), 1, len(branches))
  index = jnp.where(jax.random.uniform(clean) < CLEAN, 0, index)
  seen = jax.lax.switch(index, branches, image, drawn, happens)
  hidden = jax.random.uniform(told) < UNTOLD
  untold = description.without_parameters(seen.told, names)
  return seen._replace(told=jnp.where(hidden, untold, seen.told))


def _observed(
  kind: tuple[Draw, ...],
  side: int,
  names: tuple[str, ...],
  image: jax.Array,
  drawn: jax.Array,
  happens: jax.Array,
) -> Observation:
  pipeline, resolution = _pipeline(kind, drawn), image.shape[0]
  degraded = pipeline.model(image, happens)
  visible = pipeline.visible(*degraded.shape[:2])
  told = description.described(pipeline, resolution, resolution)
  return observation(_rounded(degraded), visible, description.vector(told, names), side)


def _rounded(image: jax.Array) -> jax.Array:
  """What a file of 8 bits keeps of it."""
  pixels = (jnp.clip(image, -1, 1) + 1) * 127.5
  return image + jax.lax.stop_gradient(jnp.round(pixels) / 127.5 - 1 - image)
