"""Photos given back whole: every restored face goes into one picture of its photo."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from ganjax import data, faces
from ganjax.degradations import PictureMask, Pipeline
from ganjax.degradations.jpeg import quality_of
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import (
  completed_blurred,
  completed_jpeg,
  completed_noisy,
  completed_photo,
  noise_in,
  recoloured,
  without_blocks,
  without_noise,
)
from ganjax.restoration.faces import Face, reduced
from ganjax.restoration.result import Result


@dataclasses.dataclass
class _Canvas:
  """A photo at work."""

  image: np.ndarray  # uint8 [H, W, 3]
  missing: int  # faces that are still to come


class WholePhotos:
  """Takes in results, face by face, and gives each photo back once it has them all."""

  def __init__(self) -> None:
    self._at_work: dict[str, _Canvas] = {}
    self._shown: set[str] = set()  # the photos of which there is a small copy

  def add(self, face: Face, result: Result) -> np.ndarray | None:
    """Puts a restored face into its photo.

    Args:
      face: with the photo's pixels.
      result: what came of it.

    Returns:
      The photo, uint8 [H, W, 3], if this was the last of its faces; larger than it came where
      small faces were enlarged.
    """
    canvas, noise = self._at_work.get(face.source), _noise(face, result)
    if canvas is None:
      canvas = _Canvas(_enlarged(_cleaned(face, result, noise), face.scale), face.num_faces)
      self._at_work[face.source] = canvas
    canvas.image = _with_face(canvas.image, face, result, noise)
    canvas.missing -= 1
    if canvas.missing:
      return None
    return self._at_work.pop(face.source).image

  def keep(
    self,
    store: data.Store,
    face: Face,
    result: Result,
    task: str,
    weights_sha256: str = '',
    **options: Any,
  ) -> np.ndarray | None:
    """Writes a result, and with the last face of a photo the photo itself, before the line.

    Args:
      store: the output.
      face, result: as `add` takes them.
      task, weights_sha256, options: as `Result.keep` takes them.

    Returns:
      As `add` does.

    Raises:
      StoreError: the folder cannot be written.
    """
    files = {**self.keep_copy(store, face), 'pasted': f'pasted/{face.photo_name}.png'}
    whole = self.add(face, result)
    if whole is not None:
      store.write_image('pasted', face.photo_name, whole)
    result.keep(store, task, weights_sha256, files=files, **options)
    return whole

  def keep_copy(self, store: data.Store, face: Face) -> dict[str, str]:
    """Writes a small copy of a face's photo, once, for the report: kind -> path."""
    assert face.photo is not None
    path = f'photos/{face.photo_name}.png'
    if face.photo_name not in self._shown:
      path = store.write_image('photos', face.photo_name, reduced(face.photo))
      self._shown.add(face.photo_name)
    return {'photo': path}


def _cleaned(face: Face, result: Result, noise: float) -> np.ndarray:
  """The photo that a restored face goes into, uint8 [H, W, 3], without noise and JPEG's blocks.

  A face that has none, in a photo that does, would look pasted in.
  """
  photo, stages = face.background, _stages(face, result)
  for i, stage in reversed(list(enumerate(stages))):
    if _is_of_file(stage, stages[i + 1 :], face):
      assert face.coding is not None
      if quality_of(face.coding) is not None:  # else there is nothing to be seen of them
        photo = without_blocks(photo, face.coding)
    elif stage.is_only_white_noise:
      photo = without_noise(photo, noise)
    elif not stage.is_only_projections:
      break  # what follows it was added to something else
  return photo


def _stages(face: Face, result: Result) -> list[Pipeline]:
  """What happened to a photo that came degraded, one kind after another."""
  return result.degradation.stages if face.is_degraded and result.degradation else []


def _is_of_file(stage: Pipeline, later: list[Pipeline], face: Face) -> bool:
  """Whether a stage is the JPEG that the photo came as; so nothing but masks may follow."""
  is_last = all(other.is_only_masks for other in later)
  return stage.is_only_codecs and face.coding is not None and is_last


