"""Settings and configuration of bulk runs."""

import dataclasses
from typing import Any, ClassVar, Literal, Self

from ganjax.choices import Export
from ganjax.restoration.defaults import TUNED_PRESET
from ganjax.tasks.config import BATCH_AUTO, PROCESSES, WithProcesses
from ganjax.tasks.restore_config import AUTO, RESTORATIONS, RestoreConfig, configuration
from ganjax.tasks.settings import FLAGS, ConfigError, setting

RESTORATION = 'invert'


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithShards(WithProcesses):
  """Shares of a data set."""

  HEADING: ClassVar[str] = PROCESSES

  engine: Literal['local', 'ray'] = setting(
    "'local': this machine's devices, or a share of the data set for each process of a pod; 'ray': "
    'a Ray cluster (RAY_ADDRESS, or one that is started here), one actor per device.',
    'local',
  )
  shard_index: int = setting('Which share of the blocks this process takes.', 0, lower=0)
  shard_count: int = setting('How many shares there are; may change.', 1, lower=1)
  ray_actors: int | None = setting(
    'Default: one per GPU or TPU chip of the cluster, or per two CPUs.', None, lower=1
  )
  remat: bool = setting(
    "Compute the generator's blocks again for gradients: slower, far less memory.", False
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BulkConfig(WithShards, RestoreConfig):
  """One bulk run."""

  HEADING: ClassVar[str] = 'Data sets'

  restoration: str = setting(
    'What a bulk run does to each photo: the task whose defaults hold.',
    RESTORATION,
    choices=RESTORATIONS,
  )
  block_size: int = setting(
    'Photos per part of the result; a killed run loses the blocks in flight.', 64, lower=1
  )
  save_image: bool = setting('Keep the restored images, not the latents alone.', True)
  save_noise: bool = setting(
    'Keep the noise maps, too: without them the latent alone does not give the same image again.',
    False,
  )
  previews: int = setting(
    'So many first images are also written as PNG, for the report.', 64, lower=0
  )
  retry_failures: bool = setting('Try the photos again that failed in earlier runs.', False)
  finalize: bool = setting('Only finish the data set in --output: no inversions.', False)
  export: tuple[Export, ...] = setting(
    "Files made of a finished data set: of each face 'npz' (latent and figures) and 'png' (the "
    "image), of each photo 'pasted' (the photo, read once more, with all its restored faces).",
    (),
  )
  dry_run: bool = setting('Show what would be done, on what, and how long it takes.', False)

  @classmethod
  def defaults(cls, task: str) -> dict[str, Any]:
    """See `Config.defaults`."""
    return super().defaults(RESTORATION if task == 'bulk' else task)

  @classmethod
  def from_flags(cls) -> Self:
    """See `Config.from_flags`."""
    if FLAGS.finalize and not FLAGS.input:
      FLAGS.input = FLAGS.output or cls.defaults('bulk')['output']  # it is not read
    # Latents of W+ can be edited, and take 6 KiB; those of W++ most of a MiB.
    preset = FLAGS.preset or TUNED_PRESET
    config = configuration(cls, FLAGS.restoration or RESTORATION, preset)
    _check(config)
    return config


def _check(config: BulkConfig) -> None:
  """Raises ConfigError where settings exclude each other."""
  if config.shard_index >= config.shard_count:
    raise ConfigError(
      f'--shard_index={config.shard_index}: must be less than --shard_count={config.shard_count}'
    )
  for flag, wrong in {
    'restarts': config.restarts > 1,
    'assumed_degradation': config.assumed_degradation is not None,
    'latent_dist_reg_weight': config.latent_dist_reg_weight == AUTO,
    'degradation': '?' in config.degradation,
    'preset': config.chosen_preset().tuning is not None,
  }.items():
    if wrong:
      raise ConfigError(
        f'--{flag}: --task=bulk makes one inversion per picture, with one generator, and finds '
        "nothing out: leave it out, or give the values that stand for '?'"
      )
  if config.engine == 'ray':
    if config.shard_count > 1 or config.distributed:
      raise ConfigError('--engine=ray: Ray itself shares the data set; leave out the shards')
    if config.batch_size == BATCH_AUTO:
      raise ConfigError('--batch_size=auto: not with --engine=ray; see --dry_run on one machine')
