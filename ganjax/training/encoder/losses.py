"""What an encoder is trained for, of one image.

Of a sample the latent is known: a Gaussian negative log-likelihood in whitened coordinates, with a
deviation for each row that the encoder tells itself, teaches both the rows and how far to trust
them. Of photos it is not: there the image that a latent gives is compared with the clean one,
by pixels and by a perceptual distance, and, degraded again, with what the encoder saw.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ganjax.inversion.problem import Prior
from ganjax.models.encoder import Encoded, Encoder, Observation
from ganjax.ops.resize import resize
from ganjax.training.encoder import damage
from ganjax.training.encoder.plan import EncoderPlan, whitened

MIXED = 0.5  # share of the samples of two styles
PSI = 0.5, 1.0  # truncation, drawn


class Sample(NamedTuple):
  """A face of the generator."""

  image: jax.Array  # [H, H, 3] in [-1, 1]
  rows: jax.Array  # [num_ws, w_dim], whitened


def sample(prior: Prior, encoder: Encoder, key: jax.Array) -> Sample:
  """Draws a face: one style or two, truncated more or less, with fresh noise.

  Args:
    prior: of the generator.
    encoder: whose coordinates are meant; its weights do not matter.
    key: of the draws.
  """
  mapping = prior.generator.mapping
  z, label, mixed, cut, psi, noise = jax.random.split(key, 6)
  given = mapping.random_label(label)
  styles = jax.random.normal(z, (2, mapping.z_dim))
  first, second = (mapping.w(styles[i], given) for i in range(2))
  cuts = jax.random.randint(cut, (), 1, mapping.num_ws)
  cuts = jnp.where(jax.random.uniform(mixed) < MIXED, cuts, mapping.num_ws)
  own = jnp.arange(mapping.num_ws) < cuts
  rows = whitened(prior).coordinates(jnp.where(own[:, None], first[None], second[None]))
  # In these coordinates, since there truncated samples still look like faces.
  rows *= jax.random.uniform(psi, (), jnp.float32, *PSI)
  image = prior.generator.synthesis(encoder.latent(rows), 'random', noise)
  return Sample(jnp.clip(image, -1, 1), rows)


def latent_loss(encoded: Encoded, truth: jax.Array) -> tuple[jax.Array, jax.Array]:
  """(negative log-likelihood per coordinate, mean squared distance) of a sample's rows."""
  squared = jnp.mean(jnp.square(encoded.rows - truth), axis=1)
  likelihood = 0.5 * squared * jnp.exp(-2 * encoded.log_deviation) + encoded.log_deviation
  return jnp.mean(likelihood), jnp.mean(squared)


def spread(rows: jax.Array) -> jax.Array:
  """How far rows are from their mean, squared: near one another they can be edited (Tov 2021)."""
  return jnp.mean(jnp.square(rows - jnp.mean(rows, axis=0, keepdims=True)))


def rendered(prior: Prior, encoder: Encoder, rows: jax.Array) -> jax.Array:
  """The face [H, H, 3] of whitened rows, without noise maps."""
  return prior.generator.synthesis(encoder.latent(rows), 'none')


class Compared(NamedTuple):
  """Distances of what a latent gives, none with its weight applied."""

  pixel: jax.Array  # mean squared difference from the clean image, values in [-1, 1]
  perceptual: jax.Array  # distance from the clean image
  consistency: jax.Array  # mean squared difference, degraded, from what was seen


def compare(
  prior: Prior,
  encoder: Encoder,
  rows: jax.Array,
  image: jax.Array,
  seen: Observation,
  key: jax.Array,
) -> Compared:
  """Compares what a latent gives with a clean image, and with what was seen of it.

  Args:
    prior: the networks.
    encoder: whose coordinates `rows` are in.
    rows: [num_ws, w_dim], whitened.
    image: [H, H, 3], clean.
    seen: what became of it.
    key: of how that happened.
  """
  given = rendered(prior, encoder, rows)
  sizes = prior.perceptual.side(*image.shape[:2])
  features = (prior.perceptual.features(resize(x, *sizes)) for x in (given, image))
  again = damage.observe(given, key, encoder.config.side, encoder.config.told)
  misfit = jnp.square(again.image - seen.image) * seen.visible
  return Compared(
    jnp.mean(jnp.square(given - image)),
    prior.perceptual.distance(*features),
    jnp.mean(misfit) / jnp.maximum(jnp.mean(seen.visible), 0.1),
  )


def weighted(settings: EncoderPlan, found: Compared) -> jax.Array:
  """The loss of images that are compared."""
  return (
    settings.image_weight * found.pixel
    + settings.perceptual_weight * found.perceptual
    + settings.consistency_weight * found.consistency
  )
