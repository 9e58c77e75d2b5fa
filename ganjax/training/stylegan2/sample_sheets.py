"""Pictures of a generator in training."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.models.generator import Generator
from ganjax.pixels import to_bytes

_TOGETHER = 8  # pictures


def samples(generator: Generator, count: int, psi: float, seed: int = 0) -> Iterator[np.ndarray]:
  """Generates `count` pictures, uint8 [H, W, 3]; classes take turns.

  Args:
    generator: see `trainer.networks`.
    count: how many.
    psi: truncation; 1 for all variety.
    seed: the same seed gives the same latents.
  """
  config = generator.config
  zs = np.random.RandomState(seed).randn(count, config.z_dim).astype(np.float32)
  for start in range(0, count, _TOGETHER):
    places = np.minimum(np.arange(start, start + _TOGETHER), count - 1)
    labels = np.eye(config.c_dim, dtype=np.float32)[places % config.c_dim] if config.c_dim else None
    pictures = to_bytes(np.asarray(_render(generator, psi, zs[places], labels)))
    yield from pictures[: count - start]


@functools.partial(jax.jit, static_argnums=(1,))
def _render(generator: Generator, psi: float, zs: jax.Array, labels: jax.Array | None) -> jax.Array:
  def one(z, label):
    return generator.synthesis(generator.mapping(z, label, psi))

  return jax.vmap(one)(jnp.asarray(zs), labels)


def sheet(pictures: list[np.ndarray], columns: int) -> np.ndarray:
  """Pictures of one size, row by row; the last row must be full."""
  rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
  return np.concatenate([np.concatenate(row, axis=1) for row in rows])
