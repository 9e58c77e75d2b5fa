"""From photos to named face crops; a photo that cannot be used costs one recorded failure."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganjax import data, faces
from ganjax.degradations import DegradationError, PictureMask, Pipeline
from ganjax.degradations.cells import noise_before
from ganjax.degradations.jpeg import quality_of
from ganjax.degradations.jpeg_traces import coding_in
from ganjax.degradations.masks.file import WHITE
from ganjax.restoration import holes
from ganjax.restoration.holes import Holes

AddFailure = Callable[[str, str, Exception | str], None]  # (source, name, reason)
UNUSABLE = (data.ImageError, faces.FaceError, DegradationError)  # what one photo may raise
PHOTO_SIDE = 1024  # px, the longer side of the photo's copy that the report shows
MAX_ENLARGED = 40_000_000  # pixels of a photo that is enlarged together with its faces
_STEPS = 32  # sizes of small faces below the generator's: each has a program of its own
CLEAR = 16  # alpha below which a pixel has been erased
_LEAST_SHOWN = 0.05  # of a face, below which any other would do as well
_SLACK = 1.25  # by which a face may be larger than a degradation says


class Photo(NamedTuple):
  """Where a photo comes from."""

  name: str  # safe as a file's name
  source: str  # where it is, for people
  # () -> uint8 [H, W, 3], or [H, W, 4] with an alpha channel; may raise ImageError
  read: Callable[[], np.ndarray]
  coding: Callable[[], data.JpegCoding | None] = lambda: None  # of the JPEG that it came as

  @classmethod
  def in_file(cls, item: data.Item) -> 'Photo':
    coding = functools.partial(data.jpeg_coding, item.path)
    return cls(item.name, str(item.path), functools.partial(data.decode_photo, item.path), coding)


@dataclasses.dataclass(frozen=True)
class Search:
  """What is looked for in photos, and how it is cut out.

  Attributes:
    template: of the generator that the crops are for.
    side: its resolution, px.
    align: as `faces.align` takes it.
    box: where the face is, as `faces.align` takes it; None to look for faces.
    degradations: what happened to the photos, or shall be done to them; the first decides the size
      of the crops, and the masks of all are read.
    as_is: the photos are restored as they are; else they are clean, and degraded first.
    quads: the corners of the faces, [4, 2] each from the left, where they are known: then none are
      looked for.
    with_coding: it counts how the photos are coded, whatever the degradations are.
  """

  template: faces.Template
  side: int
  align: faces.Mode = 'auto'
  box: tuple[float, ...] | None = None
  degradations: tuple[Pipeline, ...] = ()
  as_is: bool = False
  quads: tuple[np.ndarray, ...] = ()
  with_coding: bool = False

  @property
  def size(self) -> int:
    """The crops' side, px; of faces that tell their size themselves, the largest."""
    if not self.as_is or not self.degradations or self.degradations[0].follows_crop:
      return self.side
    return self.degradations[0].output_shape(self.side, self.side)[0]

  @property
  def needs_coding(self) -> bool:
    """Whether it counts how the photos are coded."""
    depends = any(one.depends_on_coding for one in self.degradations)
    return self.with_coding or (self.as_is and depends)


class Face(NamedTuple):
  """One face of one photo."""

  name: str  # the photo's, or NAME_0, NAME_1, … of several; all that is random depends on it
  source: str  # the photo's
  number: int  # among those of its photo that are restored, from the left
  num_faces: int  # of the same photo that are restored
  crop: faces.Crop
  photo_name: str
  holes: Holes  # the photo's
  photo: np.ndarray | None = None  # uint8 [H, W, 3], where it is kept
  coding: data.JpegCoding | None = None  # of the JPEG that it came as, where that counts
  noise: float | None = None  # on the photo before it was stored as a JPEG; see `noise_before`
  scale: float = 1.0  # by which the photo is enlarged to take the restored face
  notes: tuple[str, ...] = ()  # what a person should be told
  is_degraded: bool = False  # the photo came with its holes; else it is clean

  @property
  def background(self) -> np.ndarray:
    """The photo that restored faces go into, uint8 [H, W, 3]: painted holes are filled smoothly.

    Transparent ones are not: around a face that was cut out there is nothing to be filled.
    """
    assert self.photo is not None
    painted = self.holes.painted if self.is_degraded else None
    return self.photo if painted is None else faces.fill(self.photo, painted)

  def located(self, degradation: Pipeline, side: int) -> Pipeline:
    """A degradation of this very face: with its holes, and its size.

    Args:
      degradation: as it was given.
      side: of the clean crop, px.

    Raises:
      DegradationError: it needs to know where the photo is transparent, but it is opaque.
    """
    return self.holes.within(self.measured(degradation, side), self.crop.quad, side, side)

  def measured(self, degradation: Pipeline, side: int) -> Pipeline:
    """A degradation with what the face's size and its photo's file tell of it."""
    if degradation.follows_crop:
      degradation = degradation.cropped(len(self.crop.image))
    return degradation.stored(self.coding, faces.side_of(self.crop.quad), side, self.noise)


