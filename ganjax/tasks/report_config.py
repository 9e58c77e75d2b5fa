"""Configuration of `report`."""

import dataclasses
from typing import Self

from ganjax.tasks.config import Config, WithInput, config_from_flags
from ganjax.tasks.settings import FLAGS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig(Config, WithInput):
  """One run of `report`."""

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    output = FLAGS.output or cls.defaults('report')['output']
    return config_from_flags(cls, input=FLAGS.input or output)
