"""Many latents to pictures and to a classifier's answers, block by block."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.editing import sampling
from ganjax.editing.sampling import Space
from ganjax.models.classifier import Classifier
from ganjax.models.generator import Generator
from ganjax.pixels import to_bytes
from ganjax.runtime.mapping import map_images

BLOCK = 16  # latents per call; one compilation serves any number of them


def sampled(generator: Generator, seed: int, count: int, psi: float, space: Space) -> np.ndarray:
  """Random latents of a space, [count, *shape]; the same z for every space.

  The first latents do not depend on how many there are.
  """
  z_dim = generator.config.z_dim
  z = np.random.RandomState(seed).randn(count, 2, z_dim).astype(np.float32)
  draw = jax.jit(lambda g, z: jax.vmap(lambda z: sampling.sample(g, z, psi, space=space))(z))
  return np.asarray(draw(generator, z))


def draw(generator: Generator, ws: np.ndarray, noise: dict[str, Any] | None = None) -> np.ndarray:
  """Pictures of rows of W+, uint8 [N, H, W, 3].

  Args:
    generator: of the latents.
    ws: [N, num_ws, w_dim].
    noise: noise maps with [N] in front; None for those that are stored with the weights.
  """
  if noise is None:
    return _by_blocks(lambda part: _draw(generator, part), ws)
  return _by_blocks(lambda part: _draw_with(generator, *part), (ws, noise))


def classifier_logits(
  generator: Generator, classifier: Classifier, points: np.ndarray, psi: float, space: Space
) -> np.ndarray:
  """The classifier's logits about the pictures of latents: [N, …] -> [N, num_classes]."""
  psi_ = np.float32(psi)
  return _by_blocks(
    lambda part: _classifier_logits(generator, classifier, part, psi_, space), points
  )


def _by_blocks(function: Callable[[Any], jax.Array], batched: Any) -> np.ndarray:
  return np.concatenate(list(_blocks(function, batched)))


def _blocks(function: Callable[[Any], jax.Array], batched: Any) -> Iterator[np.ndarray]:
  count = len(jax.tree.leaves(batched)[0])
  for start in range(0, count, BLOCK):
    # The last block goes round, so that it is as long as the others.
    rows = np.arange(start, start + BLOCK) % count
    part = jax.tree.map(lambda x, rows=rows: np.asarray(x)[rows], batched)
    yield np.asarray(function(part))[: count - start]


@jax.jit
def _draw(generator, ws):
  return map_images(lambda ws: to_bytes(generator.synthesis(ws)), ws)


@jax.jit
def _draw_with(generator, ws, noise):
  return map_images(lambda ws, noise: to_bytes(generator.synthesis(ws, noise)), ws, noise)


@functools.partial(jax.jit, static_argnums=4)
def _classifier_logits(generator, classifier, points, psi, space):
  def one(point):
    image = generator.synthesis(sampling.rows(generator, point, psi, space=space))
    return classifier(jnp.clip(image, -1.0, 1.0))

  return map_images(one, points)
