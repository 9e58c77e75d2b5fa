"""Restores visitors' photos, one at a time."""

import contextlib
import os
import pathlib
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ganjax import data, faces, inversion, report, weights
from ganjax.choices import INIT_AUTO
from ganjax.degradations import DegradationError
from ganjax.errors import GanjaxError
from ganjax.pixels import to_bytes
from ganjax.restoration.defaults import defaults_of, has_dial
from ganjax.restoration.diagnosis import Finding, diagnose
from ganjax.restoration.faces import coding_of, noise_of, reduced
from ganjax.restoration.photos import RestoredPhoto, restore_photos
from ganjax.restoration.solve import Show
from ganjax.web import damages, latents
from ganjax.web.damages import Plan, VisitorError
from ganjax.web.session import Outcome, RestoredFace, Session, State, Update
from ganjax.web.uploads import SHOWN_SIDE, Upload, box_around, found_in, open_upload, painted

BUNDLED = 'bundled'
MOST_STEPS = 2000
TOLD_EVERY = 10  # steps
# Tasks whose programs are compiled before they are asked for.
WARMED = ('inpaint', 'deblur', 'colorize')
_WARM_STEPS = 50  # whose phases come in chunks as long as those of the presets' own number of steps


class Order(NamedTuple):
  """What a visitor asks for."""

  wrong: tuple[str, ...] = ()  # of `damages.CHOICES`
  layers: tuple[np.ndarray, ...] = ()  # strokes, as `uploads.painted` takes them
  degradation: str = ''  # in place of `wrong`
  num_steps: int | None = None  # None for the preset's own
  fidelity: float | None = None
  preset: str | None = None  # None for the task's own
  seed: int = 0
  weights: str = ''  # of `Restorer.files`; '' for the page's own


class _StoppedError(Exception):
  """The visitor, or someone who waits, wants this to end."""


