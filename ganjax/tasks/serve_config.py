"""Settings and configuration of `serve`."""

import dataclasses
from typing import ClassVar, Self

from ganjax.tasks.config import (
  COMMON,
  Config,
  WithInit,
  WithPerceptual,
  WithPrecision,
  WithWeights,
  config_from_flags,
)
from ganjax.tasks.settings import FLAGS, ConfigError, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeConfig(WithInit, WithPerceptual, WithPrecision, WithWeights, Config):
  """One run of `serve`."""

  HEADING: ClassVar[str] = COMMON
  # Visitors' photos and results go into a temporary folder, and are deleted.
  DEFAULTS: ClassVar = {'output': ''}

  host: str = setting(
    'The address that the page listens at; 0.0.0.0 for all of this machine, so that others can '
    'open it, too.',
    '127.0.0.1',
  )
  port: int = setting('Its port.', 7860, lower=0, upper=65535)
  share: bool = setting(
    "A public address through Gradio's servers, such as a notebook on Colab needs.", False
  )
  warm_up: bool = setting('Compile what is likely to be asked for before anyone asks.', True)

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if FLAGS.input:
      raise ConfigError('--input: the page asks for photos itself; leave it out')
    return config_from_flags(cls)
