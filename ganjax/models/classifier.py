"""A small classifier of one attribute of an aligned face, written for one image."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.models.residual import GROUPS, Residual


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
  """What a classifier looks like.

  Attributes:
    classes: their names, in the order of the logits.
    side: px to which pictures are reduced first.
    widths: channels at side / 4, side / 8, …; multiples of 8.
    target: the class whose probability is the attribute's score.
    temperature: what logits are divided by, so that probabilities are calibrated (Guo et al. 2017).
  """

  classes: tuple[str, ...]
  target: str
  side: int = 64
  widths: tuple[int, ...] = (32, 64, 112)
  temperature: float = 1.0

  def __post_init__(self):
    if len(set(self.classes)) < max(2, len(self.classes)):
      raise ValueError(f'at least two classes of different names are needed, not {self.classes}')
    if self.target not in self.classes:
      raise ValueError(f'target {self.target!r} is none of the classes {list(self.classes)}')


class Classifier(nnx.Module):
  """From an aligned face to calibrated logits."""

  def __init__(self, config: ClassifierConfig, *, rngs: nnx.Rngs):
    self.config = config
    first, last = config.widths[0], config.widths[-1]
    self.stem = nnx.Conv(3, first, (7, 7), 4, rngs=rngs)
    self.num_blocks = len(config.widths)
    widths = (first, *config.widths)
    for i in range(self.num_blocks):
      block = Residual(widths[i], widths[i + 1], 2 if i else 1, rngs=rngs)
      setattr(self, f'block{i}', block)
    self.norm = nnx.GroupNorm(last, GROUPS, rngs=rngs)
    self.out = nnx.Linear(last, len(config.classes), rngs=rngs)

  def __call__(self, image: jax.Array) -> jax.Array:
    """[H, W, 3] in [-1, 1], H and W of any size -> logits [num_classes]."""
    return self.raw_logits(self.reduce(image)) / self.config.temperature

  def reduce(self, image: jax.Array) -> jax.Array:
    """[H, W, 3] -> [side, side, 3], smoothed where it shrinks."""
    side = self.config.side
    return jax.image.resize(image, (side, side, 3), 'linear')

  def raw_logits(self, image: jax.Array) -> jax.Array:
    """[side, side, 3] -> logits [num_classes] before calibration: what training sees."""
    x: Any = self.stem(image[None])
    for i in range(self.num_blocks):
      x = getattr(self, f'block{i}')(x)
    return self.out(jnp.mean(nnx.relu(self.norm(x)), axis=(0, 1, 2)))

  def score(self, image: jax.Array) -> jax.Array:
    """The target class's log odds, a scalar: 0 where it is as likely as all others together."""
    logits = self(image)
    at = self.config.classes.index(self.config.target)
    others = jnp.concatenate([logits[:at], logits[at + 1 :]])
    return logits[at] - jax.nn.logsumexp(others)
