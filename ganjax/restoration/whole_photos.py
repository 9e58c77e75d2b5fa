"""Photos given back whole: every restored face goes into one picture of its photo."""

import dataclasses
from typing import Any

import numpy as np
from PIL import Image

from ganjax import data, faces
from ganjax.degradations import PictureMask
from ganjax.restoration.completion import (
  completed_blurred,
  completed_jpeg,
  completed_noisy,
  completed_photo,
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
    canvas = self._at_work.get(face.source)
    if canvas is None:
      canvas = _Canvas(_enlarged(face.background, face.scale), face.num_faces)
      self._at_work[face.source] = canvas
    canvas.image = _with_face(canvas.image, face, result)
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


def _enlarged(photo: np.ndarray, scale: float) -> np.ndarray:
  if scale == 1:
    return photo
  height, width = (round(side * scale) for side in photo.shape[:2])
  return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))


def _with_face(photo: np.ndarray, face: Face, result: Result) -> np.ndarray:
  quad = face.crop.quad * face.scale
  degradation, restored = result.degradation, result.images['restored']
  if degradation is None:
    return faces.paste(photo, result.best, quad)
  assert face.photo is not None
  if degradation.is_only_codecs and face.coding is not None:
    return completed_jpeg(photo, restored, quad, face.photo, face.coding)
  if face.is_degraded and degradation.is_only_blurs:
    return completed_blurred(photo, result.best, quad, face.photo, face.crop.image)
  if face.is_degraded and degradation.is_only_white_noise:
    return completed_noisy(photo, restored, quad, face.photo, face.crop.image)
  if not degradation.is_only_projections:
    return faces.paste(photo, result.best, quad)
  masks = [operator for operator in degradation.operators if operator.is_mask]
  is_of_photo = all(isinstance(mask, PictureMask) for mask in masks)
  visible = face.holes.visible if face.holes.are_of_photo and is_of_photo else None
  return completed_photo(photo, restored, quad, degradation, visible)
