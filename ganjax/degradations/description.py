"""A degradation as numbers, which tell a network what happened to the image that it is shown.

Operators are told by their class, 'Blur': 1 where there is one; 'Blur.variance' by `described`;
'Blur?': 1 where something of it is not known, and then its parameters are 0. Masks are left out:
who sees an image sees where it is visible.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from ganjax.degradations.pipeline import Pipeline

UNKNOWN = '?'


def described(pipeline: Pipeline, height: int, width: int) -> dict[str, jax.Array | float]:
  """All there is to tell of what happened to an image of height × width; what is left out is 0."""
  told: dict[str, jax.Array | float] = {}
  unknown = {index for index, _ in pipeline.unknown}
  for index, operator in enumerate(pipeline.operators):
    if not operator.is_mask:
      name = type(operator).__name__
      known = {} if index in unknown else operator.described(height, width)
      told |= {f'{name}.{parameter}': value for parameter, value in known.items()}
      told[name] = 1.0
      if index in unknown:
        told[name + UNKNOWN] = 1.0
    height, width = operator.output_shape(height, width)
  return told


def vector(told: Mapping[str, jax.Array | float], names: Sequence[str]) -> jax.Array:
  """What is told of the given names, in their order: float32 [len(names)].

  Of operators whose names are not among them nothing is said.
  """
  return jnp.stack([jnp.float32(told.get(name, 0.0)) for name in names])


def without_parameters(values: jax.Array, names: Sequence[str]) -> jax.Array:
  """The `vector` of the same degradation of which no parameter is known."""
  place = {name: i for i, name in enumerate(names)}
  picked = []
  for name in names:
    if '.' in name:
      picked.append(jnp.float32(0))
    elif name.endswith(UNKNOWN):
      picked.append(values[place[name.removesuffix(UNKNOWN)]])
    else:
      picked.append(values[place[name]])
  return jnp.stack(picked)
