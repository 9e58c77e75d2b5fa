"""How the learning rate and the noise on w change over a run, and when a run may end.

`t` is the share of the run that is done, `left` the share that is still to come.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SETTLE_WINDOW = 25  # steps over which a loss is averaged
PATIENCE = 3  # windows in a row without a gain, after which a loss has settled


def learning_rate_factor(
  t: Float[Array, ''], left: Float[Array, ''], rampup: float, rampdown: float
) -> Float[Array, '']:
  """Linear warm-up over the first `rampup`, cosine to 0 over the last `rampdown`; a scalar.

  Karras et al. 2020, appendix D.
  """
  down = jnp.minimum(1.0, left / rampdown) if rampdown else jnp.ones_like(left)
  up = jnp.minimum(1.0, t / rampup) if rampup else jnp.ones_like(t)
  return (0.5 - 0.5 * jnp.cos(down * jnp.pi)) * up


def w_noise_factor(t: Float[Array, ''], ramp: float) -> Float[Array, '']:
  """max(0, 1 − t / ramp)²."""
  return jnp.square(jnp.maximum(0.0, 1.0 - t / ramp))


class Settling(NamedTuple):
  """Watches one image's loss for the moment after which little happens.

  A single window says little: a loss rises at times while Adam finds its way, or stands still
  before it falls again.
  """

  total: Float[Array, '']  # of the losses in the present window
  steps: Int[Array, '']  # in the present window
  best: Float[Array, '']  # mean of the last window with a gain
  windows: Int[Array, '']  # how many without one came after it

  @classmethod
  def create(cls) -> 'Settling':
    return cls(jnp.float32(0), jnp.int32(0), jnp.float32(jnp.inf), jnp.int32(0))

  def update(
    self, loss: Float[Array, ''], within: Float[Array, ''] | float
  ) -> tuple['Settling', Bool[Array, '']]:
    """Takes in the loss of a step.

    Args:
      loss: scalar.
      within: the share by which a window's mean has to lie below the best for a gain; 0 never
        settles.

    Returns:
      The new state, and whether the loss has settled at this step.
    """
    total, steps = self.total + loss, self.steps + 1
    ends = steps == SETTLE_WINDOW
    mean = total / SETTLE_WINDOW
    gains = ends & (mean < (1 - within) * self.best)
    best = jnp.where(gains, mean, self.best)
    windows = jnp.where(gains, 0, self.windows + ends.astype(jnp.int32))
    total, steps = (jnp.where(ends, 0, x) for x in (total, steps))
    return Settling(total, steps, best, windows), ends & (within > 0) & (windows >= PATIENCE)
