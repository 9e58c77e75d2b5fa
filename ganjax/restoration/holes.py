"""Where a photo shows nothing: masks in files, and transparency, brought into crops of faces."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ganjax import faces, report
from ganjax.degradations import (
  DegradationError,
  FileMask,
  Operator,
  PictureMask,
  Pipeline,
  TransparencyMask,
)
from ganjax.pixels import to_bytes

NOWHERE = (
  'nothing says where its holes are: draw them black on white, in a picture of its size, and give '
  '--mask=FILE, '
  "make them transparent, or write --degradation='mask(box=top:bottom:left:right)'"
)


def pictures(target: np.ndarray, visible: np.ndarray) -> dict[str, np.ndarray]:
  """What is shown of an input's holes, by kind as `Result` has them; {} where there are none.

  Args:
    target: the input, float32 [h, w, 3] in [-1, 1].
    visible: [h, w, 1], 0 in holes.
  """
  shown = visible[:, :, 0] > 0
  if shown.all():
    return {}
  mask = (255 * shown).astype(np.uint8)
  return {'mask': mask, 'outlined': report.outlined(to_bytes(target), shown)}


def refuse_drawn(degradation: Pipeline) -> None:
  """Raises DegradationError where a photo that came degraded would get holes at random."""
  if degradation.is_partly_drawn:
    raise DegradationError(
      f'{degradation}: a photo that is restored as it is has its own holes, and {NOWHERE}; '
      'or degrade a whole photo with --degrade_first'
    )


class Holes(NamedTuple):
  """What the masks of a degradation say of one photo."""

  shape: tuple[int, int]  # of the photo, px
  drawn: dict[str, np.ndarray]  # mask, as its spec says -> bool, of the photo's or the crops' size
  opaque: np.ndarray | None  # bool [H, W], False where the photo is transparent
  notes: tuple[str, ...] = ()

  @property
  def visible(self) -> np.ndarray | None:
    """What all masks of the photo's size leave of it, bool [H, W]; None where there is none."""
    masks = [mask for mask in self.drawn.values() if mask.shape == self.shape]
    if self.opaque is not None:
      masks.append(self.opaque)
    return np.logical_and.reduce(masks) if masks else None

  @property
  def painted(self) -> np.ndarray | None:
    """What masks of the photo's size hide of it, bool [H, W]; None where there is none."""
    masks = [mask for mask in self.drawn.values() if mask.shape == self.shape]
    return ~np.logical_and.reduce(masks) if masks else None

  @property
  def are_of_photo(self) -> bool:
    """Whether all masks are of the photo's size."""
    return all(mask.shape == self.shape for mask in self.drawn.values())

  def within(self, pipeline: Pipeline, quad: np.ndarray, height: int, width: int) -> Pipeline:
    """A degradation of one crop, whose masks are those of the photo.

    Args:
      pipeline: with masks as they were given.
      quad: the crop's.
      height, width: of the clean crop, px.

    Raises:
      DegradationError: holes are where the photo is transparent, but it is opaque.
    """
    operators: list[Operator] = []
    for operator in pipeline.operators:
      operators.append(self._placed(operator, quad, height, width))
      height, width = operator.output_shape(height, width)
    is_named = any(isinstance(operator, TransparencyMask) for operator in pipeline.operators)
    if self.opaque is not None and not is_named:
      operators.append(PictureMask(faces.crop_mask(self.opaque, quad, height, width)))
    return Pipeline(tuple(operators), pipeline.unknown)

  def _placed(self, operator: Operator, quad: np.ndarray, height: int, width: int) -> Operator:
    if isinstance(operator, TransparencyMask):
      if self.opaque is None:
        raise DegradationError(NOWHERE)
      return PictureMask(faces.crop_mask(self.opaque, quad, height, width))
    if not isinstance(operator, FileMask):
      return operator
    mask = self.drawn[str(operator)]
    if mask.shape == self.shape:
      return PictureMask(faces.crop_mask(mask, quad, height, width))
    return PictureMask(faces.crop_mask(mask, faces.full_quad(mask), height, width))


def of_photo(
  name: str,
  shape: tuple[int, int],
  opaque: np.ndarray | None,
  pipelines: Iterable[Pipeline],
  side: int | None,
) -> Holes:
  """Reads what the masks of degradations say of a photo.

  Args:
    name: the photo's; a folder of masks has one that is called so.
    shape: of the photo, px.
    opaque: bool [H, W], False where the photo is transparent; None where that does not count.
    pipelines: the degradations.
    side: of the crops, px; None where the photo is not cropped.

  Raises:
    DegradationError: a mask cannot be read, or has neither the photo's nor the crops' size.
  """
  drawn: dict[str, np.ndarray] = {}
  notes: dict[str, None] = {}
  for operator in (operator for pipeline in pipelines for operator in pipeline.operators):
    if not isinstance(operator, FileMask):
      continue
    drawing = operator.of_photo(name)
    _check_size(operator, drawing.visible.shape, shape, side)
    drawn[str(operator)] = drawing.visible
    if drawing.grey:
      notes[f'{drawing.grey:.0%} of its mask is grey, which counts as a hole'] = None
  return Holes(shape, drawn, opaque, tuple(notes))


def _check_size(
  mask: FileMask, size: tuple[int, ...], shape: tuple[int, int], side: int | None
) -> None:
  if size in (shape, (side, side)):
    return
  crop = '' if side is None else f', its crop {side}×{side}'
  raise DegradationError(
    f"mask: file='{mask.file}' is {size[1]}×{size[0]} px, the photo {shape[1]}×{shape[0]}{crop}: "
    'give a mask of the size of the photo'
  )


def without_holes(pipeline: Pipeline, side: int) -> Pipeline:
  """A degradation of a crop of `side` px in which masks in files hide nothing, for measuring."""
  operators: list[Operator] = []
  size = side, side
  for operator in pipeline.operators:
    is_read = isinstance(operator, FileMask | TransparencyMask)
    operators.append(PictureMask(np.ones(size, bool)) if is_read else operator)
    size = operator.output_shape(*size)
  return Pipeline(tuple(operators), pipeline.unknown)
