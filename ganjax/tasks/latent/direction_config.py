"""Flags and configuration of `direction`."""

import dataclasses

from absl import flags

from ganjax import editing
from ganjax.editing.sampling import Space
from ganjax.tasks.config import FLAGS, ConfigError, config_from_flags, parse_numbers
from ganjax.tasks.latent import latent_sources
from ganjax.tasks.latent.latent_sources import LatentConfig

METHODS = ('svm', 'sefa', 'pca')


@dataclasses.dataclass(frozen=True)
class DirectionConfig(LatentConfig):
  """One run of `direction`."""

  methods: tuple[str, ...]
  spaces: tuple[Space, ...]  # empty: all that the latents have
  num_samples: int
  seed: int
  confident_share: float
  labels: str
  target_class: str
  conditional_on: tuple[str, ...]
  num_directions: int
  layers: tuple[int, ...]


def define_flags() -> None:
  """Declares the flags of `direction`."""
  flags.DEFINE_list('direction_methods', ['svm'], f'direction: of {", ".join(METHODS)}.')
  flags.DEFINE_list(
    'spaces',
    [],
    f'direction: of {", ".join(editing.SPACES)}. Default: all that the latents have.',
  )
  flags.DEFINE_integer(
    'num_samples', 2000, 'direction: random latents, where --input names none.', lower_bound=40
  )
  flags.DEFINE_float(
    'confident_share',
    0.2,
    'direction: the share of all latents that is fitted to on either side: the surest ones.',
    lower_bound=0.001,
    upper_bound=0.5,
  )
  flags.DEFINE_string(
    'labels',
    '',
    'direction: a CSV with the columns name and label (two classes) or name and score (positive: '
    'yes), for the latents of --input; in place of a classifier.',
  )
  flags.DEFINE_list(
    'conditional_on', [], 'direction: directions (.npz) that the new ones shall leave alone.'
  )
  flags.DEFINE_integer(
    'num_directions', 3, 'direction: how many are kept of sefa and of pca.', lower_bound=1
  )


def from_flags() -> DirectionConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag makes no sense.
  """
  known = {'direction_methods': METHODS, 'spaces': editing.SPACES}
  for flag, values in known.items():
    if unknown := [value for value in getattr(FLAGS, flag) if value not in values]:
      raise ConfigError(f'--{flag}: {unknown[0]} is none of {", ".join(values)}')
  if FLAGS.labels and not FLAGS.input:
    raise ConfigError('--labels: name the latents that they belong to by --input')
  return config_from_flags(
    DirectionConfig,
    methods=tuple(FLAGS.direction_methods),
    spaces=tuple(FLAGS.spaces),
    conditional_on=tuple(FLAGS.conditional_on),
    layers=parse_numbers('layers', FLAGS.layers),
    **latent_sources.shared((0, 1, 2)),
  )
