"""Settings and configurations of the tasks on latents."""

import dataclasses
from typing import Any, ClassVar, Literal, Self

from ganjax.choices import EditingSpace
from ganjax.tasks import restore_config
from ganjax.tasks.config import (
  Config,
  WithBatchSize,
  WithClassifier,
  WithInput,
  WithPerceptual,
  WithPrecision,
  WithSeed,
  WithSeeds,
  WithTargetClass,
  WithWeights,
  config_from_flags,
)
from ganjax.tasks.restore_config import TUNED_PRESET, RestoreConfig
from ganjax.tasks.settings import FLAGS, ConfigError, setting

WALKS = 'Walks'
SEED_PATHS = ('z_linear', 'z_spherical', 'w')


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentConfig(
  WithSeeds, WithClassifier, WithBatchSize, WithPrecision, WithWeights, Config, WithInput
):
  """A run over latents: of seeds, saved ones, or those of photographs."""

  ALSO: ClassVar = ('invert', '--input names photographs')
  LEAST_STEPS: ClassVar[int] = 0  # of those inversions

  inversion: RestoreConfig | None  # of photographs; None without --input

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    return config_from_flags(cls, **_inversion())


def _inversion() -> dict[str, Any]:
  """The fields of a `LatentConfig` that --input decides.

  Raises:
    ConfigError: a flag makes no sense.
  """
  if not FLAGS.input:
    return {'inversion': None}
  if FLAGS.seeds is not None:
    raise ConfigError('--seeds: not together with --input; leave one of them out')
  if FLAGS.preset not in (None, TUNED_PRESET):
    raise ConfigError(f'--preset={FLAGS.preset}: edits need latents of W or W+; leave it out')
  inversion = restore_config.configuration(RestoreConfig, 'invert', degradation='identity()')
  # What changes no result is left to the run itself; see `latent_sources`.
  neutral = dataclasses.replace(inversion, output='', overwrite=False, batch_size=1, save_every=0)
  return {'seeds': (), 'inversion': dataclasses.replace(neutral, task='invert')}


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithFrames:
  """Pictures along a way."""

  HEADING: ClassVar[str] = WALKS

  num_frames: int = setting('Steps of a walk or an interpolation.', lower=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithLayers:
  """Layers of the generator."""

  HEADING: ClassVar[str] = WALKS

  layers: tuple[int, ...] = setting(
    'Rows of W+ that a walk moves, or that SeFa looks at, such as 0-5. Default: all.', ()
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterpolateConfig(WithFrames, WithPerceptual, LatentConfig):
  """One run of `interpolate`."""

  HEADING: ClassVar[str] = WALKS
  DEFAULTS: ClassVar = {'seeds': (0, 1), 'num_frames': 9}

  paths: tuple[str, ...] = setting(
    'Ways from face to face. Default: those that the input has; seeds have '
    f'{", ".join(SEED_PATHS)}.',
    (),
    choices=(*SEED_PATHS, 'w_plus'),
  )

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    config = super().from_flags()
    if config.inversion is None and len(config.seeds) < 2:
      raise ConfigError('--seeds: an interpolation needs two, such as --seeds=3,17')
    return config


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectionConfig(WithLayers, WithTargetClass, WithSeed, LatentConfig):
  """One run of `direction`."""

  HEADING: ClassVar[str] = 'Directions'
  DEFAULTS: ClassVar = {'seeds': (0, 1, 2)}

  methods: tuple[Literal['svm', 'sefa', 'pca'], ...] = setting(
    'How directions are found: from labels, or without.', ('svm',), flag='direction_methods'
  )
  spaces: tuple[EditingSpace, ...] = setting(
    'Spaces in which they are looked for. Default: all that the latents have.', ()
  )
  num_samples: int = setting('Random latents, where --input names none.', 2000, lower=40)
  confident_share: float = setting(
    'The share of all latents that is fitted to on either side: the surest ones.',
    0.2,
    lower=0.001,
    upper=0.5,
  )
  labels: str = setting(
    'A CSV with the columns name and label (two classes) or name and score (positive: yes), for '
    'the latents of --input; in place of a classifier.',
    '',
  )
  conditional_on: tuple[str, ...] = setting(
    'Directions (.npz) that the new ones shall leave alone.', ()
  )
  num_directions: int = setting('How many are kept of sefa and of pca.', 3, lower=1)

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if FLAGS.labels and not FLAGS.input:
      raise ConfigError('--labels: name the latents that they belong to by --input')
    return super().from_flags()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraverseConfig(WithLayers, WithFrames, LatentConfig):
  """One run of `traverse`."""

  HEADING: ClassVar[str] = WALKS
  DEFAULTS: ClassVar = {'seeds': (0, 1, 2, 3, 4), 'num_frames': 7}

  directions: tuple[str, ...] = setting('Files made by --task=direction.', ())
  others: tuple[str, ...] = setting(
    'What else to watch: classifiers (.safetensors), which are asked along the way, and '
    'directions (.npz), whose angle is told.',
    (),
  )
  max_step: float = setting(
    'How far a walk goes to both sides, in deviations of random latents along the direction.',
    3.0,
    lower=0,
  )

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if not FLAGS.directions:
      raise ConfigError('--directions is missing: files made by --task=direction')
    config = super().from_flags()
    if config.num_frames % 2 == 0 or not config.max_step:
      raise ConfigError('--num_frames, --max_step: a walk has an odd number of steps, and a length')
    return config
