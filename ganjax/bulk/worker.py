"""The one core of every bulk run: from blocks of pictures to blocks of results.

The local loop, the processes of a pod and the actors of a Ray cluster all call `Worker.run`.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ganjax import data, degradations, faces, inversion, weights
from ganjax.bulk import prefetch, tf_examples
from ganjax.bulk.parts import Outcome, Parts
from ganjax.bulk.plan import BlockPlan
from ganjax.data import journal
from ganjax.data.sources import Entry, Source
from ganjax.inversion import Paused
from ganjax.inversion.problem import Problem
from ganjax.restoration.degrade import Degraded
from ganjax.restoration.faces import Face
from ganjax.restoration.measure import measure
from ganjax.restoration.result import Result
from ganjax.restoration.solve import Method
from ganjax.weights import Networks

PREVIEWS = ('aligned', 'degraded', 'mask', 'outlined', 'restored', 'completed')


@dataclasses.dataclass(frozen=True)
class Settings:
  """What decides the results, as plain values that can be sent to another process."""

  weights: str | None
  precision: str
  perceptual: str  # as `load_perceptual` takes it
  degradation: str
  degrade_first: bool
  preset: inversion.Preset
  hyper: inversion.Hyper
  seed: int
  align: faces.Mode
  save_image: bool
  save_noise: bool
  previews: int  # so many first pictures are also written as files, for the report
  remat: bool
  init: str  # as `weights.load` takes it

  def prior(self) -> tuple[inversion.Prior, Networks]:
    """Loads the networks."""
    networks = weights.load(self.weights, self.precision, self.remat, self.init)
    perceptual = inversion.load_perceptual(self.perceptual, networks, self.precision)
    return inversion.make_prior(networks, perceptual), networks

  def method(self) -> Method:
    """How each face is restored.

    Raises:
      DegradationError: the degradation cannot be read.
    """
    return Method(
      degradation=degradations.parse(self.degradation),
      preset=self.preset,
      hyper=self.hyper,
      task='bulk',
      seed=self.seed,
      degrade_first=self.degrade_first,
      shows_degraded=self.degradation != 'identity()',
    )


class _Job(NamedTuple):
  """A face at work."""

  entry: Entry
  face: Face
  degraded: Degraded

  @property
  def order(self) -> tuple[int, int]:
    """As in `Outcome`."""
    return self.entry.index, self.face.number


class Stopped(KeyboardInterrupt):
  """The run has been asked to stop; raised between chunks, when all states are whole."""


class Tally:
  """Counts what came out; for people and for status files."""

  def __init__(self) -> None:
    self.pictures = 0  # done, in this run; failed ones count, too
    self.faces = 0
    self.failed = 0
    self.settled = 0  # faces that stopped before their last step

  def count(self, outcome: Outcome, num_steps: int) -> None:
    """Takes in one outcome."""
    if outcome.failed:
      self.pictures += 1
      self.failed += 1
      return
    self.faces += 1
    self.pictures += outcome.line['face'] == outcome.line['num_results'] - 1
    self.settled += outcome.line['num_steps'] < num_steps


class _Block:
  """A block at work."""

  def __init__(self, block: int, size: int, kept: list[Outcome]):
    self.block, self.outcomes = block, kept
    self.to_prepare, self.at_work = size, 0
    self._known = {outcome.order for outcome in kept}
    self._faces = {
      outcome.order[0]: outcome.line.get('num_results', 0) for outcome in kept
    }  # of the pictures that have outcomes

  def wants(self, entry: Entry) -> bool:
    """Whether a picture still needs work."""
    have = sum(order[0] == entry.index for order in self._known)
    return not have or have < self._faces[entry.index]

  def lacks(self, entry: Entry, face: Face) -> bool:
    return (entry.index, face.number) not in self._known

  @property
  def is_whole(self) -> bool:
    return not self.to_prepare and not self.at_work


class Worker:
  """Networks, compiled programs and an open source; turns blocks into parts."""

  def __init__(
    self,
    settings: Settings,
    config_hash: str,
    plan: BlockPlan,
    source: Source,
    parts: Parts,
    batch_size: int,
    threads: int,
  ):
    """Loads the networks; compiling waits for the first picture.

    Args:
      settings: what decides the results.
      config_hash: kept with every result.
      plan: of the data set.
      source: its pictures.
      parts: where the results go.
      batch_size: images that are optimised together.
      threads: that decode and align pictures.

    Raises:
      WeightsError, DegradationError: the settings name what cannot be used.
    """
    self.settings, self._hash, self._plan = settings, config_hash, plan
    self._source, self._parts, self._threads = source, parts, threads
    self._method = settings.method()
    self._prior, networks = settings.prior()
    self._encoder = networks.encoder
    self._stages = inversion.stages_of(settings.preset)
    side = networks.resolution
    self._method.check(side)
    self._search = self._method.search(networks, settings.align)
    self._kinds = ['restored']
    if self._method.degradation.is_completable:
      self._kinds.append('completed')
    self._features = tf_examples.features(
      self._prior, settings.preset, self._kinds, settings.save_image, settings.save_noise
    )
    self._slots = inversion.ContinuousBatch(
      self._prior,
      self._stages,
      batch_size,
      inversion.even_chunk(settings.preset, int(settings.hyper.num_steps)),
    )
    self._blocks: dict[int, _Block] = {}
    self.tally = Tally()

  @property
  def features(self) -> Any:
    """The tfds.features.FeaturesDict of the results."""
    return self._features

  def run(self, blocks: Iterable[int], on_chunk: Callable[[], None] | None = None) -> None:
    """Works through blocks, and writes each when it is whole.

    Args:
      blocks: their numbers; taken one after another as slots get free.
      on_chunk: called after every chunk of steps. It may raise Stopped: what is finished is then
        kept for the next run, and how far the others are.

    Raises:
      StoreError: the output folder cannot be written.
    """
    try:
      solved = self._slots.solve(self._problems(blocks), on_chunk, self._resumed)
      for job, found in solved:
        self._finish(job.entry, self._outcome(job, found))
    except BaseException as error:
      with contextlib.suppress(data.StoreError):  # whatever went wrong first is what counts
        for block in self._blocks.values():
          if block.outcomes:
            self._parts.set_aside(block.block, block.outcomes)
        if isinstance(error, Stopped):
          for job, paused in self._slots.paused():
            self._parts.set_paused_aside(job.order, paused.arrays())
      raise

  def _resumed(self, job: _Job, problem: Problem) -> Paused | None:
    """How far an earlier run came with a face."""
    kept = self._parts.paused_aside(job.order)
    if kept is None:
      return None
    return Paused.from_arrays(self._prior, self._stages, problem, kept)

  def _entries(self, blocks: Iterable[int]) -> Iterator[Entry]:
    for number in blocks:
      entries = self._source.entries(*self._plan.bounds(number))
      block = _Block(number, len(entries), self._parts.aside(number))
      self._blocks[number] = block
      wanted = [entry for entry in entries if block.wants(entry)]
      block.to_prepare = len(wanted)
      self.tally.pictures += len(entries) - len(wanted)  # an interrupted run did them
      self._close_if_whole(block)
      yield from wanted

  def _problems(self, blocks: Iterable[int]) -> Iterator[tuple[_Job, Problem]]:
    """What is to be inverted, as it is prepared."""

    def faces_of(entry: Entry):
      return prefetch.faces_of(self._source, entry, self._search)

    depth = 2 * max(self._slots.size, self._threads)
    for entry, found in prefetch.ahead(faces_of, self._entries(blocks), self._threads, depth):
      block = self._blocks[entry.index // self._plan.block_size]
      block.to_prepare -= 1
      if isinstance(found, str):
        line = {'name': entry.name, 'source': entry.source, 'index': entry.index, 'reason': found}
        self._finish_in(block, Outcome((entry.index, 0), line, None))
        continue
      lacking = [face for face in found if block.lacks(entry, face)]
      block.at_work += len(lacking)
      for face in lacking:
        yield self._problem(entry, face)

  def _problem(self, entry: Entry, face: Face) -> tuple[_Job, Problem]:
    degraded = self._method.degrade(face, self._search.side)
    return _Job(entry, face, degraded), self._method.problem(
      self._prior, face, degraded, self._encoder
    )

  def _finish(self, entry: Entry, outcome: Outcome) -> None:
    block = self._blocks[entry.index // self._plan.block_size]
    block.at_work -= 1
    self._finish_in(block, outcome)

  def _finish_in(self, block: _Block, outcome: Outcome) -> None:
    block.outcomes.append(outcome)
    self.tally.count(outcome, int(self.settings.hyper.num_steps))
    self._close_if_whole(block)

  def _close_if_whole(self, block: _Block) -> None:
    if block.is_whole:
      self._parts.write(block.block, block.outcomes)
      del self._blocks[block.block]

  def _outcome(self, job: _Job, found: inversion.Restoration) -> Outcome:
    result = self._result(job, found)
    files = None
    if job.entry.index < self.settings.previews and job.face.number == 0:
      files = self._write_previews(job.entry.index, result.images)
    made = tf_examples.example(self._features, job.entry.index, result, self._hash)
    return Outcome(job.order, result.line('bulk', files), made)

  def _result(self, job: _Job, found: inversion.Restoration) -> Result:
    face, degraded = job.face, job.degraded
    images = self._method.images(degraded, found)
    compared = {kind: images[kind] for kind in self._kinds}
    record: dict[str, Any] = {'index': job.entry.index, 'face': face.number}
    if face.name != face.photo_name:
      record['photo'] = face.photo_name
    record |= {key: degraded.record[key] for key in ('hidden', 'notes') if key in degraded.record}
    return Result(
      name=face.name,
      source=face.source,
      images=images,
      metrics=measure(compared, degraded, with_fidelity=False),
      record=record,
      restoration=found,
      quad=face.crop.quad,
      num_results=face.num_faces,
    )

  def _write_previews(self, index: int, images: dict[str, np.ndarray]) -> dict[str, str]:
    files = {kind: preview(kind, index) for kind in images}
    for kind, path in files.items():
      png = data.encode_png(images[kind])
      journal.replace(self._parts.folder / path, png, self._parts.scratch)
    return files


def preview(kind: str, index: int) -> str:
  """The path, below the output folder, of a picture's preview."""
  return f'{kind}/{index:08d}.png'
