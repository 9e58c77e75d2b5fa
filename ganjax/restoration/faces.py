"""From the input's pictures to named face crops; a bad picture costs one recorded failure."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganjax import data, faces
from ganjax.weights.networks import CropTemplate

PHOTO_SIDE = 1024  # px, the longer side of the photo's copy that the report shows


class Face(NamedTuple):
  """One face of one photo."""

  name: str
  source: str
  photo: np.ndarray  # uint8 [h, w, 3]
  crop: faces.Crop
  num_results: int  # faces in the same photo

  @property
  def is_cut(self) -> bool:
    """Whether the crop is a part of the photo, not the whole of it."""
    return not np.array_equal(self.crop.quad, faces.full_quad(self.photo))


def faces_of(item: data.Item, template: CropTemplate, size: int, align: faces.Mode) -> list[Face]:
  """All faces of one picture: `name`, or `name_0`, `name_1`, … where there are several.

  Raises:
    ImageError, FaceError: the picture cannot be read, or shows no face.
  """
  photo = data.decode(item.path)
  crops = faces.align(photo, faces.Template(*template), size, align)
  names = (
    [item.name] if len(crops) == 1 else [data.face_name(item.name, i) for i in range(len(crops))]
  )
  return [
    Face(name, str(item.path), photo, crop, len(crops))
    for name, crop in zip(names, crops, strict=True)
  ]


def unfinished(
  store: data.Store, items: list[data.Item], align: faces.Mode, template: CropTemplate, size: int
) -> Iterator[Face]:
  """The faces that still need work, one after another; failures go to the store."""
  owners = {record['name']: record['source'] for record in store.results}
  for item in items:
    source = str(item.path)
    if store.source_is_complete(source):
      continue
    try:
      found = faces_of(item, template, size, align)
    except (data.ImageError, faces.FaceError) as error:
      store.add_failure(source, item.name, error)
      continue
    for face in found:
      owner = owners.setdefault(face.name, source)
      if owner != source:
        reason = f'{owner} shows a face that is called {face.name}, too; rename this picture'
        store.add_failure(source, item.path.name, reason)
      elif not store.has_result(face.name):
        yield face


def reduced(photo: np.ndarray) -> np.ndarray:
  """A copy small enough to look at, uint8 [h, w, 3]."""
  image = Image.fromarray(photo)
  image.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
  return np.asarray(image)
