"""What the configurations of tasks share: settings that several of them have, each declared once.

Importing a configuration must not import JAX: help and errors do without.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from ganjax.choices import INIT_AUTO, Align, Order, Precision
from ganjax.tasks.settings import FLAGS, ConfigError, NumberOrAuto, given, setting, settings_of

BATCH_AUTO = NumberOrAuto.AUTO
COMMON = 'Common flags'
DEGRADATION, OPTIMISATION, RESULTS = 'Degradation', 'Optimisation', 'Results'
FACES, PROCESSES, TRAINING = 'Faces', 'Processes', 'Training'


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithInput:
  """Photos, or what else is given."""

  HEADING: ClassVar[str] = COMMON

  input: str = setting('A photo, a folder of photos (with sub-folders), or a glob.', '')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """One run, all defaults filled in.

  Each task has a configuration of its own. The fields made by `setting` are flags; the others
  follow from them. `HEADING` is that of the settings that a class itself declares, in help.
  """

  HEADING: ClassVar[str] = COMMON
  # Defaults of this kind of run, for settings that have others elsewhere, or none.
  DEFAULTS: ClassVar[Mapping[str, Any]] = {}
  LEAST_STEPS: ClassVar[int] = 1  # that --num_steps can ask for
  # A task whose flags hold, too, where runs like it are parts of this one; and when.
  ALSO: ClassVar[tuple[str, str] | None] = None

  task: str
  output: str = setting(
    'Folder for everything that a run writes; with `ganjax TASK PHOTO`, PHOTO-TASK beside the '
    'photo.',
    'out',
  )
  overwrite: bool = setting('Replace the results of another configuration.', False)

  @classmethod
  def defaults(cls, task: str) -> dict[str, Any]:
    """The values of a task's settings where no flag says otherwise; those alone that have one."""
    del task
    declared = {field.name: field.default for field in dataclasses.fields(cls)}
    known = {**{name: declared[name] for name in settings_of(cls)}, **cls.DEFAULTS}
    return {name: value for name, value in known.items() if value is not dataclasses.MISSING}

  @classmethod
  def from_flags(cls) -> Self:
    """The configuration that the parsed flags describe.

    Raises:
      ConfigError: a flag is missing, or makes no sense.
    """
    return config_from_flags(cls)

  def record(self, weights_sha256: str = '', encoder_sha256: str = '') -> dict[str, Any]:
    """What config.json keeps: the flags, and which weights they stand for."""
    encoder = {'encoder_sha256': encoder_sha256} if encoder_sha256 else {}
    return {**dataclasses.asdict(self), 'weights_sha256': weights_sha256, **encoder}


C = TypeVar('C', bound=Config)


def config_from_flags(kind: type[C], defaults: Mapping[str, Any] | None = None, **chosen: Any) -> C:
  """A configuration whose fields are `chosen`, or else what the flags or the defaults say.

  Args:
    kind: the configuration's class.
    defaults: field -> value; left out, those of the task.
    **chosen: fields, whatever the flags say.

  Raises:
    ConfigError: an item of a list makes no sense.
  """
  known = kind.defaults(FLAGS.task) if defaults is None else defaults
  if FLAGS.num_steps is not None and FLAGS.num_steps < kind.LEAST_STEPS:
    raise ConfigError(
      f'--num_steps={FLAGS.num_steps}: --task={FLAGS.task} needs {kind.LEAST_STEPS} or more'
    )
  return kind(**{'task': FLAGS.task, **known, **given(kind), **chosen})


def require_input(what: str = '') -> None:
  """Raises ConfigError where --input is missing; `what` it should be."""
  if not FLAGS.input:
    what = what or f'a picture, a folder or a glob for --task={FLAGS.task}'
    raise ConfigError(f'--input is missing: {what}')


