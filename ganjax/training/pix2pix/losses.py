"""What pix2pix's two networks are trained for (Isola et al. 2017, equation 4)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ganjax.choices import GanLoss


class Adversary(NamedTuple):
  """One kind of adversarial loss: functions of logits of any shape, each giving a mean."""

  real: Callable[[jax.Array], jax.Array]  # the discriminator's loss on true pictures
  fake: Callable[[jax.Array], jax.Array]  # the discriminator's loss on generated pictures
  fool: Callable[[jax.Array], jax.Array]  # the generator's loss


ADVERSARIES: dict[GanLoss, Adversary] = {
  # Mao et al. 2017.
  'lsgan': Adversary(
    lambda x: jnp.mean(jnp.square(x - 1)),
    lambda x: jnp.mean(jnp.square(x)),
    lambda x: jnp.mean(jnp.square(x - 1)),
  ),
  # Goodfellow et al. 2014, the non-saturating form.
  'vanilla': Adversary(
    lambda x: jnp.mean(jax.nn.softplus(-x)),
    lambda x: jnp.mean(jax.nn.softplus(x)),
    lambda x: jnp.mean(jax.nn.softplus(-x)),
  ),
  # Lim & Ye 2017.
  'hinge': Adversary(
    lambda x: jnp.mean(jax.nn.relu(1 - x)),
    lambda x: jnp.mean(jax.nn.relu(1 + x)),
    lambda x: -jnp.mean(x),
  ),
}


def composite(generated: jax.Array, condition: jax.Array, known: jax.Array) -> jax.Array:
  """The generated picture with what the condition shows of the truth put back; all [..., H, W, C].

  Args:
    known: [..., H, W, 1]; 1 where the condition shows the truth itself.
  """
  return jnp.where(known > 0, condition, generated)


def unknown_mean(values: jax.Array, known: jax.Array) -> jax.Array:
  """The mean over pixels that are not known: [N, H, W, C] -> scalar, each picture counting alike.

  So a hole weighs the same whatever its size, and a picture without holes is compared everywhere.
  """
  weight = 1 - known
  total = jnp.sum(jnp.mean(values, axis=3, keepdims=True) * weight, axis=(1, 2, 3))
  return jnp.mean(total / jnp.maximum(jnp.sum(weight, axis=(1, 2, 3)), 1))


def learning_rate(step: jax.Array, rate: float, num_steps: int, decay_from: float) -> jax.Array:
  """Constant up to the share `decay_from` of all steps, then falling linearly to 0 at the end."""
  start = decay_from * num_steps
  left = (num_steps - step.astype(jnp.float32)) / max(num_steps - start, 1.0)
  return rate * jnp.clip(left, 0.0, 1.0)
