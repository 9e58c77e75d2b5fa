"""Restoring the faces of a run, batch by batch: degraded, inverted, chosen, completed, measured."""

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ganjax import faces, inversion
from ganjax.degradations import DegradationError, Pipeline
from ganjax.inversion import selection
from ganjax.inversion.problem import Problem
from ganjax.models.encoder import Encoder
from ganjax.pixels import to_bytes
from ganjax.restoration import degrade
from ganjax.restoration.completion import completed
from ganjax.restoration.degrade import Degraded
from ganjax.restoration.diagnosis import is_grey
from ganjax.restoration.faces import Face, Search
from ganjax.restoration.holes import pictures, refuse_drawn
from ganjax.restoration.measure import measure
from ganjax.restoration.result import Curves, Result
from ganjax.weights import Networks

Show = Callable[[inversion.Progress], None]
# (what is done, names, steps) -> a context in which progress is shown.
Watch = Callable[[str, list[str], int], contextlib.AbstractContextManager[Show]]
Frames = list[tuple[int, np.ndarray]]  # (step, uint8 image, or one of each image of a batch)


MOST_UNTOLD = 25  # steps between two signs of life


@dataclasses.dataclass(frozen=True)
class Method:
  """How the faces of a run are degraded and restored."""

  degradation: Pipeline  # what is done to the faces, or was
  preset: inversion.Preset
  hyper: inversion.Hyper
  task: str = 'restore'  # what the run is called
  seed: int = 0
  assumed: Pipeline | None = None  # what is taken for granted instead of `degradation`
  degrade_first: bool = False  # the faces are clean; else they are restored as they are
  restarts: int = 1
  auto_weight: bool = False  # whether latent_dist_reg_weight is found for each face
  save_every: int = 0  # steps between the frames that are kept; 0: none
  shows_degraded: bool = True  # whether results have the degraded image

  def check(self, side: int) -> None:
    """Raises DegradationError where a degradation does not fit faces of `side` px."""
    if not self.degrade_first:
      refuse_drawn(self.degradation)
    self.degradation.check(side, side)
    if self.assumed is None and not self.degradation.unknown:
      return
    assumed = self.assumed or self.degradation
    if not assumed.candidates(side, side):
      raise DegradationError(f'{assumed}: no value of what is unknown fits pictures of {side} px')
    if assumed.output_shape(side, side) != self.degradation.output_shape(side, side):
      raise DegradationError(f'{assumed}: is assumed, but gives another size than the degradation '
                             f'{self.degradation}')  # fmt: skip

  def search(
    self,
    networks: Networks,
    align: faces.Mode = 'auto',
    box: tuple[float, ...] | None = None,
    quads: Sequence[np.ndarray] = (),
  ) -> Search:
    """What is looked for in photos.

    Args:
      networks: of the generator that the faces are for.
      align, box: as `faces.align` takes them.
      quads: as `Search` has them.
    """
    given = (self.degradation,) if self.assumed is None else (self.degradation, self.assumed)
    return Search(
      networks.template,
      networks.resolution,
      align,
      box,
      given,
      as_is=not self.degrade_first,
      quads=tuple(quads),
    )

  def degrade(self, face: Face, side: int) -> Degraded:
    """Degrades one face, unless it came degraded; the same face always in the same way.

    Args:
      face: with its photo's holes.
      side: the generator's resolution, px.

    Raises:
      DegradationError: the degradation does not fit the face.
    """
    image, given = face.crop.image, face.located(self.degradation, side)
    if self.degrade_first:
      assumed = None if self.assumed is None else face.located(self.assumed, side)
      degraded = degrade.degrade(image, given, face.name, self.seed, assumed)
    else:
      degraded = degrade.as_it_is(image, given, face.name, self.seed)
    record: dict[str, Any] = {'degradation': str(face.measured(self.degradation, side))}
    hidden = float(np.mean(degraded.visible == 0))
    if hidden:
      record['hidden'] = round(hidden, 4)
    notes = list(face.notes)
    if not self.degrade_first and given.takes_colours and not is_grey(image):
      notes.append('it has colours of its own, which are taken away before it gets others')
    if notes:
      record['notes'] = notes
    return degraded._replace(record=record)

  def problem(
    self, prior: inversion.Prior, face: Face, degraded: Degraded, encoder: Encoder | None
  ) -> Problem:
    """What is to be inverted for one face; `encoder` as `inversion.make_problem` takes it."""
    return inversion.make_problem(
      prior, degraded.target, degraded.degradation, face.name, self.seed, self.hyper, encoder
    )

  def images(self, degraded: Degraded, restoration: inversion.Restoration) -> dict[str, np.ndarray]:
    """A face's images by kind, as `Result` has them."""
    restored = to_bytes(np.asarray(restoration.image))
    images = {'restored': restored}
    if degraded.truth is not None:
      images['aligned'] = degraded.truth
    if self.shows_degraded:
      images['degraded'] = to_bytes(degraded.target)
    images |= pictures(degraded.target, degraded.visible)
    if degraded.degradation.is_completable:
      images['completed'] = completed(degraded.degradation, degraded.target, restored)
    return images


