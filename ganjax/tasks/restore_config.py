"""Flags, defaults and configuration of the restoration tasks."""

import dataclasses
from typing import Any, TypeVar

from absl import flags

from ganjax.inversion import selection
from ganjax.inversion.presets import NOISE_MAPS, PRESETS, Hyper, NoiseMaps, Preset
from ganjax.inversion.spaces import SPACES
from ganjax.restoration.defaults import (
  AUTO,
  RESTORATIONS,
  SETTLED_WITHIN,
  TUNED_PRESET,
  defaults_of,
)
from ganjax.tasks.config import (
  BATCH_AUTO,
  FLAGS,
  ConfigError,
  FacesConfig,
  config_from_flags,
  require_input,
)


def _described(what: str, name: str) -> str:
  """A help text that lists the per-task defaults of a flag."""
  values = {task: getattr(defaults, name) for task, defaults in RESTORATIONS.items()}
  if len(set(values.values())) == 1:
    return f'{what} Default: {next(iter(values.values()))}.'
  listed = ', '.join(f'{task} {value}' for task, value in values.items() if value != '')
  return f'{what} Default: by task ({listed}).'


def define_flags() -> None:
  """Declares the flags of the restoration tasks."""
  flags.DEFINE_string(
    'perceptual',
    'discriminator',
    "How pictures are compared: 'discriminator' (features of the generator's own), or a file made "
    "by ports.vgg16; 'vgg16' means vgg16.safetensors in the working folder.",
  )
  flags.DEFINE_string(
    'degradation',
    None,
    _described(
      "What happened (or shall be done) to the picture: operators joined by '|', such as "
      "'blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)'; operators are identity, blur, "
      'grayscale, mask, downsample, noise and jpeg.',
      'degradation',
    ),
  )
  flags.DEFINE_string(
    'assumed_degradation',
    None,
    'What the restoration takes for granted, where it is not to know the degradation that is '
    "done: '?' stands for what it has to find out, such as 'blur(kernel_size=?, variance=?)'.",
  )
  flags.DEFINE_bool(
    'already_degraded', False, 'The input has been degraded already and is not degraded again.'
  )
  flags.DEFINE_integer(
    'restarts',
    1,
    'Inversions of each picture, from different starts: the best is kept, and a map shows where '
    'they disagree.',
    lower_bound=1,
  )
  flags.DEFINE_enum(
    'space', None, list(SPACES)[:2], _described('Latent space that is searched.', 'space')
  )
  flags.DEFINE_enum(
    'preset',
    TUNED_PRESET,
    list(PRESETS),
    "The optimisation: 'projector' (Adam in one space; tuned by task), 'robust' (one set of "
    "numbers for all damage; W+, then W++), 'robust_published' (W, W+, W++; steps of fixed length, "
    "compared at several scales), or 'pivotal' (a latent in W, then the generator itself is tuned "
    "to the picture, for faithful inversion). All but 'projector' have defaults of their own.",
  )
  flags.DEFINE_enum(
    'noise_maps',
    None,
    NOISE_MAPS,
    _described(
      "The generator's noise maps: 'optimised' (drawn, kept at unit variance), 'free' (from zero, "
      "optimised), 'const' (those of the weights), 'zero' (none).",
      'noise_maps',
    ),
  )
  flags.DEFINE_integer(
    'num_steps', None, _described('Optimisation steps.', 'num_steps'), lower_bound=1
  )
  flags.DEFINE_float(
    'learning_rate', None, _described("Adam's largest rate.", 'learning_rate'), lower_bound=0
  )
  flags.DEFINE_string(
    'latent_dist_reg_weight',
    None,
    _described(
      "Weight of mean((w − w_avg)²): more gives a more likely, less exact face; or 'auto': "
      f'{", ".join(map(str, selection.WEIGHT_GRID))} are tried, and that is kept which explains '
      'the picture and guesses least at what it does not tell.',
      'latent_dist_reg_weight',
    ),
  )
  flags.DEFINE_float(
    'noise_reg_weight',
    None,
    _described(
      "Weight of what holds noise maps back: of 'free' ones their mean square, of 'optimised' ones "
      'their autocorrelation.',
      'noise_reg_weight',
    ),
    lower_bound=0,
  )
  flags.DEFINE_float(
    'pixel_weight',
    None,
    _described('Weight of the mean squared pixel difference.', 'pixel_weight'),
    lower_bound=0,
  )
  flags.DEFINE_float(
    'w_noise',
    None,
    _described("Noise on the latent at the start, in units of W's deviation.", 'w_noise'),
    lower_bound=0,
  )
  flags.DEFINE_bool(
    'stop_when_settled', False, 'A picture whose loss has settled goes into its ramp-down at once.'
  )
  flags.DEFINE_integer(
    'save_every', 50, 'Steps between progress pictures; 0 keeps none.', lower_bound=0
  )


