"""Bulk: invert or restore a whole data set, on many devices and hosts, and lose nothing."""

import datetime
import os
import pathlib
import tempfile

import numpy as np

from ganjax import degradations, inversion, report, weights
from ganjax.bulk import finalize, local, output, pasted, plan, ray, worker
from ganjax.bulk.parts import Parts
from ganjax.choices import INITS
from ganjax.data import claim
from ganjax.inversion import memory
from ganjax.inversion.perceptual import file_of
from ganjax.inversion.problem import Problem
from ganjax.models.architecture import generator_config
from ganjax.restoration.degrade import drawn
from ganjax.restoration.holes import without_holes
from ganjax.runtime import cluster, sharding
from ganjax.runtime.cluster import Shard
from ganjax.tasks.bulk_config import BulkConfig
from ganjax.tasks.config import BATCH_AUTO, ConfigError
from ganjax.tasks.restore_config import check_steps
from ganjax.weights import hub

MOST_REPORTED = 5000  # results: beyond that the report is written only when asked for


def run(config: BulkConfig) -> int:
  """Works through this process's share of a data set; returns the number of failures."""
  folder = pathlib.Path(config.output)
  if config.finalize:
    return _finish(config, folder)
  shard = _shard(config)
  if config.dry_run:
    _dry_run(config, shard)
    return 0
  _check(config)
  with output.shard_lock(folder, shard):
    digest, made = output.open_folder(
      folder,
      config.record(*_digests(config)),
      config.block_size,
      config.previews,
      shard,
      config.overwrite,
    )
    job = local.Job(
      folder.absolute(), digest, _settings(config), _batch_size(config), config.threads
    )
    try:
      if config.engine == 'ray':
        ray.run(job, made, config.ray_actors, config.retry_failures)
      else:
        local.run(job, made, shard, config.retry_failures)
    except KeyboardInterrupt:
      output.collect(folder)
      raise
  return _finish(config, folder)


def _settings(config: BulkConfig) -> worker.Settings:
  """What decides the results; paths that hold in another working folder, too."""
  perceptual = file_of(config.perceptual)
  return worker.Settings(
    weights=config.weights and _absolute(config.weights),
    precision=config.precision,
    perceptual=_absolute(perceptual) if perceptual else config.perceptual,
    degradation=config.degradation,
    degrade_first=config.degrade_first,
    preset=config.chosen_preset(),
    hyper=config.hyper(),
    seed=config.seed,
    align=config.align,
    save_image=config.save_image,
    save_noise=config.save_noise,
    previews=config.previews,
    remat=config.remat,
    init=config.init if config.init in INITS else _absolute(config.init),
  )


def _absolute(path: str) -> str:
  return path if hub.is_remote(path) else os.path.abspath(path)


def _shard(config: BulkConfig) -> Shard:
  """Which share is this process's; may wait for the other processes."""
  wanted = cluster.is_cluster() if config.distributed is None else config.distributed
  if wanted and config.engine == 'local':
    try:
      return cluster.join(config.coordinator_address, config.num_processes, config.process_id)
    except (RuntimeError, ValueError) as error:
      reason = str(error).strip().splitlines()[0]
      raise ConfigError(
        f'--distributed: the processes did not find one another ({reason}); give '
        '--coordinator_address, --num_processes and --process_id, or --shard_index and '
        '--shard_count instead'
      ) from None
  return Shard(config.shard_index, config.shard_count)


def _digests(config: BulkConfig) -> tuple[str, str]:
  """Of the generator's file and of the encoder's; the latter is '' where there is none."""
  generator = weights.tensor_file.sha256(config.weights or weights.DEFAULT)
  encoder = weights.encoders.find(generator, config.init)
  return generator, '' if encoder is None else weights.tensor_file.sha256(encoder)


def _check(config: BulkConfig) -> None:
  """Refuses what cannot be used before anything is written."""
  settings = _settings(config)
  _, header = weights.tensor_file.read_family(config.weights or weights.DEFAULT, 'stylegan2')
  inversion.check_perceptual(settings.perceptual)
  side = generator_config(header['generator']).resolution
  settings.method().check(side)
  check_steps(config, _digests(config)[1] or None)


def _finish(config: BulkConfig, folder: pathlib.Path) -> int:
  """Joins what there is; makes it a data set if it is complete; returns the failures."""
  done, failed = output.collect(folder)
  see = f', {failed:,} failed: see {folder / claim.FAILURES}' if failed else ''
  print(f'bulk: {done:,} results{see}')
  with output.passing_scratch(folder) as own:
    try:
      finalize.finalize(folder, own)
    except finalize.IncompleteError as error:
      if config.finalize:
        raise
      print(f'bulk: not complete yet: {error}')
    else:
      print(f'bulk: complete; read it with tfds.builder_from_directory({str(folder)!r})')
      failed += _export(config, folder, own)
  if done + failed > MOST_REPORTED:
    print(f'report: --task=report --input={folder}')
  else:
    print(f'report: {report.write_report(folder)}')
  return failed


