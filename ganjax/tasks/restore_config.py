"""Settings, defaults and configuration of the restoration tasks."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ganjax import lazy
from ganjax.choices import INIT_AUTO, INIT_AVERAGE, WEIGHT_GRID
from ganjax.inversion.presets import PRESETS, Hyper, NoiseMaps, Preset
from ganjax.inversion.spaces import SPACES
from ganjax.restoration.defaults import (
  AS_IT_IS,
  AUTO,
  BASE,
  RESTORATIONS,
  SETTLED_WITHIN,
  TUNED_PRESET,
  begins_with_encoder,
  defaults_of,
  has_dial,
  preset_of,
  preset_within,
  with_masks,
)
from ganjax.tasks.config import (
  BATCH_AUTO,
  OPTIMISATION,
  FacesConfig,
  WithAssumption,
  WithBatchSize,
  WithInit,
  WithPerceptual,
  WithPrecision,
  WithProgress,
  WithRestarts,
  WithSeed,
  WithSteps,
  config_from_flags,
  is_degraded_first,
  require_input,
)
from ganjax.tasks.settings import FLAGS, ConfigError, NumberOrAuto, given, setting

if TYPE_CHECKING:
  from ganjax import weights
else:  # for help, which needs no network
  weights = lazy.module('ganjax.weights')


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreConfig(
  WithProgress,
  WithInit,
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
  LEAST_STEPS: ClassVar[int] = 0
  DEFAULTS: ClassVar = {name: BASE[name] for name in ('num_steps', 'learning_rate')}

  space: str = setting('Latent space that is searched.', BASE['space'], choices=list(SPACES)[:2])
  preset: str = setting(
    "The optimisation: 'robust' (one set of numbers for all damage; W+, then W++), 'projector' "
    "(Adam in one space; tuned by task), 'robust_published' (W, W+, W++; steps of fixed length, "
    "compared at several scales), or 'pivotal' (a latent in W, then the generator itself is tuned "
    "to the image, for faithful inversion). All but 'projector' have defaults of their own.",
    TUNED_PRESET,
    choices=PRESETS,
  )
  noise_maps: NoiseMaps = setting(
    "The generator's noise maps: 'optimised' (drawn, kept at unit variance), 'free' (from zero, "
    "optimised), 'const' (those of the weights), 'zero' (none).",
    BASE['noise_maps'],
  )
  latent_dist_reg_weight: float | str = setting(
    "Weight of mean((w − w_avg)²): more gives a more likely, less exact face; or 'auto': "
    f'{", ".join(map(str, WEIGHT_GRID))} are tried, and that is kept which explains '
    'the image and guesses least at what it does not tell.',
    BASE['latent_dist_reg_weight'],
    parser=NumberOrAuto(float, 0, 'a number ≥ 0'),
  )
  noise_reg_weight: float = setting(
    "Weight of what holds noise maps back: of 'free' ones their mean square, of 'optimised' ones "
    'their autocorrelation.',
    BASE['noise_reg_weight'],
    lower=0,
  )
  pixel_weight: float = setting(
    'Weight of the mean squared pixel difference.', BASE['pixel_weight'], lower=0
  )
  w_noise: float = setting(
    "Noise on the latent at the start, in units of W's deviation.", BASE['w_noise'], lower=0
  )
  fidelity: float = setting(
    'From 0, the most face-like image, to 1, the closest to the input: how little the distance '
    'of the latent from the average face weighs.',
    BASE['fidelity'],
    lower=0,
    upper=1,
  )
  stop_when_settled: bool = setting(
    'An image whose loss has settled goes into its ramp-down at once.', False
  )

  @classmethod
  def defaults(cls, task: str) -> dict[str, Any]:
    """See `Config.defaults`; where a run has several of `RESTORATIONS`, what they agree on."""
    known = super().defaults(task)
    if task in RESTORATIONS:
      return known | defaults_of(task, encoder=True) | {'preset': preset_of(task)}
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
    settings = {'space': self.space, 'noise_maps': self.noise_maps}
    encoder = begins_with_encoder(self.preset, self.init, weights.is_bundled(self.weights))
    return preset_within(self.preset, settings, encoder)


def _degradation(task: str, known: dict[str, Any], degradation: str | None) -> str:
  """What happened to the input, or is done to it; with the masks of --mask."""
  spec = degradation or known.get('degradation')
  is_default = not (degradation or FLAGS.degradation)
  if not spec or (spec == AUTO and FLAGS.task != 'restore'):
    raise ConfigError("--degradation is missing, such as --degradation='blur() | jpeg()'")
  if known['mask'] and is_default and task == 'inpaint':
    spec = AS_IT_IS[task]
  return with_masks(spec, known['mask'], known['invert_mask'])


def _check_preset(name: str) -> None:
  """Raises ConfigError where a flag says what a preset has of its own."""
  for flag in ('space', 'noise_maps'):
    if name != TUNED_PRESET and FLAGS[flag].value is not None:
      raise ConfigError(f'--{flag}: --preset={name} has its own; leave one of them out')


C = TypeVar('C', bound=RestoreConfig)


def configuration(
  kind: type[C],
  task: str,
  preset: str | None = None,
  degradation: str | None = None,
  degrade_first: bool = False,
  **more: Any,
) -> C:
  """A configuration of some kind, with the defaults of a restoration task.

  Args:
    kind: the configuration's class.
    task: whose defaults hold where no flag says otherwise.
    preset: in place of --preset; None for that, or else the task's own.
    degradation: in place of --degradation.
    degrade_first: whether the input is clean, where no flag says so.
    **more: fields that `kind` adds.

  Raises:
    ConfigError: a flag is missing, or makes no sense.
  """
  require_input()
  if FLAGS.batch_size == BATCH_AUTO and FLAGS.task != 'bulk':
    raise ConfigError(f'--batch_size={BATCH_AUTO}: only --task=bulk can choose; give a number')
  preset = preset or FLAGS.preset or preset_of(task, given(kind))
  first = is_degraded_first(degrade_first or FLAGS.assumed_degradation is not None)
  more |= {'degrade_first': first, 'already_degraded': None}
  _check_preset(preset)
  known = {**kind.defaults(task), 'mask': None, 'invert_mask': None}
  init = more.get('init') or FLAGS.init or INIT_AUTO
  has_encoder = begins_with_encoder(preset, init, weights.is_bundled(FLAGS.weights))
  known |= defaults_of(task, preset, first, has_encoder)
  known.update(given(kind), **more)
  more['degradation'] = _degradation(task, known, degradation)
  if known['latent_dist_reg_weight'] == AUTO and known['restarts'] > 1:
    raise ConfigError('--restarts: not together with --latent_dist_reg_weight=auto; name a weight')
  if 'fidelity' in given(kind) and not has_dial(known):
    raise ConfigError(f'--fidelity: --preset={preset} has no weight that it turns; leave it out')
  if init == INIT_AUTO and not PRESETS[preset].begins_with_encoder:
    more['init'] = INIT_AVERAGE
  config = config_from_flags(kind, known, preset=preset, **more)
  _check_unknown(config)
  return config


def check_steps(config: RestoreConfig, encoder: object | None) -> None:
  """Raises ConfigError where no step is to be taken, and that is not an encoder's answer.

  Args:
    config: of a run.
    encoder: what its weights have; None for none.
  """
  if config.num_steps:
    return
  preset = config.chosen_preset()
  if encoder is None:
    raise ConfigError(
      '--num_steps=0: is the answer of an encoder, and this run has none: begin with one '
      '(--init=encoder, or --init=FILE for weights of your own), or give 1 step or more'
    )
  if preset.tuning is not None or preset.phases[-1].space.name == 'w':
    raise ConfigError(
      f'--num_steps=0: the answer of an encoder lies in W+, which --preset={config.preset} '
      f'--space={config.space} leaves; name another, or give 1 step or more'
    )
  if config.restarts > 1 or config.latent_dist_reg_weight == AUTO:
    raise ConfigError(
      '--num_steps=0: there is one answer of an encoder; leave out --restarts and '
      '--latent_dist_reg_weight=auto'
    )


def _check_unknown(config: RestoreConfig) -> None:
  """Only what is known can be done to a clean picture."""
  if not config.degrade_first and config.assumed_degradation:
    raise ConfigError(
      '--assumed_degradation: goes with --degrade_first; of a photo that is restored as it is, '
      '--degradation itself says what is assumed'
    )
  is_unknown = '?' in config.degradation or config.degradation.startswith(AUTO)
  if is_unknown and config.degrade_first:
    raise ConfigError(
      f'--degradation={config.degradation}: a clean picture cannot be degraded by what is unknown; '
      "leave --degrade_first out, or leave the '?' to --assumed_degradation"
    )
