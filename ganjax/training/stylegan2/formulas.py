"""What the two networks of a GAN are trained for, and the averages that are kept on the way."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def real_loss(logits: jax.Array) -> jax.Array:
  """-log σ(logit), mean: small where pictures are taken for photographs (Goodfellow et al. 2014).

  The discriminator's loss on photographs, and the generator's (non-saturating) loss on its own.
  """
  return jnp.mean(jax.nn.softplus(-logits))


def fake_loss(logits: jax.Array) -> jax.Array:
  """-log(1 − σ(logit)), mean: the discriminator's loss on generated pictures."""
  return jnp.mean(jax.nn.softplus(logits))


def gradient_penalty(score: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
  """The squared slope of the scores at photographs (Mescheder et al. 2018, equation 9, γ = 2).

  Args:
    score: [N, H, W, 3] -> [N].
    images: [N, H, W, 3].

  Returns:
    [N]: each image's Σ (∂ scores / ∂ pixel)².
  """
  slope = jax.grad(lambda images: jnp.sum(score(images)))(images)
  return jnp.sum(jnp.square(slope), axis=(1, 2, 3))


def path_length(
  synthesise: Callable[[jax.Array], jax.Array], ws: jax.Array, direction: jax.Array
) -> jax.Array:
  """How far one image moves as its latent does (Karras et al. 2020, section 3.2): ‖Jᵀ·y‖.

  Args:
    synthesise: ws -> image [H, W, 3].
    ws: [num_ws, w_dim].
    direction: y, [H, W, 3], standard normal.

  Returns:
    Scalar: the root of the mean, over rows, of the squared length.
  """
  image, pull = jax.vjp(synthesise, ws)
  pixels = image.shape[0] * image.shape[1]
  (slope,) = pull(direction * pixels**-0.5)
  return jnp.sqrt(jnp.mean(jnp.sum(jnp.square(slope), axis=1)))


def r1_weight(resolution: int, batch_size: int) -> float:
  """γ that suits most data: 0.0002 · resolution² / batch (Karras et al. 2020, ADA, appendix C)."""
  return 0.0002 * resolution**2 / batch_size


def ema_decay(
  shown: jax.Array, batch_size: int, half_life: float, ramp_up: float | None
) -> jax.Array:
  """How much of the averaged generator a step keeps.

  Args:
    shown: pictures shown so far, float32.
    batch_size: pictures per step.
    half_life: of the average, in pictures.
    ramp_up: until it lasts that long, the half-life is this share of `shown`; None for none.
  """
  life = jnp.float32(half_life)
  if ramp_up is not None:
    life = jnp.minimum(life, shown * ramp_up)
  return jnp.exp2(-batch_size / jnp.maximum(life, 1e-8))