class _Chosen(NamedTuple):
  """The best of one face's inversions."""

  restoration: inversion.Restoration
  frames: Frames
  record: dict[str, Any]  # how it was chosen
  deviation: np.ndarray | None = None  # [H, W], where restarts disagree


def restore_faces(
  networks: Networks,
  perceptual: inversion.Perceptual,
  found: Iterable[Face],
  method: Method,
  batch_size: int,
  watch: Watch,
) -> Iterator[tuple[Face, Result]]:
  """Restores faces one batch after another.

  Args:
    networks: of the generator; with their encoder, if they have one, searches begin.
    perceptual: how images are compared.
    found: the faces, with their photos; nothing is compiled if there are none.
    method: what is done.
    batch_size: faces that are restored together.
    watch: shows progress.
  """
  found = iter(found)
  prior = None
  while batch := list(itertools.islice(found, batch_size)):
    prior = prior or inversion.make_prior(networks, perceptual)
    degraded = [method.degrade(face, networks.resolution) for face in batch]
    results: dict[int, Result] = {}
    for part in _alike(degraded):
      own = [batch[i] for i in part], [degraded[i] for i in part]
      restored = _restore(prior, networks.encoder, *own, method, watch)
      results |= dict(zip(part, restored, strict=True))
    for i, face in enumerate(batch):
      yield face, results[i]


def _alike(degraded: list[Degraded]) -> list[list[int]]:
  """Which images of a batch can be inverted together: those of one size and one kind of damage."""
  kinds: dict[Any, list[int]] = {}
  for i, one in enumerate(degraded):
    operators = tuple(type(operator) for operator in one.degradation.operators)
    kinds.setdefault((one.target.shape, operators, one.degradation.unknown), []).append(i)
  return list(kinds.values())


def _restore(
  prior: inversion.Prior,
  encoder: Encoder | None,
  batch: Sequence[Face],
  degraded: list[Degraded],
  method: Method,
  watch: Watch,
) -> Iterator[Result]:
  """The results of images that are alike."""
  started = time.monotonic()
  degraded = _identified(prior, batch, degraded, method, watch)
  groups = [
    _candidates(prior, encoder, method.problem(prior, *pair, encoder), method)
    for pair in zip(batch, degraded, strict=True)
  ]
  problems = [problem for group in groups for problem in group]
  solved, frames = _solve(prior, [face.name for face in batch], problems, method, watch)
  seconds = round((time.monotonic() - started) / len(batch), 2)
  first = 0
  for face, one, group in zip(batch, degraded, groups, strict=True):
    rows = slice(first, first + len(group))
    first += len(group)
    own = [(step, images[rows]) for step, images in frames]
    chosen = _choose(prior, group, _rows(solved, rows), own, method)
    yield dataclasses.replace(_result(method, face, one, chosen), seconds=seconds)


