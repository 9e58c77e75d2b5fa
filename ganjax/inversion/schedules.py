"""How the learning rate and the noise on w change over a run, and when a run may end.

`t` is the share of the run that is done, `left` the share that is still to come.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

SETTLE_WINDOW = 20  # steps
SMOOTHING = 0.1  # how much of each new loss enters the running mean


def learning_rate_factor(t: jax.Array, left: jax.Array, rampup: float, rampdown: float):
  """Linear warm-up over the first `rampup`, cosine to 0 over the last `rampdown`; a scalar.

  Karras et al. 2020, appendix D.
  """
  down = jnp.minimum(1.0, left / rampdown) if rampdown else jnp.ones_like(left)
  up = jnp.minimum(1.0, t / rampup) if rampup else jnp.ones_like(t)
  return (0.5 - 0.5 * jnp.cos(down * jnp.pi)) * up


def w_noise_factor(t: jax.Array, ramp: float) -> jax.Array:
  """max(0, 1 − t / ramp)²."""
  return jnp.square(jnp.maximum(0.0, 1.0 - t / ramp))


class Settling(NamedTuple):
  """Watches one image's loss for the moment after which little happens."""

  smooth: jax.Array  # running mean of the loss
  before: jax.Array  # what it was a window ago

  @classmethod
  def create(cls) -> 'Settling':
    return cls(jnp.float32(jnp.inf), jnp.float32(jnp.inf))

  def update(
    self, loss: jax.Array, step: jax.Array, within: jax.Array | float
  ) -> tuple['Settling', jax.Array]:
    """Takes in the loss of a step.

    Args:
      loss: scalar.
      step: int32, how many steps were taken with it.
      within: the share by which a window still has to lower the running mean; 0 never settles.

    Returns:
      The new state, and whether the loss has settled at this step.
    """
    smooth = jnp.where(jnp.isinf(self.smooth), loss, self.smooth + SMOOTHING * (loss - self.smooth))
    is_due = step % SETTLE_WINDOW == 0
    # Subtraction of an infinite `before` (the first window) counts as a large fall.
    settled = is_due & (within > 0) & (self.before - smooth < within * smooth)
    return Settling(smooth, jnp.where(is_due, smooth, self.before)), settled