@dataclasses.dataclass(frozen=True)
class RestoreConfig(FacesConfig):
  """One run of a restoration task."""

  perceptual: str
  degradation: str
  assumed_degradation: str | None
  already_degraded: bool
  restarts: int
  space: str
  preset: str
  noise_maps: NoiseMaps
  num_steps: int
  learning_rate: float
  latent_dist_reg_weight: float | str  # or 'auto'
  noise_reg_weight: float
  pixel_weight: float
  w_noise: float
  seed: int
  batch_size: int
  precision: str
  stop_when_settled: bool
  save_every: int

  def hyper(self) -> Hyper:
    """The per-image hyperparameters of the optimisation; an automatic weight is 0 at first."""
    given = {name: getattr(self, name) for name in Hyper._fields if name != 'settled_within'}
    if self.latent_dist_reg_weight == AUTO:
      given['latent_dist_reg_weight'] = 0.0
    return Hyper(**given, settled_within=SETTLED_WITHIN if self.stop_when_settled else 0.0)

  def chosen_preset(self) -> Preset:
    """The preset, in the space and with the noise maps that were asked for."""
    preset = PRESETS[self.preset]
    return preset.within(self.space, self.noise_maps) if self.preset == TUNED_PRESET else preset


def _defaults(task: str, name: str) -> dict[str, Any]:
  """What holds for a task and a preset where no flag says otherwise."""
  for flag in ('space', 'noise_maps'):
    if name != TUNED_PRESET and getattr(FLAGS, flag) is not None:
      raise ConfigError(f'--{flag}: --preset={name} has its own; leave one of them out')
  return defaults_of(task, name)


def from_flags() -> RestoreConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag that the task needs is missing, or makes no sense.
  """
  return configuration(RestoreConfig, FLAGS.task)


C = TypeVar('C', bound=RestoreConfig)


def configuration(
  kind: type[C], task: str, preset: str | None = None, degradation: str | None = None, **more: Any
) -> C:
  """A configuration of some kind, with the defaults of a restoration task.

  Args:
    kind: the configuration's class.
    task: whose defaults hold where no flag says otherwise.
    preset: in place of --preset.
    degradation: in place of --degradation.
    **more: fields that `kind` adds.

  Raises:
    ConfigError: a flag is missing, or makes no sense.
  """
  require_input()
  if FLAGS.batch_size == BATCH_AUTO and FLAGS.task != 'bulk':
    raise ConfigError(f'--batch_size={BATCH_AUTO}: only --task=bulk can choose; give a number')
  preset = preset or FLAGS.preset
  defaults = _defaults(task, preset)
  given = {name: getattr(FLAGS, name) for name in defaults if getattr(FLAGS, name) is not None}
  chosen = {**defaults, **given, **({'degradation': degradation} if degradation else {})}
  if not chosen['degradation']:
    raise ConfigError(
      "--degradation is missing: --task=restore needs it, such as --degradation='blur() | jpeg()'"
    )
  chosen['latent_dist_reg_weight'] = _weight(chosen['latent_dist_reg_weight'])
  if chosen['latent_dist_reg_weight'] == AUTO and FLAGS.restarts > 1:
    raise ConfigError('--restarts: not together with --latent_dist_reg_weight=auto; name a weight')
  config = config_from_flags(kind, **chosen, preset=preset, **more)
  _check_unknown(config)
  return config


def _weight(given: float | str) -> float | str:
  """Reads --latent_dist_reg_weight."""
  if given == AUTO:
    return AUTO
  try:
    weight = float(given)
  except ValueError:
    weight = -1.0
  if not 0 <= weight < float('inf'):
    raise ConfigError(f'--latent_dist_reg_weight={given}: give a number ≥ 0, or auto')
  return weight


def _check_unknown(config: RestoreConfig) -> None:
  """Only what is known can be done to a clean picture."""
  if config.already_degraded and config.assumed_degradation:
    raise ConfigError(
      '--assumed_degradation: with --already_degraded, --degradation itself says what is assumed'
    )
  if '?' in config.degradation and not config.already_degraded:
    raise ConfigError(
      f'--degradation={config.degradation}: a clean picture cannot be degraded by what is unknown; '
      "add --already_degraded, or leave the '?' to --assumed_degradation"
    )