def require_batch_size() -> None:
  """Raises ConfigError where --batch_size is 'auto', which only bulk can choose."""
  if FLAGS.batch_size == BATCH_AUTO:
    raise ConfigError(f'--batch_size=auto is for --task=bulk; give --task={FLAGS.task} a number')


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithWeights:
  """A generator."""

  HEADING: ClassVar[str] = COMMON

  weights: str | None = setting(
    'Generator: a file made by ports.stylegan2, or one of the Hugging Face Hub, as '
    'hf://owner/name/file. Default: the bundled 128 px faces. For '
    'pix2pix_predict: a network made by --task=pix2pix_train. Default: the bundled one.',
    None,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithPrecision:
  """How exactly networks compute."""

  HEADING: ClassVar[str] = COMMON

  precision: Precision = setting(
    'Of the networks: float32 (really, on every device), tf32 (a GPU rounds what it multiplies to '
    '10 bits), bfloat16 (convolutions to 7 bits; the latent, the losses and the optimiser stay '
    'float32), or auto: float32 on a CPU, bfloat16 on accelerators.',
    'auto',
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithSeed:
  """Randomness."""

  HEADING: ClassVar[str] = COMMON

  seed: int = setting("For all randomness; with a photo's name it fixes the result.", 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithBatchSize:
  """Images that are worked on together."""

  HEADING: ClassVar[str] = COMMON

  batch_size: int = setting(
    "Images that are optimised together; --task=bulk also takes 'auto': as many as fit.",
    8,
    parser=NumberOrAuto(int, 1, 'a positive number'),
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FacesConfig(WithWeights, Config, WithInput):
  """A run over photographs of faces."""

  HEADING: ClassVar[str] = COMMON

  face: str | None = setting(
    'Where the face is, if it is not found: left:top:right:bottom, px of the upright photo.', None
  )

  align: Align = setting(
    "Whether faces are found and cropped: 'auto' passes aligned squares through.", 'auto'
  )

  @property
  def box(self) -> tuple[float, ...] | None:
    """Where the face is, as `faces.align` takes it.

    Raises:
      FaceError: --face makes no sense.
    """
    from ganjax.faces import parse_box  # which needs Pillow; help does without

    return None if self.face is None else parse_box(self.face)

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    require_input()
    return super().from_flags()


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithDegradation:
  """What happened to photos, or shall be done to them."""

  HEADING: ClassVar[str] = DEGRADATION

  degradation: str = setting(
    'What happened to the photo (or, with --degrade_first, is done to it): operators joined by '
    "'|', such as "
    "'blur(kernel_size=25, variance=7) | mask(box=40:80:40:80)'; operators are identity, blur, "
    "grayscale, mask, downsample, noise and jpeg. 'auto', the default of restore, finds out what "
    'each photo shows of it.'
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithDegraded(WithDegradation):
  """Whether it has happened already."""

  HEADING: ClassVar[str] = DEGRADATION

  degrade_first: bool = setting(
    'For studies: the input is clean; it is degraded first, and the result is compared with it.',
    False,
  )
  already_degraded: bool | None = setting(
    'The input is restored as it is: the default, unless --degrade_first is given.', None
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithMask(WithDegraded):
  """Where holes are."""

  HEADING: ClassVar[str] = DEGRADATION

  mask: str | None = setting(
    'Image of the size of the photo, black (or transparent) where it has holes; or a folder with '
    'one for each photo, by name. Transparent pixels of the photo itself are holes, too.',
    None,
  )
  invert_mask: bool | None = setting(
    'Masks are white where holes are. --noinvert_mask: certainly not, however much they hide.', None
  )


def is_degraded_first(default: bool = False) -> bool:
  """Whether the input is degraded first, as --degrade_first or --already_degraded says.

  Raises:
    ConfigError: they contradict each other.
  """
  first, already = FLAGS.degrade_first, FLAGS.already_degraded
  if first is not None and already is not None and first == already:
    raise ConfigError('--degrade_first and --already_degraded exclude each other: give one of them')
  if first is not None:
    return first
  return default if already is None else not already


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAssumption(WithMask):
  """What a restoration takes for granted, and how often it begins."""

  HEADING: ClassVar[str] = DEGRADATION

  assumed_degradation: str | None = setting(
    'What the restoration takes for granted, where it is not to know the degradation that is '
    "done: '?' stands for what it has to find out, such as 'blur(kernel_size=?, variance=?)'.",
    None,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithTruth:
  """What photos should look like."""

  HEADING: ClassVar[str] = DEGRADATION

  truth: str | None = setting(
    'Folder of true images of the same names: what pix2pix_train learns to make of its input; '
    'what deep_prior and pix2pix_predict measure against, where the input came degraded.',
    None,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithPairs(WithTruth):
  """The condition and the truth, in one of two ways."""

  HEADING: ClassVar[str] = DEGRADATION

  side_by_side: Order | None = setting(
    'Every image has two halves; a is the condition, b the truth.', None
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithSteps:
  """An optimisation."""

  HEADING: ClassVar[str] = OPTIMISATION

  num_steps: int = setting(
    'Optimisation steps; with 0 a restoration is what an encoder makes of the image in one pass.',
    lower=0,
  )
  learning_rate: float = setting("Adam's largest rate.", lower=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithInit:
  """Where searches begin."""

  HEADING: ClassVar[str] = OPTIMISATION

  init: str = setting(
    "Where the search begins: 'encoder' (at what a network makes of the image in one pass), "
    "'average' (at the average face), 'auto' (the former, if the weights have an encoder and the "
    "preset is none of a publication's), or an encoder's file, made by train_encoder.",
    INIT_AUTO,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithRestarts:
  """Several optimisations of one image."""

  HEADING: ClassVar[str] = OPTIMISATION

  restarts: int = setting(
    'Inversions of each image, from different starts: the best is kept, and a map shows where '
    "they disagree. deep_prior's are averaged.",
    1,
    lower=1,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithPerceptual:
  """A distance between images."""

  HEADING: ClassVar[str] = OPTIMISATION

  perceptual: str = setting(
    "How images are compared: 'discriminator' (features of the generator's own), or a file made "
    "by ports.vgg16; 'vgg16' means vgg16.safetensors in the working folder.",
    'discriminator',
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithInception:
  """What the literature compares sets of images by."""

  HEADING: ClassVar[str] = RESULTS

  inception: str | None = setting(
    'Inception weights made by ports.inception: sets of images are compared by its features, '
    'too. For train_generator that is what says which weights are best.',
    None,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithSweep:
  """Every combination of some settings."""

  HEADING: ClassVar[str] = OPTIMISATION

  sweep: str = setting(
    'What is varied: name=values; name=values, such as '
    "'latent_dist_reg_weight=0.001,0.1,0.5; blur.variance=3,7,12'. Names are hyperparameters, or "
    "operator.parameter of the degradation (the restoration's idea of it).",
    '',
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithProgress:
  """What is kept of the way."""

  HEADING: ClassVar[str] = RESULTS

  save_every: int = setting('Steps between progress images; 0 keeps none.', 50, lower=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithTruncation:
  """Samples."""

  HEADING: ClassVar[str] = FACES

  truncation_psi: float = setting(
    'Of samples: 0 for the average face, 1 for all variety.',
    0.7,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithSeeds(WithTruncation):
  """Samples by seed."""

  HEADING: ClassVar[str] = FACES

  seeds: tuple[int, ...] = setting('Samples: seeds and ranges, such as 1,5,10-20.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithClassifier:
  """Who says what an attribute is."""

  HEADING: ClassVar[str] = FACES

  classifier: str | None = setting(
    'Attribute classifier: a file made by --task=train_classifier. Default: under 21 / over 21. '
    "The tasks on latents also take 'none'.",
    None,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithTargetClass:
  """The class that has an attribute."""

  HEADING: ClassVar[str] = FACES

  target_class: str = setting('The class that counts as yes. Default: the last one by name.', '')


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithProcesses:
  """Processes that share a run, and their threads."""

  HEADING: ClassVar[str] = PROCESSES

  threads: int = setting(
    'That decode and align photos, per process.', min(8, os.cpu_count() or 1), lower=1
  )
  distributed: bool | None = setting(
    'Ask jax.distributed which share this process takes. Default: where SLURM, MPI or a TPU pod '
    'has started several processes.',
    None,
  )
  coordinator_address: str | None = setting('host:port, for --distributed without those.', None)
  num_processes: int | None = setting('For --distributed without those.', None, lower=1)
  process_id: int | None = setting('For --distributed without those.', None, lower=0)
