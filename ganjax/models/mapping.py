"""StyleGAN2's mapping network: z (and a label) to the rows of W+."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.models import layers
from ganjax.models.architecture import MappingConfig


class Mapping(nnx.Module):
  """Fully connected layers from the normalised z and label to w; write for one z, vmap for more."""

  def __init__(
    self,
    config: MappingConfig,
    z_dim: int,
    c_dim: int,
    w_dim: int,
    num_ws: int,
    *,
    rngs: nnx.Rngs,
  ):
    self.z_dim, self.c_dim, self.num_ws = z_dim, c_dim, num_ws
    self.num_layers = config.num_layers
    if c_dim:
      self.embed = layers.Linear(c_dim, config.embed_features, rngs=rngs)
    hidden = [config.layer_features] * (config.num_layers - 1)
    widths = [z_dim + (config.embed_features if c_dim else 0), *hidden, w_dim]
    for i in range(config.num_layers):
      layer = layers.Linear(widths[i], widths[i + 1], config.lr_multiplier, rngs=rngs)
      setattr(self, f'fc{i}', layer)
    if z_dim:
      self.w_avg = nnx.Param(jnp.zeros((w_dim,)))

  def w(self, z: Any, label: Any = None) -> Float[Array, ' w_dim']:
    """z [z_dim], label [c_dim] one-hot -> w [w_dim], not truncated.

    Raises:
      ValueError: the network is conditional and no label is given, or the other way round.
    """
    if (label is not None) != bool(self.c_dim):
      wanted = f'a one-hot label of {self.c_dim} classes' if self.c_dim else 'no label'
      raise ValueError(f'this network takes {wanted}')
    parts = []
    if self.z_dim:
      parts.append(layers.normalize_second_moment(z))
    if self.c_dim:
      parts.append(layers.normalize_second_moment(self.embed(label)))
    x = jnp.concatenate(parts)
    for i in range(self.num_layers):
      x = layers.activate(getattr(self, f'fc{i}')(x))
    return x

  def random_label(self, key: jax.Array, *shape: int) -> jax.Array | None:
    """One-hot labels [*shape, c_dim], all classes alike; None for a network without classes."""
    if not self.c_dim:
      return None
    return jax.nn.one_hot(jax.random.randint(key, shape, 0, self.c_dim), self.c_dim)

  def __call__(
    self,
    z: Float[Array, ' z_dim'],
    label: Float[Array, ' c_dim'] | None = None,
    psi: float = 1.0,
    cutoff: int | None = None,
  ) -> Float[Array, 'num_ws w_dim']:
    """The rows of W+ for one z.

    Args:
      z: [z_dim], standard normal.
      label: [c_dim], one-hot; for conditional networks only.
      psi: truncation: rows become w_avg + psi·(w − w_avg).
      cutoff: number of leading rows to truncate; None for all.

    Returns:
      ws, [num_ws, w_dim].
    """
    w_avg = self.w_avg[...]
    offset = self.w(z, label) - w_avg
    rows = jnp.arange(self.num_ws)
    scale = jnp.where(rows < (self.num_ws if cutoff is None else cutoff), psi, 1.0)
    return w_avg[None] + scale.astype(jnp.float32)[:, None] * offset[None]
