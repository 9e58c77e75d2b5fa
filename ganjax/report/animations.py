"""The progress of one restoration as an animated picture."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ganjax.errors import ReportError
from ganjax.report.lettering import fitted, font

# Milliseconds. The whole plays in about four seconds, however many frames there are.
_PLAY, _SHORTEST, _LONGEST, _LAST = 4000, 40, 400, 2000
_QUALITY = 85
_STRIP = 24  # px, the label's height
_MIN_LABELLED = 128  # px; a label needs some width to be read


def animation(frames: Sequence[np.ndarray], labels: Sequence[str] | None = None) -> bytes:
  """Animates the intermediate pictures; loops, and holds the last frame for two seconds.

  Animated WebP: every current browser plays it, in full colour (a GIF has 256 colours, which skin
  shows at once) and at a fraction of an APNG's size.

  Args:
    frames: uint8 [H, W, 3], all of one size, in order.
    labels: one text per frame, such as 'step 150', drawn in a strip below the picture.

  Returns:
    A WebP file's bytes.

  Raises:
    ReportError: no frames, frames of different shapes or types, or labels that do not match.
  """
  if not len(frames):
    raise ReportError('an animation needs at least one frame')
  shape = frames[0].shape
  if len(shape) != 3 or shape[2] != 3:
    raise ReportError(f'an animation takes frames of shape [H, W, 3]; the first is {shape}')
  for i, frame in enumerate(frames):
    if frame.dtype != np.uint8 or frame.shape != shape:
      raise ReportError(
        f'frame {i} is {frame.dtype} {frame.shape}, the first {shape}; '
        'an animation takes uint8 frames of one size'
      )
  if labels is not None and len(labels) != len(frames):
    raise ReportError(f'{len(labels)} labels for {len(frames)} frames; give one to each')

  pictures = [Image.fromarray(frame) for frame in frames]
  if labels is not None:
    pictures = [_labelled(p, label) for p, label in zip(pictures, labels, strict=True)]
  each = min(max(_PLAY // len(frames), _SHORTEST), _LONGEST)
  buffer = io.BytesIO()
  pictures[0].save(
    buffer,
    'WEBP',
    save_all=True,
    append_images=pictures[1:],
    duration=[each] * (len(frames) - 1) + [_LAST],
    loop=0,
    quality=_QUALITY,
  )
  return buffer.getvalue()


def _labelled(picture: Image.Image, label: str) -> Image.Image:
  if picture.width < _MIN_LABELLED:
    factor = -(-_MIN_LABELLED // picture.width)
    picture = picture.resize(
      (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )
  sheet = Image.new('RGB', (picture.width, picture.height + _STRIP), '#1a1a1a')
  sheet.paste(picture)
  text = fitted(label, 13, picture.width - 8)
  middle = (picture.width // 2, picture.height + _STRIP // 2)
  ImageDraw.Draw(sheet).text(middle, text, '#ffffff', font(13), anchor='mm')
  return sheet
