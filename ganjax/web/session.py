"""What one visitor has done so far, and what is told about it."""

import dataclasses
import enum
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ganjax import faces, inversion
from ganjax.web.uploads import Upload, painted

ASKED = 'Choose a photo: JPEG, PNG, WebP, AVIF, TIFF or HEIC.'


class State(enum.StrEnum):
  """How far a visitor has come."""

  EMPTY = 'empty'  # no photo
  FOUND = 'found'  # a photo; how many faces are found may be none
  PAINTED = 'painted'  # holes are painted
  COMPILING = 'compiling'  # a restoration waits for its turn, or for its programs
  RUNNING = 'running'
  DONE = 'done'
  STOPPED = 'stopped'
  FAILED = 'failed'


class Update(NamedTuple):
  """What a restoration tells on its way."""

  state: State
  text: str  # one sentence
  step: int = 0
  num_steps: int = 0
  faces: np.ndarray | None = None  # uint8 [h, w, 3], as they are now
  curve: bytes | None = None  # a PNG of the loss so far


class RestoredFace(NamedTuple):
  """A face that the latent tab can edit."""

  name: str
  restoration: inversion.Restoration
  weights: str  # of the generator that it belongs to, as the page calls them


class Outcome(NamedTuple):
  """A restored photo."""

  before: np.ndarray  # uint8 [h, w, 3], as shown
  after: np.ndarray  # of the same size
  picture: pathlib.Path  # the whole photo, PNG
  archive: pathlib.Path  # report, latents and pictures, ZIP
  notes: tuple[str, ...]  # what a person should be told


@dataclasses.dataclass
class Session:
  """One visitor's photo and results; `close` deletes them."""

  folder: pathlib.Path
  state: State = State.EMPTY
  upload: Upload | None = None
  outcome: Outcome | None = None
  faces: list[RestoredFace] = dataclasses.field(default_factory=list)
  _stopping: threading.Event = dataclasses.field(default_factory=threading.Event)

  @classmethod
  def begin(cls, folder: pathlib.Path) -> 'Session':
    """A visitor who has done nothing yet, with a folder below that of the server."""
    return cls(pathlib.Path(tempfile.mkdtemp(dir=folder)))

  def close(self) -> None:
    """Stops what runs, and deletes everything."""
    self.stop()
    shutil.rmtree(self.folder, ignore_errors=True)

  def stop(self) -> None:
    """Ends the restoration that runs, if there is one."""
    self._stopping.set()

  def begin_run(self) -> threading.Event:
    """Stops what runs; what ends the run that begins now."""
    self.stop()
    self._stopping = threading.Event()
    return self._stopping

  def take(self, upload: Upload | None) -> None:
    """Takes in a photo in place of the one before, or takes it away."""
    self.upload, self.outcome = upload, None
    self.state = State.EMPTY if upload is None else State.FOUND

  def paint(self, layers: Sequence[np.ndarray]) -> float:
    """Takes note of strokes, as `uploads.painted` takes them; the share of the photo they hide."""
    strokes = None if self.upload is None else painted(layers, self.upload)
    if self.state in (State.FOUND, State.PAINTED):
      self.state = State.FOUND if strokes is None else State.PAINTED
    return 0.0 if strokes is None else float(strokes.mean())

  def told(self) -> str:
    """Where the visitor stands, in a sentence."""
    if self.upload is None:
      return ASKED
    if self.upload.problem:
      return (
        'No face was found. Paint roughly over the face, from the brows to the chin, '
        'and press “The face is there”.'
      )
    count = len(self.upload.crops)
    sizes = ', '.join(f'{faces.side_of(crop.quad):.0f} px' for crop in self.upload.crops)
    return f'{count} {"face" if count == 1 else "faces"} found ({sizes} wide).'
