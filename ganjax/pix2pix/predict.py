"""Applying a trained generator."""

import functools

import jax
import numpy as np
from flax import nnx

from ganjax.models.unet import UNet
from ganjax.pixels import to_float


def predict(unet: UNet, conditions: np.ndarray) -> np.ndarray:
  """The generator's answers.

  Args:
    unet: the generator.
    conditions: uint8 [N, S, S, 3], S a multiple of what the generator halves.

  Returns:
    float32 [N, S, S, 3] in [-1, 1].
  """
  graph, weights = nnx.split(unet)
  return np.asarray(_predict(graph, weights, to_float(conditions)))


@functools.partial(jax.jit, static_argnums=0)
def _predict(graph: nnx.GraphDef, weights: nnx.State, conditions: jax.Array) -> jax.Array:
  return jax.vmap(nnx.merge(graph, weights))(conditions)
