"""Latent spaces: what is optimised, and how the generator reads it."""

import functools

import jax
import jax.numpy as jnp

from ganjax.choices import Space
from ganjax.models.architecture import GeneratorConfig


def enter(space: Space, latent: jax.Array, config: GeneratorConfig) -> jax.Array:
  """Carries a latent over into a space, unchanged in what it makes.

  Args:
    space: the space to enter; not smaller than the one that the latent comes from.
    latent: w itself [w_dim], or a latent of W, W+ or W++.
    config: of the generator.

  Returns:
    [1, w_dim] in W, [num_ws, w_dim] in W+, and [num_ws, C_max, w_dim] in W++, where every output
    channel of a layer has a row of its own (Poirier-Ginter and Lalonde 2023).
  """
  shape = {
    'w': (1, config.w_dim),
    'w_plus': (config.num_ws, config.w_dim),
    'w_plus_plus': (config.num_ws, max(config.channels), config.w_dim),
  }[space]
  if latent.ndim == 1:
    latent = latent[None]
  if len(shape) == 3 and latent.ndim == 2:
    latent = latent[:, None]
  return jnp.broadcast_to(latent, shape)


def rows(latent: jax.Array, num_ws: int) -> jax.Array:
  """What `synthesis` takes: W is repeated to [num_ws, w_dim]; other spaces are rows already."""
  return jnp.broadcast_to(latent, (num_ws, *latent.shape[1:])) if latent.ndim == 2 else latent


@functools.partial(jax.jit, static_argnames=('num_samples', 'seed'))
def statistics(
  generator, num_samples: int = 10_000, seed: int = 123
) -> tuple[jax.Array, jax.Array]:
  """Centre and spread of W (Karras et al. 2020, appendix D), over all classes alike.

  Returns:
    w_avg [w_dim], and the scalar w_std = √(mean over samples of ‖w − w_avg‖²).
  """
  config = generator.config
  z_key, label_key = jax.random.split(jax.random.key(seed))
  z = jax.random.normal(z_key, (num_samples, config.z_dim), jnp.float32)
  if config.c_dim:
    classes = jax.random.randint(label_key, (num_samples,), 0, config.c_dim)
    w = jax.vmap(generator.mapping.w)(z, jax.nn.one_hot(classes, config.c_dim))
  else:
    w = jax.vmap(generator.mapping.w)(z)
  w_avg = jnp.mean(w, axis=0)
  return w_avg, jnp.sqrt(jnp.mean(jnp.sum(jnp.square(w - w_avg[None]), axis=1)))
