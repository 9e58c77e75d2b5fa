"""What tasks that train share: their folder, their intervals, and processes that work as one.

Beside what every run writes there is `training/`: checkpoints, measurements as lines of JSON, and
TensorBoard's event files.
"""

import contextlib
import dataclasses
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

from ganjax import data, report, training
from ganjax.data.claim import TRAINING
from ganjax.data.sources import Entry
from ganjax.runtime import cluster
from ganjax.tasks import console
from ganjax.tasks.settings import ConfigError
from ganjax.tasks.train.training_config import NEUTRAL, TrainingConfig

WEIGHTS = 'generator.safetensors'  # what a run exports


@dataclasses.dataclass(frozen=True)
class Run:
  """An open run; `store` and `log` are None on all processes but the first."""

  folder: pathlib.Path
  first: int  # how many steps had been taken when it was opened
  store: data.Store | None
  log: training.Log | None
  checkpoints: training.Checkpoints

  def restored(self, start: Any) -> Any:
    """The state to go on from; `start` where the run begins."""
    return self.checkpoints.restore(start) if self.first else start

  def fail(self, entry: Entry, error: data.ImageError) -> None:
    """Notes a picture that cannot be learnt from."""
    if self.store is not None:
      self.store.add_failure(entry.source, entry.name, error)
    else:  # the list belongs to the first process
      print(f'failed: {error}', file=sys.stderr)

  def write_image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Keeps a picture of samples, in samples/ and in TensorBoard's files."""
    if self.store is not None and self.log is not None:
      self.store.write_image('samples', f'{name}-{step:08d}', pixels)
      self.log.picture(step, name, pixels)

  def write_measured(self, step: int, means: dict[str, float], batch_size: int) -> None:
    """Notes what `training.run` tells of some steps, and how many pictures a second they took."""
    if self.log is not None:
      means['pictures_per_second'] = means.pop('steps_per_second') * batch_size
      self.log.add(step, means)

  def write_curves(self) -> None:
    """Draws all that was measured: curves/NAME.png."""
    if self.store is not None and self.log is not None:
      for name, (steps, values) in self.log.curves().items():
        if len(steps):
          self.store.write_bytes(f'curves/{name}.png', report.curve(steps, values, name))


def intervals(config: TrainingConfig) -> training.Intervals:
  """When measurements, samples and checkpoints are due."""
  return training.Intervals(
    config.num_steps, config.log_every, config.save_every, config.checkpoint_every
  )


@contextlib.contextmanager
def opened(config: TrainingConfig, weights_sha256: str = '') -> Iterator[Run]:
  """Connects the processes, if there are several, and opens the run's folder.

  Args:
    config: of the run.
    weights_sha256: of the network that is trained for, if there is such.

  Raises:
    ConfigError: the processes do not find one another.
    StoreError: as `data.Store.open`.
  """
  _connect(config)
  folder = pathlib.Path(config.output)
  leads = jax.process_index() == 0
  with contextlib.ExitStack() as stack:
    store = None
    if leads:
      store = stack.enter_context(
        data.Store.open(folder, config.record(weights_sha256), config.overwrite, NEUTRAL)
      )
      if config.overwrite:
        shutil.rmtree(folder / TRAINING, ignore_errors=True)
    if jax.process_count() > 1:
      multihost_utils.sync_global_devices('opened')
    checkpoints = stack.enter_context(
      training.Checkpoints(folder / TRAINING / 'checkpoints', config.keep_checkpoints)
    )
    log = None
    first = checkpoints.latest or 0
    if leads:
      log = stack.enter_context(training.Log(folder / TRAINING, first))
    yield Run(folder, first, store, log, checkpoints)


def _connect(config: TrainingConfig) -> None:
  wanted = cluster.is_cluster() if config.distributed is None else config.distributed
  if not wanted or jax.distributed.is_initialized():
    return
  try:
    jax.distributed.initialize(config.coordinator_address, config.num_processes, config.process_id)
  except (RuntimeError, ValueError) as error:
    raise ConfigError(
      f'--distributed: the processes did not find one another ({str(error).splitlines()[0]}); '
      'give --coordinator_address, --num_processes and --process_id'
    ) from None


@contextlib.contextmanager
def progress(config: TrainingConfig, first: int, shown: str) -> Iterator[Any]:
  """A bar over the steps; gives what `training.Hooks.advance` calls.

  Args:
    shown: the measurement beside the bar.
  """
  bar = tqdm(
    total=config.num_steps,
    initial=first,
    desc=config.task,
    unit='step',
    file=sys.stdout,
    disable=jax.process_index() > 0,
    mininterval=1.0,
  )
  bar.set_postfix_str('compiling')

  def advance(step: int, values: dict[str, float]) -> None:
    bar.set_postfix_str(f'{shown} {values[shown]:.4g}' if shown in values else '', refresh=False)
    bar.update(step - bar.n)

  with bar:
    yield advance


def train(
  config: TrainingConfig,
  opened_run: Run,
  step: training.loop.Step,
  state: Any,
  batches: Iterator[Any],
  sample: Callable[[int, Any], None],
  shown: str,
) -> None:
  """Trains to the end, and has samples and weights written on the way.

  Args:
    config: of the run.
    opened_run: the run.
    step, state, batches: as `training.run` takes them.
    sample: (steps taken, state): writes samples and weights.
    shown: the measurement beside the bar.
  """

  def log(done: int, means: dict[str, float]) -> None:
    opened_run.write_measured(done, means, int(config.batch_size))

  with progress(config, opened_run.first, shown) as advance:
    state = training.run(
      step,
      state,
      opened_run.first,
      batches,
      intervals(config),
      opened_run.checkpoints,
      training.Hooks(log, sample, advance),
    )
  if opened_run.first >= config.num_steps:  # it may have been killed before it wrote its weights
    sample(config.num_steps, state)


def print_summary(config: TrainingConfig, opened_run: Run, weights: str = WEIGHTS) -> int:
  """Tells where the weights are; returns the number of pictures that could not be read."""
  if opened_run.store is None:
    return 0
  print(f'{config.task}: done; weights: {opened_run.folder / weights}')
  return console.print_failures(opened_run.store)
