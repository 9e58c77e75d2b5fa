"""What an inversion minimises, for one image."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ganjax.inversion.perceptual import Perceptual, resize
from ganjax.models.generator import Noise

SMALLEST_NOISE_SIDE = 8


class Target(NamedTuple):
  """A degraded picture, prepared for being compared with many others."""

  image: jax.Array  # [h, w, 3]
  visible: jax.Array  # [h, w, 1]: 1 where the picture shows something, 0 in holes
  features: list[jax.Array]


class Terms(NamedTuple):
  """The summands of the loss, each with its weight applied."""

  perceptual: jax.Array
  pixel: jax.Array
  noise: jax.Array
  latent: jax.Array

  @property
  def loss(self) -> jax.Array:
    """Their sum."""
    return self.perceptual + self.pixel + self.noise + self.latent


def target(perceptual: Perceptual, image: jax.Array, visible: jax.Array) -> Target:
  """Computes a target's features once; image [h, w, 3] in [-1, 1], visible [h, w, 1]."""
  return Target(image, visible, features(perceptual, image, visible))


def features(perceptual: Perceptual, image: jax.Array, visible: jax.Array) -> list[jax.Array]:
  """Features of what is visible.

  The picture is brought to the perceptual network's size first and its holes are cut afterwards,
  where the resized mask is not wholly visible: whatever a hole's content leaked into is cut, too,
  in the picture as in its target, so nothing smears.
  """
  height, width = perceptual.side(*image.shape[:2])
  whole = resize(visible, height, width) >= 1 - 1e-4
  return perceptual.features(jnp.where(whole, resize(image, height, width), 0.0))


def pixel_distance(image: jax.Array, target: Target) -> jax.Array:
  """Mean squared difference over what is visible; image [h, w, 3]."""
  squares = jnp.sum(jnp.square(image - target.image) * target.visible)
  return squares / (3 * jnp.maximum(jnp.sum(target.visible), 1))


def noise_autocorrelation(noise: jax.Array) -> jax.Array:
  """Penalises noise maps that carry signal (Karras et al. 2020, appendix D).

  Args:
    noise: one noise map, [H, W], H = W a power of two; zero mean, unit variance.

  Returns:
    Scalar; 0 when neighbouring pixels are uncorrelated at every scale down to 8 px.
  """
  total = jnp.zeros(())
  while True:
    for axis in (0, 1):
      total += jnp.square(jnp.mean(noise * jnp.roll(noise, 1, axis)))
    side = noise.shape[0]
    if side <= SMALLEST_NOISE_SIDE:
      return total
    noise = jnp.mean(noise.reshape(side // 2, 2, side // 2, 2), axis=(1, 3))


def autocorrelation(noise: Noise) -> jax.Array:
  """`noise_autocorrelation`, summed over the maps."""
  return functools.reduce(jnp.add, map(noise_autocorrelation, noise.values()), jnp.zeros(()))


def energy(noise: Noise) -> jax.Array:
  """mean(noise²), summed over the maps."""
  squares = (jnp.mean(jnp.square(n)) for n in noise.values())
  return functools.reduce(jnp.add, squares, jnp.zeros(()))


def normalize_noise(noise: Noise) -> Noise:
  """Brings every map back to zero mean and unit variance."""

  def normalize(n):
    n = n - jnp.mean(n)
    return n * jax.lax.rsqrt(jnp.mean(jnp.square(n)) + 1e-12)

  return {name: normalize(n) for name, n in noise.items()}


def latent_distance(latent: jax.Array, w_avg: jax.Array) -> jax.Array:
  """mean((w − w_avg)²); latent [..., w_dim]."""
  return jnp.mean(jnp.square(latent - w_avg.reshape((1,) * (latent.ndim - 1) + w_avg.shape)))
