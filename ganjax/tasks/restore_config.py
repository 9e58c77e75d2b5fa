"""Settings, defaults and configuration of the restoration tasks."""

import dataclasses
from typing import Any, ClassVar, Self, TypeVar

from ganjax.choices import WEIGHT_GRID
from ganjax.inversion.presets import PRESETS, Hyper, NoiseMaps, Preset
from ganjax.inversion.spaces import SPACES
from ganjax.tasks.config import (
  BATCH_AUTO,
  OPTIMISATION,
  FacesConfig,
  WithAssumption,
  WithBatchSize,
  WithPerceptual,
  WithPrecision,
  WithProgress,
  WithRestarts,
  WithSeed,
  WithSteps,
  config_from_flags,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, NumberOrAuto, given, setting

AUTO = NumberOrAuto.AUTO
TUNED_PRESET = 'projector'  # the preset that the tasks' defaults are tuned for
SETTLED_WITHIN = 0.01  # what --stop_when_settled means by settled; see `Hyper`

# What a task does where no flag says otherwise and `RestoreConfig` has another default; tuned on
# photographs for the bundled weights.
RESTORATIONS: dict[str, dict[str, Any]] = {
  'invert': {
    'degradation': 'identity()',
    'learning_rate': 0.4,
    'latent_dist_reg_weight': 0.4,
    'noise_reg_weight': 0.01,
    'pixel_weight': 30.0,
  },
  'deblur': {
    'degradation': 'blur(kernel_size=25, variance=16)',
    'learning_rate': 0.2,
    'noise_reg_weight': 0.03,
  },
  # What grey pictures leave open is the whole of the colour: only a likely face has a likely one.
  # `completed` has the details from the input.
  'colorize': {
    'degradation': 'grayscale()',
    'latent_dist_reg_weight': 3.0,
    'noise_reg_weight': 10.0,
  },
  'inpaint': {
    'degradation': 'mask(box=0.35:0.65:0.5:0.8)',
    'latent_dist_reg_weight': 0.3,
    'noise_reg_weight': 0.03,
  },
  'super_resolve': {
    'degradation': 'downsample(factor=8)',
    'learning_rate': 0.4,
    'latent_dist_reg_weight': 0.4,
    'noise_reg_weight': 1.0,
    'pixel_weight': 10.0,
  },
  'denoise': {
    'degradation': 'noise(photons=24, drop=0.16)',
    'learning_rate': 0.3,
    'latent_dist_reg_weight': 0.05,
    'noise_reg_weight': 1.0,
    'pixel_weight': 1.0,
  },
  # Rounded coefficients make a rugged loss: small steps get caught in it.
  'dejpeg': {
    'degradation': 'jpeg(quality=4)',
    'learning_rate': 0.6,
    'latent_dist_reg_weight': 1.0,
    'noise_reg_weight': 0.3,
    'pixel_weight': 100.0,
  },
  'restore': {},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreConfig(
  WithProgress,
  WithPerceptual,
  WithRestarts,
  WithSteps,
  WithAssumption,
  WithBatchSize,
  WithSeed,
  WithPrecision,
  FacesConfig,
):
  """One run of a restoration task."""

  HEADING: ClassVar[str] = OPTIMISATION
  DEFAULTS: ClassVar = {'num_steps': 200, 'learning_rate': 0.1}

  space: str = setting('Latent space that is searched.', 'w_plus', choices=list(SPACES)[:2])
  preset: str = setting(
    "The optimisation: 'projector' (Adam in one space; tuned by task), 'robust' (one set of "
    "numbers for all damage; W+, then W++), 'robust_published' (W, W+, W++; steps of fixed length, "
    "compared at several scales), or 'pivotal' (a latent in W, then the generator itself is tuned "
    "to the picture, for faithful inversion). All but 'projector' have defaults of their own.",
    TUNED_PRESET,
    choices=PRESETS,
  )
  noise_maps: NoiseMaps = setting(
    "The generator's noise maps: 'optimised' (drawn, kept at unit variance), 'free' (from zero, "
    "optimised), 'const' (those of the weights), 'zero' (none).",
    'free',
  )
  latent_dist_reg_weight: float | str = setting(
    "Weight of mean((w − w_avg)²): more gives a more likely, less exact face; or 'auto': "
    f'{", ".join(map(str, WEIGHT_GRID))} are tried, and that is kept which explains '
    'the picture and guesses least at what it does not tell.',
    0.1,
    parser=NumberOrAuto(float, 0, 'a number ≥ 0'),
  )
  noise_reg_weight: float = setting(
    "Weight of what holds noise maps back: of 'free' ones their mean square, of 'optimised' ones "
    'their autocorrelation.',
    0.1,
    lower=0,
  )
  pixel_weight: float = setting('Weight of the mean squared pixel difference.', 3.0, lower=0)
  w_noise: float = setting(
    "Noise on the latent at the start, in units of W's deviation.", 0.0, lower=0
  )
  stop_when_settled: bool = setting(
    'A picture whose loss has settled goes into its ramp-down at once.', False
  )

  @classmethod
  def defaults(cls, task: str) -> dict[str, Any]:
    """See `Config.defaults`; where a run has several of `RESTORATIONS`, what they agree on."""
    known = super().defaults(task)
    if task in RESTORATIONS:
      return known | RESTORATIONS[task]
    varied = {name for own in RESTORATIONS.values() for name in own}
    return {name: value for name, value in known.items() if name not in varied}

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    return configuration(cls, FLAGS.task)

  def hyper(self) -> Hyper:
    """The per-image hyperparameters of the optimisation; an automatic weight is 0 at first."""
    values = {name: getattr(self, name) for name in Hyper._fields if name != 'settled_within'}
    if self.latent_dist_reg_weight == AUTO:
      values['latent_dist_reg_weight'] = 0.0
    return Hyper(**values, settled_within=SETTLED_WITHIN if self.stop_when_settled else 0.0)

  def chosen_preset(self) -> Preset:
    """The preset, in the space and with the noise maps that were asked for."""
    preset = PRESETS[self.preset]
    return preset.within(self.space, self.noise_maps) if self.preset == TUNED_PRESET else preset


def _of_preset(name: str) -> dict[str, Any]:
  """What holds for a preset where no flag says otherwise."""
  if name == TUNED_PRESET:
    return {}
  preset = PRESETS[name]
  for flag in ('space', 'noise_maps'):
    if FLAGS[flag].value is not None:
      raise ConfigError(f'--{flag}: --preset={name} has its own; leave one of them out')
  own = {k: v for k, v in preset.hyper._asdict().items() if k != 'settled_within'}
  return {**own, 'space': preset.phases[-1].space.name, 'noise_maps': preset.noise_maps}


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
  preset = preset or FLAGS.preset or TUNED_PRESET
  if degradation:
    more['degradation'] = degradation
  known = {**kind.defaults(task), **_of_preset(preset), **given(kind), **more}
  if not known.get('degradation'):
    raise ConfigError(
      "--degradation is missing: --task=restore needs it, such as --degradation='blur() | jpeg()'"
    )
  if known['latent_dist_reg_weight'] == AUTO and known['restarts'] > 1:
    raise ConfigError('--restarts: not together with --latent_dist_reg_weight=auto; name a weight')
  config = config_from_flags(kind, known, preset=preset, **more)
  _check_unknown(config)
  return config


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
