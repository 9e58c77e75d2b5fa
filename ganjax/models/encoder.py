"""From a degraded face to the rows of W+ that explain it, in one pass; written for one image.

The answer is given in the coordinates in which samples of W are nearly standard normal: before the
mapping network's last leaky ReLU, whitened (see `inversion.latent_distances.Mahalanobis`). 0 is
their mean.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganjax.models import layers
from ganjax.models.initialisation import lecun_normal, normal
from ganjax.models.residual import GROUPS, Residual
from ganjax.ops.resize import resize

LARGEST_SIDE = 256  # px, of what an encoder looks at
GRID = 64  # cells along a side, whose pixels are read together
LAST_CHANNELS = 32  # of each of the last cells, before they are read one after another
LOG_DEVIATIONS = -3.0, 1.0  # what a row's uncertainty is limited to


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
  """What an encoder looks like.

  Attributes:
    side: px to which pictures are brought first.
    num_ws, w_dim: of the generator's W+.
    told: what it is told of a degradation, as `degradations.description` names it.
    widths: channels of the residual blocks, the first at a quarter of the cells, the others at
      half of the side before; multiples of 8.
    hidden: features that all rows are made of.
    rank: dimensions in which rows may differ from one another.
  """

  side: int
  num_ws: int
  w_dim: int
  told: tuple[str, ...]
  widths: tuple[int, ...] = (64, 128, 192, 256)
  hidden: int = 512
  rank: int = 32

  def __post_init__(self):
    if self.side < 8 or self.side & (self.side - 1):
      raise ValueError(f'side must be a power of two, 8 or more; got {self.side}')
    if not self.widths or any(width % GROUPS for width in self.widths):
      raise ValueError(f'widths must be multiples of {GROUPS}; got {self.widths}')

  @property
  def patch(self) -> int:
    """Side of a cell, px."""
    return max(1, self.side // GRID)

  @property
  def last_grid(self) -> int:
    """Cells along a side in the last block."""
    return max(1, self.side // self.patch // 2 ** len(self.widths))


class Observation(NamedTuple):
  """What an encoder is shown of one face; `observation` makes it."""

  image: Float[Array, 'side side 3']  # degraded, in [-1, 1]; 0 in holes
  visible: Float[Array, 'side side 1']  # 0 in holes
  told: Float[Array, ' d']  # the degradation, as `degradations.description.vector` gives it


class Encoded(NamedTuple):
  """An encoder's answer, in whitened coordinates."""

  rows: Float[Array, 'num_ws w_dim']
  log_deviation: Float[Array, ' num_ws']  # of each coordinate of a row from the truth


def observation(
  image: Float[Array, 'h w 3'],
  visible: Float[Array, 'h w 1'],
  told: Float[Array, ' d'],
  side: int,
) -> Observation:
  """A degraded image of any size, brought to what an encoder is shown.

  Args:
    image: in [-1, 1].
    visible: 0 in holes, which become grey: what is not known is neither black nor white.
    told: the degradation, as `degradations.description.vector` gives it.
    side: px, that of the encoder's configuration.
  """
  return Observation(resize(image * visible, side, side), resize(visible, side, side), told)


class Encoder(nnx.Module):
  """A residual network with a head that makes all rows of common features."""

  def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
    self.config = config
    widths = (config.widths[0], *config.widths)
    drawn = lecun_normal(rngs)
    conv = functools.partial(nnx.Conv, kernel_init=drawn, rngs=rngs)
    linear = functools.partial(nnx.Linear, rngs=rngs)
    self.stem = conv(4 * config.patch**2, widths[0], (3, 3), 2)
    told = max(1, len(config.told))
    self.tell = linear(told, widths[0], use_bias=False, kernel_init=drawn)
    for i in range(len(config.widths)):
      block = Residual(widths[i], widths[i + 1], 2 if i else 1, rngs=rngs)
      setattr(self, f'block{i}', block)
    self.norm = nnx.GroupNorm(widths[-1], GROUPS, rngs=rngs)
    self.squeeze = conv(widths[-1], LAST_CHANNELS, (1, 1))
    features = LAST_CHANNELS * config.last_grid**2 + widths[-1]
    self.hidden = linear(features, config.hidden, kernel_init=drawn)
    # At first the answer is the mean of all faces.
    zero = nnx.initializers.zeros
    self.base = linear(config.hidden, config.w_dim, kernel_init=zero)
    self.factors = linear(config.hidden, config.num_ws * config.rank, kernel_init=zero)
    self.directions = normal(
      rngs, config.num_ws, config.rank, config.w_dim, deviation=config.rank**-0.5
    )
    self.log_deviation = linear(config.hidden, config.num_ws, kernel_init=zero)
    # Where the coordinates lie in W: the mean before the leaky ReLU, and the inverse of whitening.
    self.center = nnx.BatchStat(jnp.zeros((config.w_dim,)))
    self.basis = nnx.BatchStat(jnp.eye(config.w_dim))

  def __call__(self, seen: Observation) -> Encoded:
    """The most likely rows, and how uncertain they are."""
    side, patch = self.config.side, self.config.patch
    x = jnp.concatenate([seen.image, seen.visible], axis=2)
    cells = side // patch
    x = x.reshape(cells, patch, cells, patch, 4).transpose(0, 2, 1, 3, 4)
    x = self.stem(x.reshape(1, cells, cells, 4 * patch**2))
    if self.config.told:
      x += self.tell(seen.told)[None, None, None]
    for i in range(len(self.config.widths)):
      x = getattr(self, f'block{i}')(x)
    x = nnx.relu(self.norm(x))
    return self._rows(jnp.concatenate([self.squeeze(x).reshape(-1), jnp.mean(x, axis=(0, 1, 2))]))

  def _rows(self, features: jax.Array) -> Encoded:
    hidden = nnx.relu(self.hidden(features))
    config = self.config
    factors = self.factors(hidden).reshape(config.num_ws, 1, config.rank)
    own = jnp.matmul(factors, self.directions[...])[:, 0]
    return Encoded(
      self.base(hidden)[None] + own, jnp.clip(self.log_deviation(hidden), *LOG_DEVIATIONS)
    )

  def latent(self, rows: Float[Array, 'k w_dim']) -> Float[Array, 'k w_dim']:
    """Rows of W+ from whitened coordinates."""
    exact = jax.lax.Precision.HIGHEST
    before = self.center[...][None] + jnp.matmul(rows, self.basis[...], precision=exact)
    return layers.activate(before)
