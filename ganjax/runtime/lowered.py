"""What a lowered program tells of itself before any compiler sees it: StableHLO, read as text."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

RGB = 3  # channels

_TENSOR = re.compile(r'tensor<((?:\d+x)*)\w+>')
_GROUPS = re.compile(r'(?:feature|batch)_group_count = (\d+)')


class Counts(NamedTuple):
  """What a program does with its kernels."""

  convolutions: int
  grouped: int  # convolutions with a kernel for each image of the batch
  weights_broadcast: int  # weights that are copied for each image of the batch

  def __str__(self) -> str:
    return (
      f'convolutions {self.convolutions}, grouped {self.grouped}, '
      f'weights broadcast {self.weights_broadcast}'
    )


def lower(jitted: Any, platform: str, *args: Any) -> jax.stages.Lowered:
  """Lowers a jitted function for a platform, whether this machine has such a device or not.

  To be called within `platforms.traced_for(platform)`, which decides what is traced.

  Args:
    jitted: from `jax.jit`.
    platform: 'cpu', 'cuda' or 'tpu'.
    *args: its arguments, or their shapes.
  """
  return jitted.trace(*args).lower(lowering_platforms=(platform,))


def counts(text: str, networks: Any, batch_size: int) -> Counts:
  """Counts convolutions, and what gives shared weights a batch axis.

  Args:
    text: the program in StableHLO.
    networks: what all images share: arrays, or their shapes. Weights of two axes or more are looked
      for, but for square matrices: noise maps are such, and may differ from image to image.
    batch_size: images on one device, 2 or more.
  """
  leaves = jax.tree_util.tree_leaves_with_path(networks)
  # Stored activations (`const`, `noise_const`) do get a batch axis.
  weights = [_squeezed(x.shape) for path, x in leaves if 'const' not in jax.tree_util.keystr(path)]
  # So do, on GPUs, ToRGB's kernels [C, 3], which take in each image's style.
  weights = [
    shape for shape in weights if len(shape) > 2 or (len(set(shape)) == 2 and RGB not in shape)
  ]
  batched = {tuple(sorted((*shape, batch_size))) for shape in weights}
  lines = text.splitlines()
  convolutions = [line for line in lines if 'stablehlo.convolution' in line]
  grouped = [line for line in convolutions if any(int(n) > 1 for n in _GROUPS.findall(line))]
  copied = [
    line
    for line in lines
    if 'stablehlo.broadcast_in_dim' in line and _adds_axis(line, batch_size, batched)
  ]
  return Counts(len(convolutions), len(grouped), len(copied))


def _adds_axis(line: str, size: int, batched: set[tuple[int, ...]]) -> bool:
  """Whether a broadcast makes an array of one of the (sorted) shapes by an axis of a size."""
  types = _TENSOR.findall(line.rpartition(' : ')[2])
  before, after = (_squeezed([int(n) for n in sizes.split('x') if n]) for sizes in types)
  return sorted((*before, size)) == sorted(after) and tuple(sorted(after)) in batched


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
  return tuple(size for size in shape if size > 1)
