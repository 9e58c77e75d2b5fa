"""Bulk runs on a Ray cluster: the same block function, in stateful actors, one per device.

Ray schedules the blocks, starts and restarts actors, and adds and takes machines as its cluster
grows and shrinks. A block whose actor dies is done again by another; since its files are written
in one step, nothing is lost and nothing is there twice.
"""

import logging
from typing import Any

from ganjax.bulk import local, output, plan
from ganjax.bulk.parts import Parts
from ganjax.bulk.status import Status
from ganjax.bulk.worker import Tally
from ganjax.runtime import compile_cache, extras, precision
from ganjax.runtime.cluster import Shard


class Actor:
  """What Ray Data keeps alive on each device."""

  def __init__(self, job: local.Job):
    compile_cache.enable()
    precision.set_default(job.settings.precision)
    made = plan.read(job.folder)
    assert made is not None  # the driver has made it
    self._scratch = output.passing_scratch(job.folder)
    self._parts = Parts(job.folder, made.num_blocks, self._scratch.__enter__())
    self._worker = job.worker(made, self._parts, made.block_size)

  def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
    """Works through the blocks of a batch; returns how their pictures fared."""
    self._worker.tally = tally = Tally()
    blocks = [int(block) for block in batch['block']]
    # A retried block may have been finished by the actor that died.
    self._worker.run(local.to_do(self._parts, blocks, retry_failures=False))
    return {**batch, **{name: [count] * len(blocks) for name, count in vars(tally).items()}}


def run(job: local.Job, made: plan.BlockPlan, num_actors: int | None, retry_failures: bool) -> None:
  """Works through the whole data set.

  Args:
    job: what to do; its folder must be the same on all machines of the cluster.
    made: the plan of that folder.
    num_actors: how many; None: one per GPU or TPU chip, or else one per two CPUs.
    retry_failures: tries the failures of earlier runs again.

  Raises:
    MissingPackageError: Ray is not installed.
    KeyboardInterrupt: SIGINT or SIGTERM came; blocks that were done are kept.
  """
  with extras.needs('ray'):  # on all machines of the cluster
    import ray
  shard = Shard()
  with output.scratch(job.folder, str(shard)) as scratch:
    parts = Parts(job.folder, made.num_blocks, scratch)
    blocks = local.to_do(parts, made.blocks(shard), retry_failures)
    if not blocks:
      return
    tally = Tally()
    total = made.num_pictures
    before = total - local.pictures_in(made, blocks)
    path = job.folder / output.STATUS / f'{shard}.json'
    # Connects to the cluster that RAY_ADDRESS names, or starts one on this machine.
    ray.init(
      ignore_reinit_error=True,
      log_to_driver=False,
      include_dashboard=False,
      logging_level=logging.ERROR,
    )
    logging.getLogger('ray.data').setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
      needs, available = _device(ray.cluster_resources())
      actors = min(num_actors or available, len(blocks))
      data = ray.data.from_items(
        [{'block': block} for block in blocks], override_num_blocks=len(blocks)
      ).map_batches(
        Actor,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
        **needs,
      )
      with Status(path, scratch, shard, tally, total, before) as status:
        for row in data.iter_rows():
          for name in vars(tally):
            setattr(tally, name, getattr(tally, name) + int(row[name]))
          status.show()
    finally:
      ray.shutdown()
      output.sweep(job.folder, 0.0)  # what the actors leave when Ray ends them


def _device(resources: dict[str, float]) -> tuple[dict[str, Any], int]:
  """What one actor asks for, and how many can have it."""
  if resources.get('GPU'):
    return {'num_gpus': 1}, int(resources['GPU'])
  if resources.get('TPU'):
    return {'resources': {'TPU': 1}}, int(resources['TPU'])
  return {'num_cpus': 1}, max(1, int(resources.get('CPU', 1)) // 2)