def _identified(
  prior: inversion.Prior,
  batch: Sequence[Face],
  degraded: list[Degraded],
  method: Method,
  watch: Watch,
) -> list[Degraded]:
  """Finds the unknown parameters of a batch's degradations."""
  if not any(one.degradation.unknown for one in degraded):
    return degraded
  names = [face.name for face in batch]
  with watch('identify', names, inversion.IDENTIFY_STEPS) as show:
    found = inversion.identify(
      prior,
      np.stack([one.target for one in degraded]),
      [one.degradation for one in degraded],
      names,
      method.seed,
      show,
    )
  return [
    one.identified(answer.degradation, race=answer.losses)
    for one, answer in zip(degraded, found, strict=True)
  ]


def _candidates(
  prior: inversion.Prior, encoder: Encoder | None, problem: Problem, method: Method
) -> list[Problem]:
  """What is inverted for one face: its problem, or several to choose from."""
  if method.auto_weight:
    return selection.with_weights(problem)
  return selection.restarts(prior, problem, method.restarts, encoder)


def _solve(
  prior: inversion.Prior, names: list[str], problems: list[Problem], method: Method, watch: Watch
) -> tuple[inversion.Restoration, Frames]:
  """Inverts all problems of a batch; also gives the frames of the way, the last one included."""
  frames: Frames = []
  num_steps = int(method.hyper.num_steps)
  with watch(method.task, names, num_steps) as show:

    def on_progress(progress: inversion.Progress) -> None:
      show(progress)
      before = frames[-1][0] if frames else 0
      is_due = method.save_every and progress.step >= before + method.save_every
      if is_due and progress.step < num_steps:
        frames.append((progress.step, to_bytes(progress.render())))

    solved = inversion.run(
      prior,
      inversion.stages_of(method.preset),
      inversion.stack(problems),
      on_progress,
      _told_every(method.save_every),
    )
  if method.save_every:
    frames.append((int(np.max(solved.num_steps)), to_bytes(np.asarray(solved.image))))
  return solved, frames


def _told_every(save_every: int) -> int:
  """Steps after which progress is shown: at most `MOST_UNTOLD`, if frames can fall among them."""
  parts = max(1, -(-save_every // MOST_UNTOLD))
  if not save_every:
    return MOST_UNTOLD
  return save_every if save_every % parts else save_every // parts


def _rows(solved: inversion.Restoration, rows: slice) -> inversion.Restoration:
  """A part of a batch."""
  part = jax.tree.map(lambda leaf: np.asarray(leaf[rows]), solved._replace(tuned=None))
  return part if solved.tuned is None else part._replace(tuned=solved.tuned[rows])


def _choose(
  prior: inversion.Prior,
  problems: list[Problem],
  group: inversion.Restoration,
  frames: Frames,
  method: Method,
) -> _Chosen:
  """Chooses among one face's inversions."""
  record: dict[str, Any] = {}
  deviation = None
  if method.auto_weight:
    misfits = selection.misfits(prior, method.preset, inversion.stack(problems), group.image)
    assert group.latent is not None
    best = selection.select_weight(prior, group.latent, misfits)
    record = {'latent_dist_reg_weight': selection.WEIGHT_GRID[best]}
  else:
    best = int(np.argmin(group.loss[:, -1]))
    if method.restarts > 1:
      record = {'restart': best, 'losses': group.loss[:, -1].tolist()}
      deviation = selection.deviation(np.asarray(group.image))
  one = jax.tree.map(lambda leaf: leaf[best], group._replace(tuned=None))
  if group.tuned is not None:
    one = one._replace(tuned=group.tuned[best : best + 1])
  return _Chosen(one, [(step, images[best]) for step, images in frames], record, deviation)


def _result(method: Method, face: Face, degraded: Degraded, chosen: _Chosen) -> Result:
  """What came of one face."""
  found = chosen.restoration
  images = method.images(degraded, found)
  return Result(
    name=face.name,
    source=face.source,
    images=images,
    metrics=measure(images, degraded),
    record={**degraded.record, **chosen.record},
    restoration=found,
    degradation=degraded.degradation,
    quad=face.crop.quad,
    num_results=face.num_faces,
    curves=Curves({'total': found.loss, **found.terms._asdict()}),
    frames=chosen.frames,
    deviation=chosen.deviation,
  )
