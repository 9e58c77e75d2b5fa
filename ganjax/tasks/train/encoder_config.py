"""Settings and configuration of `train_encoder`."""

import dataclasses
from typing import ClassVar, Self

from ganjax.tasks.config import WithPerceptual, WithWeights, config_from_flags, require_batch_size
from ganjax.tasks.settings import setting
from ganjax.tasks.train.training_config import TrainingConfig, WithAveraging


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainEncoderConfig(WithAveraging, WithPerceptual, WithWeights, TrainingConfig):
  """One run of `train_encoder`."""

  HEADING: ClassVar[str] = 'Encoder'
  DEFAULTS: ClassVar = {
    'num_steps': 5000,
    'learning_rate': 1e-3,
    'batch_size': 16,
    'save_every': 500,
    'checkpoint_every': 500,
    'ema_decay': 0.998,
  }

  compared: float = setting(
    'Share of a batch whose faces are synthesised and compared with the clean ones, which takes '
    'most of the time: the photos of --input, or else samples. Of other samples the latent alone '
    'is compared.',
    0.5,
    lower=0,
    upper=1,
  )
  latent_weight: float = setting('Of the distance from the latents of samples.', 1.0, lower=0)
  image_weight: float = setting('Of the squared pixel difference.', 4.0, lower=0)
  perceptual_weight: float = setting('Of the perceptual distance.', 0.5, lower=0)
  consistency_weight: float = setting(
    'Of the squared difference, degraded, from what the encoder was shown.', 2.0, lower=0
  )
  prior_weight: float = setting(
    "Of the distance from the average face, for photos' latents.", 0.02, lower=0
  )
  spread_weight: float = setting(
    "Of the rows' distance from one another, for photos' latents: the smaller it is, the better "
    'they can be edited.',
    0.02,
    lower=0,
  )

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    require_batch_size()
    return config_from_flags(cls)
