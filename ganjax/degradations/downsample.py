"""Fewer pixels."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.clipping import clip
from ganjax.degradations.estimators import Cropped, Discrete, Unknown
from ganjax.degradations.parameters import DegradationError, Leaf, require_range
from ganjax.degradations.pipeline import Operator
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.degradations.registry import register

FILTERS = {
  'bilinear': Image.Resampling.BILINEAR,
  'bicubic': Image.Resampling.BICUBIC,
  'lanczos': Image.Resampling.LANCZOS,
  'area': Image.Resampling.BOX,
}
NAMES = list(FILTERS)
UNNAMED = -1
OVERSHOOTING = (NAMES.index('bicubic'), NAMES.index('lanczos'))


@frozen_pytree
class Downsample(Operator):
  """Fewer pixels: both sides divided by a whole factor, or the shorter one brought to a size.

  True form: Pillow's resampling; bicubic where no filter is named. Model form: the same filter as
  two matrix products, if it is named; else the mean of the area that each pixel covers, since then
  nobody knows how the small picture was made (Poirier-Ginter & Lalonde 2023).
  """

  filter: Leaf  # int32, index into NAMES, or UNNAMED
  factor: int = dataclasses.field(metadata={'static': True})
  size: int | None = dataclasses.field(default=None, metadata={'static': True})  # not by `factor`

  is_reduction: ClassVar[bool] = True

  unknowns: ClassVar[dict[str, Unknown]] = {
    'filter': Discrete(tuple(np.asarray(i, np.int32) for i in range(len(NAMES)))),
    'factor': Cropped('size'),
  }

  @classmethod
  def create(
    cls, factor: int = 4, filter: str | None = None, size: int | None = None
  ) -> 'Downsample':
    """Checks the arguments.

    Args:
      factor: 2 to 64; must divide both sides of the picture.
      filter: 'bilinear', 'bicubic', 'lanczos' or 'area'; None where it is not known.
      size: the shorter side of the result in px, in place of a factor; 1 to 4096.

    Raises:
      DegradationError: the factor or the size is out of range, or the filter unknown.
    """
    require_range('downsample: factor', factor, 2, 64)
    if size is not None:
      require_range('downsample: size', size, 1, 4096)
    if filter is not None and filter not in FILTERS:
      raise DegradationError(
        f'downsample: filter={filter} is unknown: use one of {", ".join(FILTERS)}'
      )
    index = UNNAMED if filter is None else NAMES.index(filter)
    return cls(np.asarray(index, np.int32), factor, size)

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    sizes = zip(image.shape[:2], self.output_shape(*image.shape[:2]), strict=True)
    down, across = (filter_matrices(before, after)[self.filter] for before, after in sizes)
    exact = jax.lax.Precision.HIGHEST
    rows = jnp.einsum('yY,YXc->yXc', down, image, precision=exact)
    small = jnp.einsum('xX,yXc->yxc', across, rows, precision=exact)
    overshoots = jnp.isin(self.filter, jnp.asarray(OVERSHOOTING, jnp.int32))
    return jnp.where(overshoots, clip(small), small)

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    del key
    height, width = self.output_shape(*image.shape[:2])
    name = 'bicubic' if self.filter == UNNAMED else NAMES[int(self.filter)]
    # Channel by channel in Pillow's float mode: 8 bits come once, at the end of the pipeline.
    channels = [
      Image.fromarray(np.ascontiguousarray(image[:, :, channel], dtype=np.float32)).resize(
        (width, height), FILTERS[name]
      )
      for channel in range(3)
    ]
    small = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(small, -1, 1)

  def output_shape(self, height: int, width: int) -> tuple[int, int]:
    if self.size is None:
      return height // self.factor, width // self.factor
    shorter = min(height, width)
    return round(height * self.size / shorter), round(width * self.size / shorter)

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    return {'factor': np.log2(height / self.output_shape(height, width)[0]) / 5}

  def check(self, height: int, width: int) -> None:
    if self.size is not None:
      if self.size >= min(height, width):
        raise DegradationError(
          f'downsample: size={self.size} does not reduce the {width}×{height} picture: use less'
        )
    elif height % self.factor or width % self.factor:
      raise DegradationError(
        f'downsample: factor={self.factor} does not divide the {width}×{height} picture: '
        'use a factor of both sides, or give a size in px'
      )

  def __str__(self) -> str:
    by = f'factor={self.factor}' if self.size is None else f'size={self.size}'
    if isinstance(self.filter, jax.core.Tracer):
      return f'downsample({by}, filter=…)'
    if np.ndim(self.filter) == 0 and self.filter == UNNAMED:
      return f'downsample({by})'
    names = ' '.join(NAMES[i] if i != UNNAMED else 'unnamed' for i in np.ravel(self.filter))
    names = f'[{names}]' if np.ndim(self.filter) else names
    return f'downsample({by}, filter={names})'


register(
  'downsample',
  Downsample.create,
  {'factor': int, 'size': int, 'filter': str},
  unknown={'filter': 'bicubic', 'factor': 4},
  usage="""
    downsample(factor=4)  filter=bilinear, bicubic, lanczos or area, if known
    downsample(size=37)  px of the shorter side, in place of a factor
  """,
)


@functools.cache
def _filter_matrices(before: int, after: int) -> np.ndarray:
  # What a filter does to the unit vectors is its matrix.
  identity = Image.fromarray(np.eye(before, dtype=np.float32))
  named = [np.asarray(identity.resize((after, before), kind)).T for kind in FILTERS.values()]
  return np.stack([*named, named[NAMES.index('area')]])


def filter_matrices(before: int, after: int) -> jax.Array:
  """Each filter along one axis; what stands last, at UNNAMED, is the area model.

  Args:
    before: pixels along the axis of the picture.
    after: of the smaller one.

  Returns:
    float32 [len(NAMES) + 1, after, before]; rows sum to 1.
  """
  return jnp.asarray(_filter_matrices(before, after))
