"""Fewer pixels."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.pipeline import DegradationError, Operator, require_range

FILTERS = {
  'bilinear': Image.Resampling.BILINEAR,
  'bicubic': Image.Resampling.BICUBIC,
  'lanczos': Image.Resampling.LANCZOS,
  'area': Image.Resampling.BOX,
}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Downsample(Operator):
  """Divides both sides by a whole factor.

  True form: Pillow's resampling with `filter`. Model form: the mean of each factor × factor
  square, whatever the filter, since nobody knows how a small picture was made (Poirier-Ginter
  & Lalonde 2023).
  """

  factor: int = dataclasses.field(metadata={'static': True})
  filter: str = dataclasses.field(metadata={'static': True})

  @classmethod
  def create(cls, factor: int = 4, filter: str = 'bicubic') -> 'Downsample':
    """Checks the arguments.

    Args:
      factor: 2 to 64; must divide both sides of the picture.
      filter: 'bilinear', 'bicubic', 'lanczos' or 'area'.

    Raises:
      DegradationError: the factor is out of range or the filter unknown.
    """
    require_range('downsample: factor', factor, 2, 64)
    if filter not in FILTERS:
      raise DegradationError(
        f'downsample: filter={filter} is unknown: use one of {", ".join(FILTERS)}'
      )
    return cls(factor, filter)

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    del key
    height, width = self.output_shape(*image.shape[:2])
    squares = image.reshape(height, self.factor, width, self.factor, 3)
    return jnp.mean(squares, axis=(1, 3))

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    del key
    height, width = self.output_shape(*image.shape[:2])
    # Channel by channel in Pillow's float mode: 8 bits come once, at the end of the pipeline.
    channels = [
      Image.fromarray(np.ascontiguousarray(image[:, :, channel], dtype=np.float32)).resize(
        (width, height), FILTERS[self.filter]
      )
      for channel in range(3)
    ]
    small = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(small, -1, 1)  # Bicubic and Lanczos overshoot.

  def output_shape(self, height: int, width: int) -> tuple[int, int]:
    return height // self.factor, width // self.factor

  def check(self, height: int, width: int) -> None:
    if height % self.factor or width % self.factor:
      raise DegradationError(
        f'downsample: factor={self.factor} does not divide the {width}×{height} picture: '
        'use a factor of both sides, or resize the picture first'
      )

  def __str__(self) -> str:
    return f'downsample(factor={self.factor}, filter={self.filter})'
