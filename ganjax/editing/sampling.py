"""The spaces of latents that are edited, and how the generator reads them; one latent at a time."""

from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.choices import EditingSpace as Space
from ganjax.models.architecture import GeneratorConfig
from ganjax.models.generator import Generator

SPACES: tuple[Space, ...] = get_args(Space)


def shape(space: Space, config: GeneratorConfig) -> tuple[int, ...]:
  """The shape of one latent of `space`."""
  return {
    'z': (config.z_dim,),
    'w': (config.w_dim,),
    'w_plus': (config.num_ws, config.w_dim),
  }[space]


def rows(generator: Generator, point: jax.Array, psi: Any = 1.0, *, space: Space) -> jax.Array:
  """What `synthesis` takes.

  Args:
    generator: whose latent it is.
    point: one latent of `space`.
    psi: truncation, for Z alone: latents of W and W+ stand for their picture as they are.
    space: where the point lies.

  Returns:
    [num_ws, w_dim].
  """
  if space == 'z':
    return generator.mapping(point, psi=psi)
  return jnp.broadcast_to(point, (generator.config.num_ws, generator.config.w_dim))


def sample(generator: Generator, z: jax.Array, psi: Any = 1.0, *, space: Space) -> jax.Array:
  """A random latent of `space` from two draws of z.

  In W+ the first draw rules the rows up to one of them and the second the others, as in the
  training of StyleGAN (Karras et al. 2019, section 3.1): rows that always agreed would say nothing
  about what each of them does.

  Args:
    generator: whose latent it is.
    z: [2, z_dim], standard normal.
    psi: truncation of W and W+.
    space: what is wanted.
  """
  if space == 'z':
    return z[0]
  first = generator.mapping(z[0], psi=psi)
  if space == 'w':
    return first[0]
  num_ws = generator.config.num_ws
  # The second draw also says where: its first number is as good as any other random number.
  share = jax.scipy.stats.norm.cdf(z[1, 0])
  own = jnp.arange(num_ws) <= (share * num_ws).astype(jnp.int32)
  return jnp.where(own[:, None], first, generator.mapping(z[1], psi=psi))


def seeded(seed: int, z_dim: int) -> np.ndarray:
  """The z of a seed, [z_dim] float32: as --task=generate has it."""
  return np.random.RandomState(seed).randn(z_dim).astype(np.float32)
