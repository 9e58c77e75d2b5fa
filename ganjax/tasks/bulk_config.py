"""Flags and configuration of bulk runs."""

import dataclasses
import os

from absl import flags

from ganjax.bulk import worker
from ganjax.bulk.finalize import EXPORTS
from ganjax.inversion.perceptual import file_of
from ganjax.runtime import cluster
from ganjax.runtime.cluster import Shard
from ganjax.tasks.config import BATCH_AUTO, FLAGS, ConfigError
from ganjax.tasks.restore_config import AUTO, RESTORATIONS, RestoreConfig, configuration

ENGINES = ('local', 'ray')


def define_flags() -> None:
  """Declares the flags of bulk runs."""
  flags.DEFINE_enum(
    'restoration',
    'invert',
    list(RESTORATIONS),
    'What a bulk run does to each picture: the task whose defaults hold.',
  )
  flags.DEFINE_enum(
    'engine',
    'local',
    ENGINES,
    "'local': this machine's devices, or a share of the data set for each process of a pod; 'ray': "
    'a Ray cluster (RAY_ADDRESS, or one that is started here), one actor per device.',
  )
  flags.DEFINE_integer(
    'block_size',
    64,
    'Pictures per part of the result; a killed run loses the blocks in flight.',
    lower_bound=1,
  )
  flags.DEFINE_integer('shard_index', 0, 'Which share of the blocks this process takes.', 0)
  flags.DEFINE_integer('shard_count', 1, 'How many shares there are; may change.', 1)
  flags.DEFINE_bool(
    'distributed',
    None,
    'Ask jax.distributed which share this process takes. Default: where SLURM, MPI or a TPU pod '
    'has started several processes.',
  )
  flags.DEFINE_string('coordinator_address', None, 'host:port, for --distributed without those.')
  flags.DEFINE_integer('num_processes', None, 'For --distributed without those.', 1)
  flags.DEFINE_integer('process_id', None, 'For --distributed without those.', 0)
  flags.DEFINE_integer(
    'ray_actors', None, 'Default: one per GPU or TPU chip of the cluster, or per two CPUs.', 1
  )
  flags.DEFINE_integer(
    'threads', min(8, os.cpu_count() or 1), 'That decode and align pictures, per process.', 1
  )
  flags.DEFINE_bool('save_image', True, 'Keep the restored pictures, not the latents alone.')
  flags.DEFINE_bool('save_noise', False, 'Keep the noise maps, too: without them the latent alone '
                    'does not give the same picture again.')  # fmt: skip
  flags.DEFINE_integer(
    'previews', 64, 'So many first pictures are also written as PNG, for the report.', 0
  )
  flags.DEFINE_bool(
    'remat', False, "Compute the generator's blocks again for gradients: slower, far less memory."
  )
  flags.DEFINE_bool('retry_failures', False, 'Try the pictures again that failed in earlier runs.')
  flags.DEFINE_bool('finalize', False, 'Only finish the data set in --output: no inversions.')
  flags.DEFINE_list('export', [], f'Copies of a finished data set: {", ".join(EXPORTS)}.')
  flags.DEFINE_bool('dry_run', False, 'Show what would be done, on what, and how long it takes.')


@dataclasses.dataclass(frozen=True)
class BulkConfig(RestoreConfig):
  """One bulk run."""

  restoration: str
  engine: str
  block_size: int
  shard_index: int
  shard_count: int
  distributed: bool | None
  coordinator_address: str | None
  num_processes: int | None
  process_id: int | None
  ray_actors: int | None
  threads: int
  save_image: bool
  save_noise: bool
  previews: int
  remat: bool
  retry_failures: bool
  finalize: bool
  export: list[str]
  dry_run: bool

  def settings(self) -> worker.Settings:
    """What decides the results; paths that hold in another working folder, too."""
    perceptual = file_of(self.perceptual)
    return worker.Settings(
      weights=self.weights and os.path.abspath(self.weights),
      precision=self.precision,
      perceptual=os.path.abspath(perceptual) if perceptual else self.perceptual,
      degradation=self.degradation,
      already_degraded=self.already_degraded,
      preset=self.chosen_preset(),
      hyper=self.hyper(),
      seed=self.seed,
      align=self.align,
      save_image=self.save_image,
      save_noise=self.save_noise,
      previews=self.previews,
      remat=self.remat,
    )

  def shard(self) -> Shard:
    """Which share is this process's; may wait for the other processes."""
    wanted = cluster.is_cluster() if self.distributed is None else self.distributed
    if wanted and self.engine == 'local':
      try:
        return cluster.join(self.coordinator_address, self.num_processes, self.process_id)
      except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
          f'--distributed: the processes did not find one another ({reason}); give '
          '--coordinator_address, --num_processes and --process_id, or --shard_index and '
          '--shard_count instead'
        ) from None
    return Shard(self.shard_index, self.shard_count)


def from_flags() -> BulkConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag that the task needs is missing, or makes no sense.
  """
  if unknown := set(FLAGS.export) - set(EXPORTS):
    raise ConfigError(f'--export={",".join(sorted(unknown))}: it is of {", ".join(EXPORTS)}')
  if FLAGS.finalize and not FLAGS.input:
    FLAGS.input = FLAGS.output  # it is not read
  config = configuration(BulkConfig, FLAGS.restoration)
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
        f'--{flag}: --task=bulk makes one inversion per picture, with one generator, and all '
        'values given; leave it out'
      )
  if config.engine == 'ray':
    if config.shard_count > 1 or config.distributed:
      raise ConfigError('--engine=ray: Ray itself shares the data set; leave out the shards')
    if config.batch_size == BATCH_AUTO:
      raise ConfigError('--batch_size=auto: not with --engine=ray; see --dry_run on one machine')
  return config
