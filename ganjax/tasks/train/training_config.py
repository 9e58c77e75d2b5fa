"""Settings of every training."""

import dataclasses
from typing import ClassVar

from ganjax.tasks.config import (
  TRAINING,
  Config,
  WithBatchSize,
  WithInput,
  WithPrecision,
  WithProcesses,
  WithProgress,
  WithSeed,
  WithSteps,
)
from ganjax.tasks.settings import setting

BUNDLED = 'default'  # --init_from: the weights that come with ganjax

# Flags that may differ when a run goes on: those that change no result, and those that people
# change on purpose, to train longer, or more gently after a number that was not finite.
NEUTRAL = frozenset(
  {
    'num_steps',
    'learning_rate',
    'output',
    'overwrite',
    'threads',
    'save_every',
    'log_every',
    'checkpoint_every',
  }
  | {'keep_checkpoints', 'distributed', 'coordinator_address', 'num_processes', 'process_id'}
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(
  WithProcesses,
  WithProgress,
  WithSteps,
  WithBatchSize,  # of all processes together
  WithSeed,
  WithPrecision,
  Config,
  WithInput,
):
  """One run of training."""

  HEADING: ClassVar[str] = TRAINING

  init_from: str | None = setting(
    'Weights to begin with (transfer learning), whose architecture it then is: a file made by this '
    f"task or by one of the ports, or '{BUNDLED}' for the bundled one. Default: begin at random.",
    None,
  )
  log_every: int = setting('Steps between measurements.', 50, lower=1)
  checkpoint_every: int = setting('Steps between checkpoints.', 1000, lower=1)
  keep_checkpoints: int = setting('So many of the latest remain.', 2, lower=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAveraging:
  """Weights that are averaged over the last steps."""

  HEADING: ClassVar[str] = TRAINING

  ema_decay: float = setting('Of the moving average of weights.', 0.999, lower=0, upper=0.99999)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithPictures:
  """What networks learn to make."""

  HEADING: ClassVar[str] = TRAINING

  side: int | None = setting(
    'Images are brought to this side, px, a power of two. Default (pix2pix): the largest one '
    'within the first image, 256 at most.',
    None,
    lower=4,
  )
  mirror: bool = setting('Mirror every other image.', True)
