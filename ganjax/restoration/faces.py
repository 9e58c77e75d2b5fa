"""From photos to named face crops; a photo that cannot be used costs one recorded failure."""

import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganjax import data, faces

PHOTO_SIDE = 1024  # px, the longer side of the photo's copy that the report shows


class Photo(NamedTuple):
  """Where a photo comes from."""

  name: str  # safe as a file's name
  source: str  # where it is, for people
  read: Callable[[], np.ndarray]  # () -> uint8 [H, W, 3]; may raise ImageError

  @classmethod
  def in_file(cls, item: data.Item) -> 'Photo':
    return cls(item.name, str(item.path), functools.partial(data.decode, item.path))


class Face(NamedTuple):
  """One face of one photo."""

  name: str  # the photo's, or NAME_0, NAME_1, … of several; all that is random depends on it
  source: str  # the photo's
  number: int  # of the face in its photo, from the left
  num_faces: int  # in the same photo
  crop: faces.Crop
  photo: np.ndarray | None = None  # uint8 [H, W, 3], where it is kept

  @property
  def is_cut(self) -> bool:
    """Whether the crop is a part of the photo, which must be kept, not the whole of it."""
    assert self.photo is not None
    return not np.array_equal(self.crop.quad, faces.full_quad(self.photo))


def faces_of(
  photo: Photo,
  template: faces.Template,
  size: int,
  align: faces.Mode,
  keep_photo: bool = True,
) -> list[Face]:
  """All faces of one photo, from left to right.

  Args:
    photo: the photo.
    template: of the generator that the crops are for.
    size: the crops' side, px.
    align: as `faces.align` takes it.
    keep_photo: whether each `Face` has the photo's pixels.

  Raises:
    ImageError, FaceError: the photo cannot be read, or shows no face.
  """
  pixels = photo.read()
  crops = faces.align(pixels, template, size, align)
  names = [photo.name]
  if len(crops) > 1:
    names = [data.face_name(photo.name, number) for number in range(len(crops))]
  kept = pixels if keep_photo else None
  return [
    Face(name, photo.source, number, len(crops), crop, kept)
    for number, (name, crop) in enumerate(zip(names, crops, strict=True))
  ]


def find_faces(
  photos: Iterable[Photo],
  template: faces.Template,
  size: int,
  align: faces.Mode,
  add_failure: Callable[[str, str, Exception | str], None],
  owners: dict[str, str] | None = None,
) -> Iterator[Face]:
  """The faces of photos, one after another, each name once.

  Args:
    photos: the photos; they are read as their turn comes.
    template, size, align: as `faces_of` takes them.
    add_failure: told (source, name, reason) of each photo that cannot be used, and of each face
      whose name another photo's face bears: x.png with two faces takes x_0 from x_0.png.
    owners: the names that are taken -> the source that has them.
  """
  owners = {} if owners is None else owners
  for photo in photos:
    try:
      found = faces_of(photo, template, size, align)
    except (data.ImageError, faces.FaceError) as error:
      add_failure(photo.source, photo.name, error)
      continue
    for face in found:
      owner = owners.setdefault(face.name, photo.source)
      if owner == photo.source:
        yield face
        continue
      reason = f'{owner} shows a face that is called {face.name}, too; rename this picture'
      add_failure(photo.source, pathlib.PurePath(photo.source).name, reason)


def unfinished(
  store: data.Store, items: list[data.Item], align: faces.Mode, template: faces.Template, size: int
) -> Iterator[Face]:
  """The faces that still need work, one after another; failures go to the store."""
  photos = (Photo.in_file(item) for item in items if not store.source_is_complete(str(item.path)))
  owners = {record['name']: record['source'] for record in store.results}
  for face in find_faces(photos, template, size, align, store.add_failure, owners):
    if not store.has_result(face.name):
      yield face


def reduced(photo: np.ndarray) -> np.ndarray:
  """A copy small enough to look at, uint8 [h, w, 3]."""
  image = Image.fromarray(photo)
  image.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
  return np.asarray(image)