def faces_of(photo: Photo, search: Search, keep_photo: bool = True) -> list[Face]:
  """All faces of one photo that are to be restored, from left to right.

  Args:
    photo: the photo.
    search: how faces are found and cut out.
    keep_photo: whether each `Face` has the photo's pixels.

  Raises:
    ImageError, FaceError: the photo cannot be read, or shows no face that can be restored.
    DegradationError: a mask does not fit the photo, or hides nothing of its faces.
  """
  pixels, own = _holes(photo, search)
  visible = own.visible
  crops = _cut(pixels, search.quads, search.size)
  if not crops:
    crops = faces.align(
      pixels,
      search.template,
      search.size,
      search.align,
      hidden=None if visible is None else ~visible,
      box=search.box,
    )
  names = [photo.name]
  if len(crops) > 1:
    names = [data.face_name(photo.name, number) for number in range(len(crops))]
  # A photo that is not kept is not given back; then only a search for what is unknown looks at it.
  looks = search.with_coding or any(one.unknown for one in search.degradations)
  found = _named(photo, names, crops, own, pixels, search, keep_photo or looks)
  if not keep_photo:
    found = [face._replace(photo=None) for face in found]
  if not search.as_is:
    return found
  fitting, reasons = _fitting(found, pixels, search)
  scale = _scale(fitting, pixels, search.side)
  notes = (*own.notes, *_left(own, crops), *reasons)
  fitting = [
    face._replace(number=number, num_faces=len(fitting), scale=scale)
    for number, face in enumerate(fitting)
  ]
  return [fitting[0]._replace(notes=notes), *fitting[1:]]


def faces_at(photo: Photo, quads: Mapping[str, np.ndarray], search: Search) -> list[Face]:
  """Faces that `faces_of` found before: the photo is read again, but not searched.

  Args:
    photo: the photo, as it was.
    quads: the faces' names -> where they lie, [4, 2]; all that were restored, from the left.
    search: how they were cut out; its template and `align` do not matter.

  Returns:
    As `faces_of`, with the photo's pixels and without notes.

  Raises:
    ImageError: the photo cannot be read.
    FaceError, DegradationError: it is not the photo that it was, or has another mask.
  """
  pixels, own = _holes(photo, search)
  crops = _cut(pixels, quads.values(), search.size)
  found = _named(photo, list(quads), crops, own, pixels, search)
  if not search.as_is:
    return found
  fitted = [_fitted(face, pixels, search) for face in found]
  scale = _scale(fitted, pixels, search.side)
  return [face._replace(scale=scale) for face in fitted]


def _cut(pixels: np.ndarray, quads: Iterable[np.ndarray], size: int) -> list[faces.Crop]:
  return [faces.Crop(faces.cut(pixels, quad, size), quad) for quad in quads]


def _named(
  photo: Photo,
  names: Sequence[str],
  crops: Sequence[faces.Crop],
  own: Holes,
  pixels: np.ndarray,
  search: Search,
  looks: bool = True,
) -> list[Face]:
  """The faces of a photo, each with its name; `looks` for their coding, where that counts."""
  looks = looks and search.needs_coding
  of_file = photo.coding() if looks else None
  codings = [coding_of(pixels, crop.quad, of_file) if looks else None for crop in crops]
  return [
    Face(
      name=name,
      source=photo.source,
      number=number,
      num_faces=len(crops),
      crop=crop,
      photo_name=photo.name,
      photo=pixels,
      coding=coding,
      noise=_stored_noise(pixels, crop.quad, coding, search),
      holes=own,
      is_degraded=search.as_is,
    )
    for number, (name, crop, coding) in enumerate(zip(names, crops, codings, strict=True))
  ]