def _noise(face: Face, result: Result) -> float:
  """The standard deviation of white noise on a photo, in units of the [0, 1] range; 0 without."""
  if not any(stage.is_only_white_noise for stage in _stages(face, result)):
    return 0.0
  if face.noise is not None:
    return face.noise
  assert face.photo is not None
  return noise_in(face.photo, result.images['restored'], face.crop.quad, face.crop.image)


def _enlarged(photo: np.ndarray, scale: float) -> np.ndarray:
  if scale == 1:
    return photo
  height, width = (round(side * scale) for side in photo.shape[:2])
  return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))


class _Crops(NamedTuple):
  """A face, or what was made of it; uint8 [size, size, 3]."""

  restored: np.ndarray
  completed: np.ndarray

  def after(self, stage: Pipeline) -> '_Crops':
    """What a degradation makes of them, on average."""
    return _Crops(*(to_bytes(np.asarray(_expected(stage, to_float(image)))) for image in self))


@jax.jit
def _expected(stage: Pipeline, image: jax.Array) -> jax.Array:
  return stage.expected(image)


def _with_face(photo: np.ndarray, face: Face, result: Result, noise: float) -> np.ndarray:
  quad = face.crop.quad * face.scale
  stages = [] if result.degradation is None else result.degradation.stages
  if not _is_completed_in_photo(stages, face):
    return faces.paste(photo, result.best, quad)
  assert face.photo is not None
  crops = _Crops(result.images['restored'], result.best)
  # First what the last stage was given, then with that what the one before was given, …, in a photo
  # without other restored faces: a stage must not take for damage what restored one of those.
  first, *later = stages
  given = list(itertools.accumulate(stages[:-1], _Crops.after, initial=crops))[1:]
  came = face.photo
  for stage, crops_given in zip(reversed(later), reversed(given), strict=True):
    came = _completed(came, came, stage, crops_given, face, noise)
  if later and first.is_only_projections:
    # It completes the photo itself, whose colours it fades into: those of a neighbour stay.
    placed = faces.place(photo, result.best, quad)
    base = recoloured(first, came[placed.where], photo[placed.where])
    photo = faces.blend(photo, placed._replace(face=base))
  return _completed(photo, came, first, crops, face, noise)


def _is_completed_in_photo(stages: list[Pipeline], face: Face) -> bool:
  """Whether each stage can be completed at the photo's own resolution."""

  def can_be(stage: Pipeline, later: list[Pipeline]) -> bool:
    if stage.is_only_projections:  # what follows may have spread what holes show
      return not later or not any(operator.is_mask for operator in stage.operators)
    if stage.is_only_codecs:
      return _is_of_file(stage, later, face)
    return face.is_degraded and (stage.is_only_blurs or stage.is_only_white_noise)

  if not stages or (len(stages) > 1 and not face.is_degraded):
    return False
  return all(can_be(stage, stages[i + 1 :]) for i, stage in enumerate(stages))


def _completed(
  photo: np.ndarray, came: np.ndarray, stage: Pipeline, crops: _Crops, face: Face, noise: float
) -> np.ndarray:
  """The photo with a face in it that one stage of its degradation can have been given.

  Args:
    photo: uint8 [H, W, 3], which may have other restored faces in it.
    came: uint8 [H, W, 3], what the stage made of it.
    stage: of one kind; see `_is_completed_in_photo`.
    crops: the face that it was given.
    face: where it lies.
    noise: its standard deviation in the photo, in units of the [0, 1] range.
  """
  quad = face.crop.quad * face.scale
  if stage.is_only_codecs:
    assert face.coding is not None
    return completed_jpeg(photo, crops.restored, quad, came, face.coding)
  if stage.is_only_projections:
    masks = [operator for operator in stage.operators if operator.is_mask]
    is_of_photo = all(isinstance(mask, PictureMask) for mask in masks)
    visible = face.holes.visible if face.holes.are_of_photo and is_of_photo else None
    return completed_photo(photo, crops.restored, quad, stage, visible)
  if stage.is_only_white_noise:
    return completed_noisy(photo, crops.restored, quad, came, noise)
  crop = face.crop.image
  if came is not face.photo:
    crop = faces.cut(came, quad, len(crop))
  return completed_blurred(photo, crops.completed, quad, came, crop)