def _export(config: BulkConfig, folder: pathlib.Path, scratch: pathlib.Path) -> int:
  """Writes the files that are asked for; returns how many could not be made."""
  failures: list[dict] = []
  for kind in config.export:
    if kind == pasted.KIND:
      count, failures = pasted.export(folder, scratch, config.threads)
      output.collect(folder, failures)  # tells the report of them
    else:
      count = finalize.export(folder, kind, scratch)
    print(f'bulk: {count:,} files in {folder / kind}')
  if failures:
    print(f'bulk: {len(failures):,} photos could not be pasted: see {folder / claim.FAILURES}')
  return len(failures)


def _example(prior: inversion.Prior, networks: weights.Networks, config: BulkConfig) -> Problem:
  """A picture such as all others, for measuring."""
  side = prior.generator.config.resolution
  pipeline = without_holes(degradations.parse(config.degradation), side)
  degradation, key = drawn(pipeline, 'example', config.seed)
  target = degradation.true(np.zeros((side, side, 3), np.float32), key)
  return inversion.make_problem(
    prior, target, degradation, 'example', config.seed, config.hyper(), networks.encoder
  )


def _fit(config: BulkConfig, prior: inversion.Prior, networks: weights.Networks) -> memory.Fit:
  """The batch that is asked for, or the largest that fits."""
  problem, stages = _example(prior, networks, config), inversion.stages_of(config.chosen_preset())
  chunk = inversion.even_chunk(config.chosen_preset(), config.num_steps)
  if config.batch_size == BATCH_AUTO:
    return memory.largest_batch(prior, stages, problem, chunk)
  size = sharding.round_up(config.batch_size)
  needed = memory.needed(prior, stages, problem, size, chunk)
  return memory.Fit(size, needed, memory.device_memory())


def _batch_size(config: BulkConfig) -> int:
  if config.batch_size != BATCH_AUTO:
    return config.batch_size
  fit = _fit(config, *_settings(config).prior())
  print(f'bulk: {_memory(fit)}')
  return fit.batch_size


def _memory(fit: memory.Fit) -> str:
  return (
    f'a batch of {fit.batch_size} needs {fit.bytes_needed / 2**20:,.0f} of '
    f'{fit.bytes_there / 2**20:,.0f} MiB on each of {sharding.mesh(fit.batch_size).size} device(s)'
  )


def _dry_run(config: BulkConfig, shard: Shard) -> None:
  """Prints the plan, the memory and the time; writes nothing into the output folder."""
  _check(config)
  folder = pathlib.Path(config.output)
  with tempfile.TemporaryDirectory() as temporary:
    made = plan.read(folder)
    if made is None:
      made = plan.make(config.input, config.block_size, pathlib.Path(temporary) / 'listing')
    done = Parts(folder, made.num_blocks, pathlib.Path(temporary)).done()
  blocks = [block for block in made.blocks(shard) if block not in done]
  pictures = local.pictures_in(made, blocks)
  print(
    f'plan: {made.num_pictures:,} pictures in {made.num_blocks:,} blocks of {made.block_size}; '
    f'{len(done):,} blocks are done'
  )
  print(
    f'shard {shard.index} of {shard.count}: {len(blocks):,} blocks to do, {pictures:,} pictures, '
    f'{config.num_steps} steps each'
  )
  if not config.num_steps:
    print('one pass of the encoder each: there is no step to measure')
    return
  prior, networks = _settings(config).prior()
  fit = _fit(config, prior, networks)
  print(f'memory: {_memory(fit)}')
  preset = config.chosen_preset()
  chunk = inversion.even_chunk(preset, config.num_steps)
  problem = _example(prior, networks, config)
  step, compiling = memory.step_seconds(
    prior, inversion.stages_of(preset), problem, fit.batch_size, chunk
  )
  seconds = pictures * config.num_steps * step / fit.batch_size
  row = sharding.mesh(fit.batch_size).devices
  print(
    f'measured on {row.size} × {row[0].device_kind}: {1000 * step:.1f} ms per step of the batch, '
    f'{compiling:.0f} s for compiling'
  )
  print(f'expected: {datetime.timedelta(seconds=round(seconds))} for this shard', end='')
  print(', or less with --stop_when_settled' if not config.stop_when_settled else ' at most')