def coding_of(
  photo: np.ndarray, quad: np.ndarray, of_file: data.JpegCoding | None
) -> data.JpegCoding | None:
  """How the JPEG was coded that a face of a photo came as.

  That is its file, unless the file is faultless or no JPEG: then it is the JPEG that was saved
  again, or of which the photo is a screenshot, if the face shows one.

  Args:
    photo: uint8 [H, W, 3].
    quad: [4, 2], the face's corners.
    of_file: how the photo's file is coded.
  """
  if of_file is not None and quality_of(of_file) is not None:
    return of_file
  rows, columns = _around(quad)
  found = coding_in(photo[rows, columns])
  if found is None or quality_of(found) is None:
    return of_file
  down, across = (8 * factor for factor in found.sampling)
  y, x = found.origin
  return found._replace(origin=((y + rows.start) % down, (x + columns.start) % across))


def _stored_noise(
  photo: np.ndarray, quad: np.ndarray, coding: data.JpegCoding | None, search: Search
) -> float | None:
  """What `noise_of` tells of a face, where that counts."""
  stored = [one for one in search.degradations if one.stores_noise]
  if coding is None or not search.as_is or not (stored or search.with_coding):
    return None
  return noise_of(photo, quad, coding, any(one.takes_colours for one in stored))


def noise_of(
  photo: np.ndarray, quad: np.ndarray, coding: data.JpegCoding, is_grey: bool = False
) -> float | None:
  """How strong white noise was on a face of a photo before that was stored as a JPEG.

  Args:
    photo, quad: as `coding_of` takes them.
    coding: what it gives.
    is_grey: as `noise_before` takes it, which this is for a face.
  """
  rows, columns = _around(quad)
  top, left = (
    part.start + (start - part.start) % 8
    for part, start in zip((rows, columns), coding.origin, strict=True)
  )
  return noise_before(photo[top : rows.stop, left : columns.stop], coding, is_grey)


def _around(quad: np.ndarray) -> tuple[slice, slice]:
  """The rows and columns of a photo that a face lies in."""
  left, top = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int).tolist()
  right, bottom = np.ceil(quad.max(axis=0)).astype(int).tolist()
  return slice(top, max(bottom, top)), slice(left, max(right, left))


def _holes(photo: Photo, search: Search) -> tuple[np.ndarray, Holes]:
  """A photo's colours, and where it has holes."""
  pixels = photo.read()
  pixels, alpha = pixels[..., :3], pixels[..., 3] if pixels.shape[-1] == 4 else None
  opaque = None
  if search.as_is and alpha is not None and alpha.min() < CLEAR:  # else it is no mask
    opaque = alpha >= WHITE
  return pixels, holes.of_photo(
    photo.name, pixels.shape[:2], opaque, search.degradations, search.side
  )


def _fitting(found: list[Face], pixels: np.ndarray, search: Search) -> tuple[list[Face], list[str]]:
  """The faces that can be restored, at the size that they have in the photo; and why not others.

  Raises:
    FaceError, DegradationError: there is none; the reason is the first one's.
  """
  fitting: list[Face] = []
  reasons: list[Exception] = []
  for face in found:
    try:
      fitting.append(_fitted(face, pixels, search))
    except (faces.FaceError, DegradationError) as error:
      reasons.append(error)
  if not fitting:
    raise reasons[0]
  return fitting, [f'a face is left as it was: {reason}' for reason in reasons]


def _fitted(face: Face, pixels: np.ndarray, search: Search) -> Face:
  if not search.degradations:
    return face
  degradation, width = search.degradations[0], faces.side_of(face.crop.quad)
  if degradation.follows_crop:
    size = _small_size(width, search.side)
    face = face._replace(crop=face.crop._replace(image=faces.cut(pixels, face.crop.quad, size)))
  elif search.size < search.side and width > _SLACK * search.size:
    raise faces.FaceError(
      f'the face is {width:.0f} px wide, but the degradation takes it for one of {search.size} px '
      f'and would throw the rest away: leave --degradation out, or say its factor, '
      f'{search.side / width:.2g}'
    )
  operators = face.located(degradation, search.side).operators
  masks = [operator for operator in operators if isinstance(operator, PictureMask)]
  if len(masks) == len(operators) and all(np.all(mask.shown) for mask in masks):
    raise DegradationError('the mask hides nothing of the face')
  if any(np.mean(mask.shown) < _LEAST_SHOWN for mask in masks):
    raise DegradationError('the mask hides the whole face, so that nothing tells whose it is')
  return face


