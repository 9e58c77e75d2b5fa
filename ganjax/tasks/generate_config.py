"""Settings and configuration of `generate`."""

import dataclasses
from typing import ClassVar

from ganjax.tasks.config import FACES, Config, WithPrecision, WithSeeds, WithWeights
from ganjax.tasks.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerateConfig(WithSeeds, WithPrecision, WithWeights, Config):
  """One run of `generate`."""

  HEADING: ClassVar[str] = FACES
  DEFAULTS: ClassVar = {'seeds': tuple(range(16))}

  truncations: tuple[float, ...] = setting(
    'Columns of the table of truncation.', (0.0, 0.35, 0.7, 1.0)
  )
  mixed_rows: tuple[int, ...] = setting(
    'Rows of W+ that images in the table of mixed styles take from the seed above them; the '
    'others are of the seed at the left. 0-3 is the pose, the last rows are colours.',
    (0, 1, 2, 3),
  )
  class_index: int | None = setting('For a generator with classes.', None, lower=0)
