"""How far latents are from the average face: the distances that a preset may hold them by."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SLOPE, GAIN = 0.2, 2.0**0.5  # of the mapping network's leaky ReLU
# Variances below this share of the largest count as this much: directions in which samples hardly
# differ would otherwise decide alone.
LEAST_VARIANCE = 1e-3


class LatentDistance(Protocol):
  """A squared distance of rows of w from the average face; what `Space.distance` is made of."""

  @property
  def variance(self) -> Float[Array, ''] | float:
    """The squared Euclidean distance per dimension that counts 1."""

  def of_rows(self, rows: Float[Array, 'k w_dim']) -> Float[Array, '']:
    """The mean over rows and dimensions of the squared distance; rows [K, w_dim]."""


class Euclidean(NamedTuple):
  """mean((w − w_avg)²)."""

  w_avg: Float[Array, ' w_dim']

  @property
  def variance(self) -> float:
    """See `LatentDistance`."""
    return 1.0

  def of_rows(self, rows: Float[Array, 'k w_dim']) -> Float[Array, '']:
    """See `LatentDistance`."""
    return jnp.mean(jnp.square(rows - self.w_avg[None]))


class Mahalanobis(NamedTuple):
  """mean(u²), with u the row before the mapping network's last leaky ReLU, whitened.

  There W is nearly normal (Wulff and Torralba 2020; Zhu et al. 2020, "Improved StyleGAN embedding:
  where are the good latents?"). The distance of samples is about 1.
  """

  mean: Float[Array, ' w_dim']  # of samples before the leaky ReLU
  whitening: Float[Array, 'w_dim w_dim']  # their covariance to the power of −½: [from, to]
  variance: Float[Array, '']  # of w per dimension

  def of_rows(self, rows: Float[Array, 'k w_dim']) -> Float[Array, '']:
    """See `LatentDistance`."""
    return jnp.mean(jnp.square(self.coordinates(rows)))

  def coordinates(self, rows: Float[Array, 'k w_dim']) -> Float[Array, 'k w_dim']:
    """u of rows of w."""
    away = before_activation(rows) - self.mean[None]
    return jnp.matmul(away, self.whitening, precision=jax.lax.Precision.HIGHEST)


def before_activation(w: Float[Array, '*_ w_dim']) -> Float[Array, '*_ w_dim']:
  """Inverts the leaky ReLU, and its gain, by which the mapping network ends."""
  return jnp.where(w > 0, w, w / SLOPE) / GAIN


def whitening(covariance: Float[Array, 'd d']) -> Float[Array, 'd d']:
  """Turns points of a covariance [D, D] into ones of unit covariance: x @ whitening; [D, D]."""
  values, vectors = jnp.linalg.eigh(covariance)
  return vectors / jnp.sqrt(jnp.maximum(values, LEAST_VARIANCE * values[-1]))[None]
