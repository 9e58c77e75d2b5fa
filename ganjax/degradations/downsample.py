"""Fewer pixels."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.clipping import clip
from ganjax.degradations.estimators import Discrete, Unknown
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
  """Divides both sides by a whole factor.

  True form: Pillow's resampling; bicubic where no filter is named. Model form: the same filter as
  two matrix products, if it is named; else the mean of each factor × factor square, since then
  nobody knows how the small picture was made (Poirier-Ginter & Lalonde 2023).
  """

  filter: Leaf  # int32, index into NAMES, or UNNAMED
  factor: int = dataclasses.field(metadata={'static': True})

  unknowns: ClassVar[dict[str, Unknown]] = {
    'filter': Discrete(tuple(np.asarray(i, np.int32) for i in range(len(NAMES))))
  }

  @classmethod
  def create(cls, factor: int = 4, filter: str | None = None) -> 'Downsample':
    """Checks the arguments.

    Args:
      factor: 2 to 64; must divide both sides of the picture.
      filter: 'bilinear', 'bicubic', 'lanczos' or 'area'; None where it is not known.

    Raises:
      DegradationError: the factor is out of range or the filter unknown.
    """
    require_range('downsample: factor', factor, 2, 64)
    if filter is not None and filter not in FILTERS:
      raise DegradationError(
        f'downsample: filter={filter} is unknown: use one of {", ".join(FILTERS)}'
      )
    return cls(np.asarray(UNNAMED if filter is None else NAMES.index(filter), np.int32), factor)

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    down, across = (filter_matrices(n, self.factor)[self.filter] for n in image.shape[:2])
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
    return height // self.factor, width // self.factor

  def check(self, height: int, width: int) -> None:
    if height % self.factor or width % self.factor:
      raise DegradationError(
        f'downsample: factor={self.factor} does not divide the {width}×{height} picture: '
        'use a factor of both sides, or resize the picture first'
      )

  def __str__(self) -> str:
    if isinstance(self.filter, jax.core.Tracer):
      return f'downsample(factor={self.factor}, filter=…)'
    if np.ndim(self.filter) == 0 and self.filter == UNNAMED:
      return f'downsample(factor={self.factor})'
    names = ' '.join(NAMES[i] if i != UNNAMED else 'unnamed' for i in np.ravel(self.filter))
    names = f'[{names}]' if np.ndim(self.filter) else names
    return f'downsample(factor={self.factor}, filter={names})'


register(
  'downsample',
  Downsample.create,
  {'factor': int, 'filter': str},
  unknown={'filter': 'bicubic'},
  usage='downsample(factor=4)  filter=bilinear, bicubic, lanczos or area, if known',
)


@functools.cache
def _filter_matrices(size: int, factor: int) -> np.ndarray:
  # What a filter does to the unit vectors is its matrix.
  identity = Image.fromarray(np.eye(size, dtype=np.float32))
  small = (size // factor, size)
  named = [np.asarray(identity.resize(small, kind)).T for kind in FILTERS.values()]
  return np.stack([*named, named[NAMES.index('area')]])


def filter_matrices(size: int, factor: int) -> jax.Array:
  """Each filter along one axis; what stands last, at UNNAMED, is the area model.

  Args:
    size: pixels along the axis.
    factor: divides it.

  Returns:
    float32 [len(NAMES) + 1, size // factor, size]; rows sum to 1.
  """
  return jnp.asarray(_filter_matrices(size, factor))