class Restorer:
  """All networks of a server, and the one place at which photos are restored.

  Attributes:
    files: name -> file of weights; None for the bundled ones. The first are the page's own.
  """

  def __init__(
    self,
    files: Mapping[str, str | os.PathLike | None],
    perceptual: str,
    precision: str,
    init: str = INIT_AUTO,
  ):
    """Args:
    files: see above.
    perceptual, precision: as `load_perceptual` and `weights.load` take them.
    init: where searches with the page's own weights begin, as `weights.load` takes it.
    """
    self.files = dict(files)
    self._perceptual, self._precision, self._init = perceptual, precision, init
    self._networks: dict[str, weights.Networks] = {}
    self._loading, self._running = threading.Lock(), threading.Lock()
    self._waiting = 0  # visitors
    self._is_warming = False
    self.networks()  # what cannot be read is told before anyone comes

  @property
  def own(self) -> str:
    """The name of the page's own weights."""
    return next(iter(self.files))

  @property
  def is_running(self) -> bool:
    """Whether a photo is being restored, or a program compiled, in a thread."""
    return self._running.locked()

  def networks(self, name: str = '') -> weights.Networks:
    """The networks of a name of `files`; '' for the page's own.

    Raises:
      WeightsError: they cannot be read.
      VisitorError: there are none of that name.
    """
    name = name or self.own
    if name not in self.files:
      raise VisitorError(f'There are no weights {name!r} here: choose {", ".join(self.files)}.')
    with self._loading:
      if name not in self._networks:
        init = self._init if name == self.own else INIT_AUTO
        self._networks[name] = weights.load(self.files[name], self._precision, init=init)
      return self._networks[name]

  def open(self, session: Session, path: str | os.PathLike | None) -> None:
    """Takes a visitor's photo in, and looks for its faces; None takes it away.

    Raises:
      ImageError: it cannot be decoded.
    """
    session.stop()
    session.take(None)
    if path is not None:
      session.take(open_upload(path, *self._crop()))

  def locate(self, session: Session, layers: Sequence[np.ndarray]) -> None:
    """Takes what is painted for the place of the face.

    Raises:
      VisitorError: nothing is painted, or there is no photo, or no face can be made out there.
    """
    upload = _uploaded(session)
    strokes = painted(layers, upload)
    if strokes is None:
      raise VisitorError('Paint roughly over the face first, from the brows to the chin.')
    box = box_around(strokes)
    found = found_in(upload, *self._crop(), box)
    if found.problem:
      raise VisitorError(f'Nothing can be done there: {found.problem}')
    session.take(found)

  def _crop(self) -> tuple[faces.Template, int]:
    networks = self.networks()
    return networks.template, networks.resolution

  def restore(self, session: Session, order: Order) -> Iterator[Update]:
    """Restores a visitor's photo; `session.outcome` has the result after the last update.

    The work goes on in a thread, and ends soon after this iterator is closed.
    """
    stopping = session.begin_run()
    told: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
    run = _Run(session, stopping, told.put)
    threading.Thread(target=self._work, args=(run, order), daemon=True).start()
    try:
      while (update := told.get()) is not None:
        session.state = update.state
        yield update
    finally:
      stopping.set()

  def _work(self, run: '_Run', order: Order) -> None:
    try:
      with self._turn(run):
        self._restore(run, order)
    except _StoppedError:
      run.tell(Update(State.STOPPED, 'Stopped. Press Restore to begin again.'))
    except (GanjaxError, OSError) as error:
      run.tell(Update(State.FAILED, _sentence(error)))
    except BaseException:
      run.tell(Update(State.FAILED, 'This should not have happened: the terminal has the details.'))
      raise
    finally:
      run.tell(None)

  @contextlib.contextmanager
  def _turn(self, run: '_Run') -> Iterator[None]:
    """Waits until no other photo is being restored."""
    self._waiting += 1
    try:
      if not self._running.acquire(blocking=False):
        first = 'what is compiled as the page starts' if self._is_warming else 'another restoration'
        text = f'Waiting for its turn: {first} ends first.'
        run.tell(Update(State.COMPILING, text))
        while not self._running.acquire(timeout=0.2):
          run.check()
    finally:
      self._waiting -= 1
    try:
      yield
    finally:
      self._running.release()

  def _restore(self, run: '_Run', order: Order) -> None:
    session = run.session
    upload = _uploaded(session)
    if upload.problem:
      raise VisitorError(session.told())
    hidden = painted(order.layers, upload)
    has_holes = hidden is not None or upload.hidden is not None
    findings = _findings(upload, has_holes)
    planned = damages.plan(order.wrong, has_holes, findings, order.degradation)
    run.tell(Update(State.COMPILING, _told(planned)))
    shutil.rmtree(session.folder / 'result', ignore_errors=True)
    (photo,) = restore_photos(
      upload.path,
      planned.degradation,
      self.networks(order.weights),
      task=planned.task,
      mask=None if hidden is None else _written(session.folder / 'holes.png', ~hidden),
      quads=[crop.quad for crop in upload.crops],
      preset=order.preset,
      perceptual=self._perceptual,
      seed=order.seed,
      save_every=TOLD_EVERY,
      output=session.folder / 'result',
      watch=run.watch,
      **_settings(order, planned.task),
    )
    if photo.image is None:
      raise VisitorError(_sentence(photo.failure or 'no face could be restored'))
    session.outcome = _outcome(session.folder, upload, photo)
    session.faces = [
      RestoredFace(result.name, result.restoration, order.weights or self.own)
      for result in photo.faces
      if result.restoration is not None and result.restoration.tuned is None
    ]
    run.tell(Update(State.DONE, _summary(photo, planned)))

  def warm_up(self) -> None:
    """Compiles what visitors are most likely to ask for, until one asks."""
    networks = self.networks()
    average = latents.drawn(networks, 0, 0.0)
    face = latents.image(networks, average, average, (), latents.Edit())
    holes = np.full((*face.shape[:2], 1), 255, np.uint8)
    holes[: len(face) // 4] = 0

    @contextlib.contextmanager
    def watch(what: str, names: list[str], num_steps: int) -> Iterator[Show]:
      del what, names, num_steps

      def show(progress: inversion.Progress) -> None:
        del progress
        if self._waiting:
          raise _StoppedError

      yield show

    self._is_warming = True
    for task in WARMED:
      photo = np.concatenate([face, holes], axis=2) if task == 'inpaint' else face
      # (A generator may be too small for a task's degradation.)
      with self._running, contextlib.suppress(_StoppedError, DegradationError):
        restore_photos(
          photo,
          networks=networks,
          task=task,
          align='never',
          perceptual=self._perceptual,
          save_every=TOLD_EVERY,
          num_steps=_WARM_STEPS,
          watch=watch,
        )
    self._is_warming = False


class _Run(NamedTuple):
  """One restoration of a visitor's photo."""

  session: Session
  stopping: threading.Event  # that the visitor, or the end of the page, wants it to end
  tell: Callable[[Update | None], None]

  def check(self) -> None:
    if self.stopping.is_set():
      raise _StoppedError

  @contextlib.contextmanager
  def watch(self, what: str, names: list[str], num_steps: int) -> Iterator[Show]:
    """Tells how far the restoration has come; see `solve.Watch`."""
    is_search = what == 'identify'
    doing = 'Finding out what happened to it' if is_search else 'Restoring'
    self.tell(Update(State.COMPILING, f'{doing}: compiling, the first time for a while …'))

    def show(progress: inversion.Progress) -> None:
      self.check()
      images = to_bytes(np.asarray(progress.render()))
      loss = np.nanmean(np.asarray(progress.terms.loss), axis=0)
      self.tell(
        Update(
          State.RUNNING,
          f'{doing}: step {progress.step} of {num_steps}.',
          progress.step,
          num_steps,
          np.concatenate(list(images), axis=1),
          report.loss_curve({'total': loss}, len(loss) - 1, ', '.join(names), mark='now'),
        )
      )

    self.check()
    yield show


def _uploaded(session: Session) -> Upload:
  if session.upload is None:
    raise VisitorError('Choose a photo first.')
  return session.upload


def _findings(upload: Upload, has_holes: bool) -> list[Finding]:
  """What the photo's largest face shows."""
  largest = max(upload.crops, key=lambda crop: faces.side_of(crop.quad))
  coding = coding_of(upload.pixels, largest.quad, data.jpeg_coding(upload.path))
  noise = None if coding is None else noise_of(upload.pixels, largest.quad, coding)
  return diagnose(largest.image, faces.side_of(largest.quad), coding, has_holes, noise)


def _settings(order: Order, task: str) -> dict[str, Any]:
  """The hyperparameters that are not left to the preset.

  Raises:
    VisitorError: they are out of range, or do nothing with the preset.
  """
  settings: dict[str, Any] = {}
  if order.num_steps is not None:
    if not 1 <= order.num_steps <= MOST_STEPS:
      raise VisitorError(f'Steps: give a number from 1 to {MOST_STEPS}, or leave it empty.')
    settings['num_steps'] = int(order.num_steps)
  if order.fidelity is not None:
    if not has_dial(defaults_of(task, order.preset)):
      raise VisitorError(f'Fidelity does nothing with the preset {order.preset}: leave it at 0.5.')
    settings['fidelity'] = float(order.fidelity)
  return settings


def _written(path: pathlib.Path, visible: np.ndarray) -> pathlib.Path:
  """A mask as a file: white is visible."""
  path.write_bytes(data.encode_png((255 * visible).astype(np.uint8)))
  return path


def _outcome(folder: pathlib.Path, upload: Upload, photo: RestoredPhoto) -> Outcome:
  assert photo.image is not None
  picture = folder / f'{upload.name}-restored.png'
  picture.write_bytes(data.encode_png(photo.image))
  archive = shutil.make_archive(str(folder / f'{upload.name}-ganjax'), 'zip', folder / 'result')
  after = reduced(photo.image, SHOWN_SIDE)
  before = reduced(upload.pixels, SHOWN_SIDE)
  if before.shape != after.shape:  # small faces were enlarged with their photo
    before = _resized(upload.pixels, after.shape)
  notes = [note for face in photo.faces for note in face.record.get('notes', ())]
  if photo.failure:
    notes.append(photo.failure)
  return Outcome(before, after, picture, pathlib.Path(archive), tuple(map(_sentence, notes)))


def _resized(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  size = shape[1], shape[0]
  return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _told(planned: Plan) -> str:
  if not planned.evidence:
    return 'Getting ready.'
  return _sentence(f'what shows: {"; ".join(planned.evidence)}')


def _summary(photo: RestoredPhoto, planned: Plan) -> str:
  count = len(photo.faces)
  seconds = sum(face.seconds or 0 for face in photo.faces)
  told = f'{count} {"face" if count == 1 else "faces"} restored in {seconds:.0f} s.'
  if planned.evidence:
    told += f' {_told(planned)}'
  return told


def _sentence(error: Exception | str) -> str:
  """An error as a sentence."""
  text = str(error).strip() or 'no reason is known'
  return text[0].upper() + text[1:] + ('' if text[-1] in '.!?…' else '.')
