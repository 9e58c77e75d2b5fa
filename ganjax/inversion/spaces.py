"""Latent spaces: what is optimised, and how the generator reads it.

A space is any object with the methods of `Space`; a preset's phases name one of `SPACES`, or hold
one of their own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from ganjax import lazy
from ganjax.models.architecture import GeneratorConfig

if TYPE_CHECKING:
  import jax
  import jax.numpy as jnp
  from jaxtyping import Array, Float

  from ganjax.inversion.latent_distances import LatentDistance
else:  # presets are made of spaces, and the command line's help names them without JAX
  jnp = lazy.module('jax.numpy')


class Space(Protocol):
  """A latent space, for one image. Hashable, since compiled programs depend on it."""

  @property
  def name(self) -> str:
    """What results and flags call it."""

  def enter(
    self, latent: Float[Array, '*_ w_dim'], config: GeneratorConfig
  ) -> Float[Array, '*latent']:
    """Carries a latent over into this space, unchanged in what it makes.

    Args:
      latent: w itself [w_dim], rows of W+, or a latent of a space that this one contains. (To W,
        rows are carried by their mean.)
      config: of the generator.
    """

  def rows(
    self, latent: Float[Array, '*latent'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws *_']:
    """What the synthesis network reads: [num_ws, w_dim], or [num_ws, C_max, w_dim]."""

  def distance(self, latent: Float[Array, '*latent'], by: LatentDistance) -> Float[Array, '']:
    """How far a latent is from the average face, squared and per dimension; a scalar."""


@dataclasses.dataclass(frozen=True)
class W:
  """One w for all layers: [1, w_dim]."""

  name: str = 'w'

  def enter(
    self, latent: Float[Array, '*_ w_dim'], config: GeneratorConfig
  ) -> Float[Array, '1 w_dim']:
    # Of several rows, their mean is the nearest that one can be to all.
    return _with_rows(latent) if latent.ndim == 1 else jnp.mean(latent, axis=0, keepdims=True)

  def rows(
    self, latent: Float[Array, '1 w_dim'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws w_dim']:
    return jnp.broadcast_to(latent, (config.num_ws, *latent.shape[1:]))

  def distance(self, latent: Float[Array, '1 w_dim'], by: LatentDistance) -> Float[Array, '']:
    return by.of_rows(latent)


@dataclasses.dataclass(frozen=True)
class WPlus:
  """A w for each layer: [num_ws, w_dim]."""

  name: str = 'w_plus'

  def enter(
    self, latent: Float[Array, '*_ w_dim'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws w_dim']:
    return jnp.broadcast_to(_with_rows(latent), (config.num_ws, config.w_dim))

  def rows(
    self, latent: Float[Array, 'num_ws w_dim'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws w_dim']:
    del config
    return latent

  def distance(self, latent: Float[Array, 'num_ws w_dim'], by: LatentDistance) -> Float[Array, '']:
    return by.of_rows(latent)


@dataclasses.dataclass(frozen=True)
class WPlusPlus:
  """A w for each output channel of each layer (Poirier-Ginter and Lalonde 2023).

  [num_ws, C_max, w_dim]
  """

  name: str = 'w_plus_plus'

  def enter(
    self, latent: Float[Array, '*_ w_dim'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws c_max w_dim']:
    latent = _with_rows(latent)
    latent = latent[:, None] if latent.ndim == 2 else latent
    return jnp.broadcast_to(latent, (config.num_ws, max(config.channels), config.w_dim))

  def rows(
    self, latent: Float[Array, 'num_ws c_max w_dim'], config: GeneratorConfig
  ) -> Float[Array, 'num_ws c_max w_dim']:
    del config
    return latent

  def distance(
    self, latent: Float[Array, 'num_ws c_max w_dim'], by: LatentDistance
  ) -> Float[Array, '']:
    """That of each row's mean over its channels, and the channels' squared distances from it.

    The latter are summed over the channels: for a channel to leave its row costs what it costs the
    row to leave the average. A degradation that leaves little therefore keeps them together.
    """
    row = jnp.mean(latent, axis=1)
    spread = jnp.sum(jnp.square(latent - row[:, None]), axis=1)
    return by.of_rows(row) + jnp.mean(spread) / by.variance


SPACES: dict[str, Space] = {space.name: space for space in (W(), WPlus(), WPlusPlus())}


def by_name(space: str | Space) -> Space:
  """The space of a name; a space itself stays.

  Raises:
    ValueError: there is none of that name.
  """
  if not isinstance(space, str):
    return space
  if space not in SPACES:
    raise ValueError(f'space {space!r} is none of {", ".join(SPACES)}')
  return SPACES[space]


def _with_rows(latent: jax.Array) -> jax.Array:
  return latent[None] if latent.ndim == 1 else latent
