"""How the learning rate and the noise on w change over a run (Karras et al. 2020, appendix D).

`t` is the share of the run that is done, in [0, 1).
"""

import jax
import jax.numpy as jnp


def learning_rate_factor(t: jax.Array, rampup: float, rampdown: float) -> jax.Array:
  """Linear warm-up from 0 over the first `rampup`, cosine to 0 over the last `rampdown`."""
  down = jnp.minimum(1.0, (1.0 - t) / rampdown) if rampdown else jnp.ones_like(t)
  up = jnp.minimum(1.0, t / rampup) if rampup else jnp.ones_like(t)
  return (0.5 - 0.5 * jnp.cos(down * jnp.pi)) * up


def w_noise_factor(t: jax.Array, ramp: float) -> jax.Array:
  """max(0, 1 − t / ramp)²."""
  return jnp.square(jnp.maximum(0.0, 1.0 - t / ramp))
