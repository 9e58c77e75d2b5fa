"""Directions that need no labels."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ganjax.models.generator import Generator


class Components(NamedTuple):
  """Directions in W, the most important first."""

  normals: jax.Array  # [K, w_dim], of unit length, orthogonal to one another
  strengths: jax.Array  # [K], what they are sorted by


def sefa(generator: Generator, count: int, layers: Sequence[int] | None = None) -> Components:
  """Closed-form factorisation: what moves the styles most (Shen and Zhou 2021, equation 7).

  Args:
    generator: of any StyleGAN2.
    count: how many directions, at most w_dim.
    layers: rows of W+ whose convolutions are looked at; None for all.

  Returns:
    Eigenvectors of A·Aᵀ, where A [w_dim, ΣC] holds the affine maps from w to the styles; strengths
    are its eigenvalues.

  Raises:
    ValueError: a layer has no convolution; the last row only colours.
  """
  weights = style_weights(generator)
  chosen = range(len(weights)) if layers is None else layers
  if wrong := [layer for layer in chosen if not 0 <= layer < len(weights)]:
    raise ValueError(f'layer {wrong[0]}: convolutions have the layers 0 to {len(weights) - 1}')
  styles = jnp.concatenate([weights[layer] for layer in chosen], axis=1)
  return _largest(styles @ styles.T, count)


def style_weights(generator: Generator) -> list[jax.Array]:
  """The affine maps from rows of W+ to the styles of the convolutions, [w_dim, C] each."""
  return [
    getattr(block, name).affine.weight[...] * generator.config.w_dim**-0.5
    for block in generator.synthesis.blocks()
    for name in block.conv_names()
  ]


def pca(points: jax.Array, count: int) -> Components:
  """Principal components of sampled w (Härkönen et al. 2020, GANSpace).

  Args:
    points: [N, w_dim].
    count: how many directions, at most w_dim.

  Returns:
    Strengths are the variances along the directions.
  """
  centred = points - jnp.mean(points, axis=0, keepdims=True)
  return _largest(centred.T @ centred / (points.shape[0] - 1), count)


def _largest(matrix: jax.Array, count: int) -> Components:
  values, vectors = jnp.linalg.eigh(matrix)
  normals = vectors[:, ::-1][:, :count].T
  # An eigenvector has no sign of its own: its largest number shall be positive.
  largest = jnp.take_along_axis(normals, jnp.argmax(jnp.abs(normals), axis=1)[:, None], axis=1)
  return Components(normals * jnp.sign(largest), values[::-1][:count])
