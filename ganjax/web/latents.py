"""Faces by latent: drawn at random, edited along directions, mixed, and interpolated."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import editing
from ganjax.editing.files import Direction
from ganjax.models.generator import Noise
from ganjax.pixels import to_bytes
from ganjax.weights import Networks

MOST = 3.0  # deviations that a slider goes either way
_UNSUPERVISED = 5  # components, for generators without directions of their own
_SAMPLES = 2000  # that these are found from
# What is said of the bundled directions: (left end, right end).
WORDS = {
  'under21': ('older', 'younger'),
  'smile': ('serious', 'smiling'),
  'mouth_open': ('mouth closed', 'mouth open'),
  'turn': ('turned left', 'turned right'),
  'brightness': ('darker', 'brighter'),
}
# Which rows of W+ do what (Karras et al. 2019, section 3.1): up to 8×8, up to 32×32, and beyond.
STYLES = {'pose and shape': (0, 3), 'features': (4, 7), 'colours and skin': (8, 99)}


class Point(NamedTuple):
  """A face as the generator takes it."""

  ws: np.ndarray  # [num_ws, w_dim], or [num_ws, C_max, w_dim] of W++
  noise: Noise | None = None  # None for the maps that are stored with the weights


class Edit(NamedTuple):
  """What is done to a face."""

  amounts: tuple[float, ...] = ()  # of the directions, in deviations
  share: float = 0.0  # of the way to the other face
  styles: tuple[str, ...] = ()  # of `STYLES`, taken from the other face


def directions(networks: Networks) -> list[Direction]:
  """The directions of a generator's sliders: the bundled ones, or else principal components."""
  config = networks.generator.config
  if found := editing.bundled_directions(config, networks.sha256):
    order = list(WORDS)
    return sorted(found, key=lambda direction: order.index(direction.name))
  z = np.random.RandomState(0).randn(_SAMPLES, config.z_dim).astype(np.float32)
  points = jax.vmap(lambda z: networks.generator.mapping(z)[0])(z)
  components = editing.pca(points, min(_UNSUPERVISED, config.w_dim))
  return [
    Direction(f'component {i + 1}', 'w', np.asarray(normal), np.nan, float(strength) ** 0.5, '', {})
    for i, (normal, strength) in enumerate(zip(*components, strict=True))
  ]


def label(direction: Direction) -> str:
  """What a slider is called."""
  return ' ↔ '.join(WORDS.get(direction.name, (direction.name,)))


def drawn(networks: Networks, seed: int, psi: float) -> Point:
  """The face of a seed, as `--task=generate` draws it; `psi` is its truncation."""
  z = editing.seeded(seed, networks.generator.config.z_dim)
  return Point(np.asarray(_mapped(networks.generator, z, np.float32(psi))))


def image(
  networks: Networks,
  face: Point,
  other: Point,
  along: Sequence[Direction],
  edit: Edit,
) -> np.ndarray:
  """A face, edited: uint8 [H, W, 3].

  It goes its share of the way to the other face, takes styles from that, and is then moved along
  the directions. Noise maps stay its own.
  """
  ws = _edited(face.ws, other.ws, along, edit)
  return np.asarray(_draw(networks.generator, ws, face.noise))


def _edited(ws: np.ndarray, other: np.ndarray, along: Sequence[Direction], edit: Edit) -> jax.Array:
  dims = max(ws.ndim, other.ndim)
  ws, other = np.broadcast_arrays(_spread(ws, dims), _spread(other, dims))
  (moved,) = editing.interpolate(jnp.asarray(ws), jnp.asarray(other), jnp.float32([edit.share]))
  for style in edit.styles:
    first, last = STYLES[style]
    moved = jnp.concatenate([moved[:first], other[first : last + 1], moved[last + 1 :]])
  for direction, amount in zip(along, edit.amounts, strict=False):
    step = jnp.float32([amount * direction.deviation])
    (moved,) = editing.traverse(moved, jnp.asarray(direction.normal), step)
  return moved


def _spread(ws: np.ndarray, dims: int) -> np.ndarray:
  """Rows of W+ as W++ has them, if that is wanted."""
  return ws[:, None] if ws.ndim < dims else ws


@jax.jit
def _mapped(generator, z, psi):
  return generator.mapping(z, psi=psi)


@jax.jit
def _draw(generator, ws, noise):
  image = generator.synthesis(ws) if noise is None else generator.synthesis(ws, noise)
  return to_bytes(jnp.clip(image, -1.0, 1.0))
