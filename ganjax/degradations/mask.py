"""The operator `mask` of specs: one mask of `masks` per kind of hole."""

from collections.abc import Sequence

from ganjax.degradations.masks import (
  BoxMask,
  FileMask,
  Mask,
  PixelMask,
  RandomBoxMask,
  StrokeMask,
  TransparencyMask,
)
from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pipeline import Pipeline
from ganjax.degradations.registry import register


def build(
  box: Sequence[str] = (),
  file: str | None = None,
  inverted: int | None = None,
  strokes: int | None = None,
  width: float | None = None,
  boxes: int | None = None,
  size: float | None = None,
  missing: float | None = None,
) -> Pipeline:
  """One mask per kind of hole: together they hide what any of them hides.

  Without any kind, the holes are where a photo is transparent.

  Raises:
    DegradationError: a number has no holes to belong to, or a mask refuses it.
  """
  masks: list[Mask] = []
  if box:
    masks.append(BoxMask.create(box))
  if file is not None:
    masks.append(FileMask.create(file, inverted))
  elif inverted is not None:
    raise DegradationError('mask: inverted belongs to a file: write for example file=mask.png')
  if strokes is not None:
    masks.append(StrokeMask.create(strokes) if width is None else StrokeMask.create(strokes, width))
  elif width is not None:
    raise DegradationError('mask: width needs strokes: write for example strokes=5')
  if boxes is not None:
    masks.append(RandomBoxMask.create(boxes) if size is None else RandomBoxMask.create(boxes, size))
  elif size is not None:
    raise DegradationError('mask: size needs boxes: write for example boxes=2')
  if missing is not None:
    masks.append(PixelMask.create(missing))
  return Pipeline(tuple(masks) or (TransparencyMask(),))


register(
  'mask',
  build,
  {
    'box': str,
    'file': str,
    'inverted': int,
    'strokes': int,
    'width': float,
    'boxes': int,
    'size': float,
    'missing': float,
  },
  repeatable={'box'},
  usage="""
    mask(box=top:bottom:left:right, …)  pixels, or fractions of the side (0.25)
    mask(strokes=5, width=0.08)  random; width in fractions of the side
    mask(boxes=2, size=0.293)  random squares; side in fractions of the side
    mask(missing=0.5)  single pixels; their share
    mask(file='mask.png', inverted=0)  white is visible; of the photo's size, or the crop's
    mask()  the transparent pixels of the photo
  """,
)
