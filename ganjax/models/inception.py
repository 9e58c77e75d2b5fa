"""Inception v3 as the Fréchet Inception distance uses it (Szegedy et al. 2016; Heusel et al. 2017).

It differs from the classifier of the same name where pictures are pooled: averages leave the border
out, and the last block takes maxima. Blocks and branches have the names of the widespread files.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

SIDE = 299  # px that pictures are brought to
WIDTH = 32  # channels of the first convolution; all others are multiples of a sixteenth of it


class Unit(NamedTuple):
  """A convolution with batch normalisation and ReLU."""

  name: str
  channels: int
  size: tuple[int, int]
  stride: int = 1
  padded: bool = True


class Fork(NamedTuple):
  """Units that read the same, side by side."""

  units: tuple[Unit, ...]


Step = Unit | Fork | str  # a string names a pooling; see `_pool`
Branch = tuple[Step, ...]


def _unit(name: str, channels: int, height: int = 1, width: int | None = None, **more) -> Unit:
  return Unit(name, channels, (height, height if width is None else width), **more)


def _halving(name: str, channels: int) -> Unit:
  return _unit(name, channels, 3, stride=2, padded=False)


STEM: Branch = (
  _halving('Conv2d_1a_3x3', 32),
  _unit('Conv2d_2a_3x3', 32, 3, padded=False),
  _unit('Conv2d_2b_3x3', 64, 3),
  'halve',
  _unit('Conv2d_3b_1x1', 80),
  _unit('Conv2d_4a_3x3', 192, 3, padded=False),
  'halve',
)


def _block_35(pooled: int) -> tuple[Branch, ...]:
  return (
    (_unit('branch1x1', 64),),
    (_unit('branch5x5_1', 48), _unit('branch5x5_2', 64, 5)),
    (
      _unit('branch3x3dbl_1', 64),
      _unit('branch3x3dbl_2', 96, 3),
      _unit('branch3x3dbl_3', 96, 3),
    ),
    ('mean', _unit('branch_pool', pooled)),
  )


def _block_17(inner: int) -> tuple[Branch, ...]:
  return (
    (_unit('branch1x1', 192),),
    (
      _unit('branch7x7_1', inner),
      _unit('branch7x7_2', inner, 1, 7),
      _unit('branch7x7_3', 192, 7, 1),
    ),
    (
      _unit('branch7x7dbl_1', inner),
      _unit('branch7x7dbl_2', inner, 7, 1),
      _unit('branch7x7dbl_3', inner, 1, 7),
      _unit('branch7x7dbl_4', inner, 7, 1),
      _unit('branch7x7dbl_5', 192, 1, 7),
    ),
    ('mean', _unit('branch_pool', 192)),
  )


def _block_8(pooling: str) -> tuple[Branch, ...]:
  def fork(name: str, letter: str) -> Fork:
    a, b = (f'{name}{letter}{end}' for end in 'ab')
    return Fork((_unit(a, 384, 1, 3), _unit(b, 384, 3, 1)))

  return (
    (_unit('branch1x1', 320),),
    (_unit('branch3x3_1', 384), fork('branch3x3_', '2')),
    (
      _unit('branch3x3dbl_1', 448),
      _unit('branch3x3dbl_2', 384, 3),
      fork('branch3x3dbl_', '3'),
    ),
    (pooling, _unit('branch_pool', 192)),
  )


BLOCKS: dict[str, tuple[Branch, ...]] = {
  'stem': (STEM,),
  'Mixed_5b': _block_35(32),
  'Mixed_5c': _block_35(64),
  'Mixed_5d': _block_35(64),
  'Mixed_6a': (
    (_halving('branch3x3', 384),),
    (
      _unit('branch3x3dbl_1', 64),
      _unit('branch3x3dbl_2', 96, 3),
      _halving('branch3x3dbl_3', 96),
    ),
    ('halve',),
  ),
  'Mixed_6b': _block_17(128),
  'Mixed_6c': _block_17(160),
  'Mixed_6d': _block_17(160),
  'Mixed_6e': _block_17(192),
  'Mixed_7a': (
    (_unit('branch3x3_1', 192), _halving('branch3x3_2', 320)),
    (
      _unit('branch7x7x3_1', 192),
      _unit('branch7x7x3_2', 192, 1, 7),
      _unit('branch7x7x3_3', 192, 7, 1),
      _halving('branch7x7x3_4', 192),
    ),
    ('halve',),
  ),
  'Mixed_7b': _block_8('mean'),
  'Mixed_7c': _block_8('max'),
}


def _pool(kind: str, x: jax.Array) -> jax.Array:
  """Pools 3×3 px of [1, H, W, C]: 'mean' and 'max' keep the size, 'halve' takes maxima."""
  if kind == 'mean':
    return nnx.avg_pool(x, (3, 3), (1, 1), 'SAME', count_include_pad=False)
  stride, padding = (2, 'VALID') if kind == 'halve' else (1, 'SAME')
  return nnx.max_pool(x, (3, 3), (stride, stride), padding)


class ConvUnit(nnx.Module):
  """A `Unit`: [1, H, W, C] -> [1, H′, W′, C′]."""

  def __init__(self, c_in: int, c_out: int, unit: Unit, *, rngs: nnx.Rngs):
    padding = 'SAME' if unit.padded else 'VALID'
    self.conv = nnx.Conv(
      c_in,
      c_out,
      unit.size,
      unit.stride,
      padding=padding,
      use_bias=False,
      kernel_init=nnx.initializers.he_normal(),
      rngs=rngs,
    )
    self.bn = nnx.BatchNorm(c_out, use_running_average=True, epsilon=1e-3, rngs=rngs)

  def __call__(self, x: jax.Array) -> jax.Array:
    return nnx.relu(self.bn(self.conv(x)))


class Block(nnx.Module):
  """Branches side by side, [1, H, W, C] -> [1, H′, W′, C′]; units are attributes of their names."""

  def __init__(self, c_in: int, branches: tuple[Branch, ...], width: int, *, rngs: nnx.Rngs):
    self.branches = branches
    self.channels = sum(self._add(c_in, branch, width, rngs) for branch in branches)

  def _add(self, c_in: int, branch: Branch, width: int, rngs: nnx.Rngs) -> int:
    """Makes a branch's units; returns how many channels it ends with."""
    for step in branch:
      if isinstance(step, str):
        continue
      units = step.units if isinstance(step, Fork) else (step,)
      channels = [unit.channels * width // WIDTH for unit in units]
      for unit, c_out in zip(units, channels, strict=True):
        setattr(self, unit.name, ConvUnit(c_in, c_out, unit, rngs=rngs))
      c_in = sum(channels)
    return c_in

  def __call__(self, x: jax.Array) -> jax.Array:
    return jnp.concatenate([self._run(branch, x) for branch in self.branches], axis=-1)

  def _run(self, branch: Branch, x: jax.Array) -> jax.Array:
    for step in branch:
      if isinstance(step, str):
        x = _pool(step, x)
      elif isinstance(step, Fork):
        x = jnp.concatenate([getattr(self, unit.name)(x) for unit in step.units], axis=-1)
      else:
        x = getattr(self, step.name)(x)
    return x


class Inception(nnx.Module):
  """From a picture to the 2048 features of the Fréchet Inception distance.

  Args:
    width: channels of the first convolution, an even number; 32 for the real one.
    rngs: of the first weights.
  """

  def __init__(self, width: int = WIDTH, *, rngs: nnx.Rngs):
    if width < 2 or width % 2:
      raise ValueError(f'the first convolution has an even number of channels, not {width}')
    channels = 3
    for name, branches in BLOCKS.items():
      setattr(self, name, Block(channels, branches, width, rngs=rngs))
      channels = getattr(self, name).channels
    self.num_features = channels

  def __call__(self, image: jax.Array) -> jax.Array:
    """[H, W, 3] in [-1, 1], of any size -> features [num_features], all ≥ 0."""
    x = jax.image.resize(image, (SIDE, SIDE, 3), 'linear', antialias=False)[None]
    for name in BLOCKS:
      x = getattr(self, name)(x)
    return jnp.mean(x, axis=(0, 1, 2))