def _small_size(width: float, side: int) -> int:
  """The size that a small face is cut out at, px: its own, or a little more."""
  if width == round(width) and width < side:
    return round(width)
  step = max(1, side // _STEPS)
  size = int(np.ceil(width / step)) * step
  if size >= side:
    size = int(np.ceil(width))
  if size >= side:
    raise faces.FaceError(
      f"the face is {width:.0f} px wide, and the generator's are {side}: there is nothing to "
      'enlarge; take another task, such as deblur, or a larger generator (--weights)'
    )
  return size


def _scale(fitting: list[Face], pixels: np.ndarray, side: int) -> float:
  """By how much a photo is enlarged, so that its smallest face loses nothing that it gained."""
  if all(len(face.crop.image) == side for face in fitting):
    return 1.0
  wanted = max(side / faces.side_of(face.crop.quad) for face in fitting)
  most = (MAX_ENLARGED / (pixels.shape[0] * pixels.shape[1])) ** 0.5
  return float(max(1.0, min(wanted, most)))


def _left(own: Holes, crops: list[faces.Crop]) -> list[str]:
  """What is told of holes that no face has."""
  notes = []
  transparent = None if own.opaque is None else ~own.opaque
  for hidden, done in ((own.painted, 'is filled smoothly'), (transparent, 'stays')):
    if hidden is None or not hidden.any():
      continue
    outside = hidden & ~faces.covers([crop.quad for crop in crops], *hidden.shape)
    share = outside.sum() / hidden.sum()
    if share >= 0.01:
      notes.append(
        f'{share:.0%} of the hole lies outside of the face and {done}: --task=deep_prior draws '
        'what may have been there, at the size that --max_side says'
      )
  return notes


def find_faces(
  photos: Iterable[Photo],
  search: Search,
  add_failure: AddFailure,
  owners: dict[str, str] | None = None,
) -> Iterator[Face]:
  """The faces of photos, one after another, each name once.

  Args:
    photos: the photos; they are read as their turn comes.
    search: how faces are found and cut out.
    add_failure: told (source, name, reason) of each photo that cannot be used, or one of whose
      faces would be called as another photo's: x.png with two faces takes x_0 from x_0.png.
    owners: the names that are taken -> the source that has them.
  """
  owners = {} if owners is None else owners
  for photo, found in usable(photos, search, add_failure):
    named = {face.name: owners.setdefault(face.name, photo.source) for face in found}
    others = [(name, owner) for name, owner in named.items() if owner != photo.source]
    if not others:
      yield from found
      continue
    name, owner = others[0]
    reason = f'{owner} shows a face that is called {name}, too; rename this picture'
    add_failure(photo.source, pathlib.PurePath(photo.source).name, reason)


def usable(
  photos: Iterable[Photo], search: Search, add_failure: AddFailure, keep_photos: bool = True
) -> Iterator[tuple[Photo, list[Face]]]:
  """Photos with their faces, as `faces_of` gives them; what cannot be used is a failure each."""
  for photo in photos:
    try:
      found = faces_of(photo, search, keep_photos)
    except UNUSABLE as error:
      add_failure(photo.source, photo.name, error)
      continue
    yield photo, found


def unfinished(store: data.Store, items: list[data.Item], search: Search) -> Iterator[Face]:
  """The faces of photos that still need work, one after another; failures go to the store.

  A photo that lacks one of its faces is done again as a whole, since all faces go into one picture.
  """
  return find_faces(unfinished_photos(store, items), search, store.add_failure, owners(store))


def unfinished_photos(store: data.Store, items: list[data.Item]) -> Iterator[Photo]:
  """The photos that still need work."""
  return (Photo.in_file(item) for item in items if not store.source_is_complete(str(item.path)))


def owners(store: data.Store) -> dict[str, str]:
  """The names of finished faces -> their photos, as `find_faces` takes them."""
  return {record['name']: record['source'] for record in store.results}


def reduced(photo: np.ndarray, side: int = PHOTO_SIDE) -> np.ndarray:
  """A copy whose sides are at most `side` px, to look at or to work on; uint8 [h, w, 3]."""
  image = Image.fromarray(photo)
  image.thumbnail((side, side), Image.Resampling.LANCZOS)
  return np.asarray(image)
