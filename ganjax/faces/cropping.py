"""Cutting a face out of its photo, and pasting the restored one back."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ganjax.faces.landmarks import check_rgb
from ganjax.faces.template import FaceError, Template

FEATHER = 0.1  # sides of the quad over which a face fades in on the way back
# The border of FFHQ's pictures, in sides of the quad (Karras et al. 2019, appendix C).
_BORDER = 0.1  # what is kept around the quad
_PADDING = 0.3  # how far the photo is reflected beyond its edge
_BLUR = 0.02  # standard deviation of the blur there
_MAX_OVERSAMPLING = 4  # in the crop
_OVERSAMPLING = 2  # on the way back
_RIM = 8  # px around the face on the way back: no filter may reach the black beyond it
_EPSILON = 1e-6  # px; a quad that touches the photo's edge does not leave it
# How masks are seen through the filters of crops, which overshoot both ways.
_SHOWN, _HIDDEN = 64, 192
_MIXED = 0.04  # of a hidden pixel, that makes one hidden in which it is mixed


class Crop(NamedTuple):
  """One face, cut out of a photo."""

  image: np.ndarray  # uint8 [size, size, 3]
  quad: np.ndarray  # [4, 2], the photo's pixels: top-left, bottom-left, bottom-right, top-right


def full_quad(image: np.ndarray) -> np.ndarray:
  """The quad [4, 2] that covers the whole of `image` [H, W, 3]."""
  height, width = image.shape[:2]
  return np.array([(0, 0), (0, height), (width, height), (width, 0)], np.float64)


def crop(image: np.ndarray, landmarks: np.ndarray, template: Template, size: int) -> Crop:
  """Cuts one face out as `template` says, upright, in the manner of FFHQ's own tool.

  Where the quad leaves the photo, the photo is reflected, and the reflection fades into a blur
  and then into the median colour.

  Args:
    image: the photo, uint8 RGB [H, W, 3].
    landmarks: the face's, [68, 2], as `detect` gives them.
    template: of the generator that the crop is for.
    size: the crop's side, px.

  Raises:
    FaceError: unusable image or landmarks, or the face lies outside of the photo.
  """
  quad = template.quad(landmarks)
  return Crop(_extract(check_rgb(image), quad, size), quad)


def paste(
  photo: np.ndarray, restored: np.ndarray, quad: np.ndarray, *, feather: float = FEATHER
) -> np.ndarray:
  """Warps a restored face back into the photo that it was cut from.

  The face fades in over `feather` sides of the quad: from those of the quad's edges that cut
  through the photo, and from those of the photo's edges that cut through the quad (near these the
  crop was blurred). A quad that covers the whole photo does not fade.

  Args:
    photo: uint8 RGB [H, W, 3].
    restored: uint8 RGB [size, size, 3], of any size.
    quad: [4, 2], the `Crop`'s: a square in the photo's pixels.
    feather: width of the fade, in sides of the quad, 0–0.5; at least one pixel is used.

  Returns:
    uint8 [H, W, 3]: a new photo, identical to the old one outside of the quad.

  Raises:
    FaceError: unusable pictures, or `feather` out of range.
  """
  return blend(photo, place(photo, restored, quad, feather=feather))


class Placed(NamedTuple):
  """A restored face as it lies in its photo."""

  where: tuple[slice, slice]  # rows and columns of the photo
  face: np.ndarray  # float32 [h, w, 3], nominally 0–255
  weight: np.ndarray  # float32 [h, w, 1], the face's share; 0 outside of the quad


def place(
  photo: np.ndarray, restored: np.ndarray, quad: np.ndarray, *, feather: float = FEATHER
) -> Placed:
  """Warps a restored face to where it lies in its photo; takes and raises what `paste` does."""
  check_rgb(photo)
  check_rgb(restored)
  if not 0 <= feather <= 0.5:
    raise FaceError(f'feather={feather} must lie between 0 and 0.5 (sides of the face crop)')
  quad = np.asarray(quad, np.float64)
  left, top, right, bottom = _bounds(photo, quad, margin=0)
  right, bottom = max(left, right), max(top, bottom)
  where = slice(top, bottom), slice(left, right)
  if left == right or top == bottom:
    return Placed(where, *(np.zeros((bottom - top, right - left, n), np.float32) for n in (3, 1)))
  face = _unwarp(restored, quad - (left, top), (right - left, bottom - top))
  x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
  return Placed(where, face, _feather(x, y, photo, quad, feather)[..., None])


def blend(photo: np.ndarray, placed: Placed) -> np.ndarray:
  """The photo, uint8 [H, W, 3], with a face as far as its weight says; the photo itself stays."""
  result = photo.copy()
  region = result[placed.where]
  region[:] = rounded(region + placed.weight * (placed.face - region))
  return result


def crop_mask(visible: np.ndarray, quad: np.ndarray, height: int, width: int) -> np.ndarray:
  """Where a crop shows nothing but what is visible in its photo.

  A pixel of the crop counts as visible only if no hidden one is mixed into it: by the same filters
  as the crop itself.

  Args:
    visible: bool [H, W], of the photo.
    quad: [4, 2], the crop's; a square, or the whole photo.
    height, width: of the crop, px.

  Returns:
    bool [height, width].
  """
  coded = np.where(visible, np.uint8(_SHOWN), np.uint8(_HIDDEN))
  if np.array_equal(quad, full_quad(visible)):
    seen = np.asarray(Image.fromarray(coded).resize((width, height), Image.Resampling.LANCZOS))
  else:
    seen = _extract(np.repeat(coded[..., None], 3, axis=2), quad, height)[..., 0]
  return np.abs(seen.astype(np.int16) - _SHOWN) <= _MIXED * (_HIDDEN - _SHOWN)


def cut(image: np.ndarray, quad: np.ndarray, size: int) -> np.ndarray:
  """What a photo, uint8 RGB [H, W, 3], shows inside of a quad, at another size than `crop` did.

  Raises:
    FaceError: unusable image, or the quad lies outside of the photo.
  """
  check_rgb(image)
  if np.array_equal(quad, full_quad(image)):
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))
  return _extract(image, quad, size)


def side_of(quad: np.ndarray) -> float:
  """A quad's side, in the photo's pixels."""
  return float(np.linalg.norm(quad[3] - quad[0]))


def covers(quads: list[np.ndarray], height: int, width: int) -> np.ndarray:
  """Which pixels of a photo lie in one of the quads; bool [height, width]."""
  drawn = Image.new('1', (width, height))
  for quad in quads:
    ImageDraw.Draw(drawn).polygon([tuple(corner) for corner in quad], fill=1)
  return np.asarray(drawn)


def _extract(image: np.ndarray, quad: np.ndarray, size: int) -> np.ndarray:
  """What `image` [H, W, 3] shows inside of `quad` [4, 2], as [size, size, 3]."""
  side = side_of(quad)
  left, top, right, bottom = _bounds(image, quad, margin=max(_BORDER * side, 3))
  if right <= left or bottom <= top:
    raise FaceError('the face lies outside of the photo')
  region = Image.fromarray(image[top:bottom, left:right])
  quad = quad - (left, top)
  shrink = int(side / size / 2)
  if shrink > 1:  # leaves two to four pixels per pixel of the crop
    shrunk = (max(1, round(region.width / shrink)), max(1, round(region.height / shrink)))
    quad = quad * np.divide(shrunk, region.size)
    region = region.resize(shrunk, Image.Resampling.LANCZOS)
  if (quad < -_EPSILON).any() or (quad > np.add(region.size, _EPSILON)).any():
    region, quad = _pad(region, quad)
  finer = int(np.clip(np.ceil(2 * side_of(quad) / size), 1, _MAX_OVERSAMPLING))
  (x, y), (x_v, y_v), (x_u, y_u) = quad[0], quad[1] - quad[0], quad[3] - quad[0]
  affine = np.array([(x_u, x_v, x * size), (y_u, y_v, y * size)]) / size
  return rounded(_resample(np.asarray(region), affine, (size, size), finer))


def _pad(region: Image.Image, quad: np.ndarray) -> tuple[Image.Image, np.ndarray]:
  """Reflects `region` beyond its edges until `quad` fits; blurs and fades what is invented."""
  side = side_of(quad)
  border = max(round(_BORDER * side), 3)
  before = np.ceil(-quad.min(axis=0)) + border
  after = np.ceil(quad.max(axis=0) - region.size) + border
  (left, top), (right, bottom) = (
    np.maximum(amount, round(_PADDING * side)).astype(int) for amount in (before, after)
  )
  padded = np.pad(np.asarray(region), ((top, bottom), (left, right), (0, 0)), mode='reflect')
  blurred = Image.fromarray(padded).filter(ImageFilter.GaussianBlur(_BLUR * side))
  # 1 at the padding's outer edge, 0 at the photo's edge, negative inside of the photo.
  depth = np.maximum(
    _depth(padded.shape[0], top, bottom)[:, None], _depth(padded.shape[1], left, right)[None, :]
  )[..., None]
  faded = padded.astype(np.float32)
  faded += np.clip(3 * depth + 1, 0, 1) * (np.asarray(blurred, np.float32) - faded)
  faded += np.clip(depth, 0, 1) * (np.median(faded, axis=(0, 1)) - faded)
  return Image.fromarray(rounded(faded)), quad + np.array([left, top])


def _depth(length: int, before: int, after: int) -> np.ndarray:
  position = np.arange(length, dtype=np.float32)
  return 1 - np.minimum(position / before, (length - 1 - position) / after)


def _unwarp(restored: np.ndarray, quad: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Draws `restored` into `quad` on a canvas of `size` (width, height); float32 [H, W, 3]."""
  if np.array_equal(quad, [(0, 0), (0, size[1]), size, (size[0], 0)]):
    whole = Image.fromarray(restored).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(whole, np.float32)
  face = Image.fromarray(restored)
  side = max(1, round(side_of(quad) * _OVERSAMPLING))
  if side < face.width:  # else the canvas would skip pixels: aliasing
    face = face.resize((side, side), Image.Resampling.LANCZOS)
  to_face = np.diag(face.size) @ np.linalg.inv(np.stack([quad[3] - quad[0], quad[1] - quad[0]], 1))
  affine = np.column_stack([to_face, _RIM - to_face @ quad[0]])
  rim = np.pad(np.asarray(face), ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), mode='edge')
  return _resample(rim, affine, size, _OVERSAMPLING)


def _resample(
  pixels: np.ndarray, affine: np.ndarray, size: tuple[int, int], finer: int
) -> np.ndarray:
  """Reads `pixels` at `affine` [2, 3] of each point of a canvas of `size` (width, height).

  Cubic interpolation on a grid `finer` times as fine, then a Lanczos reduction; float32 [H, W, 3],
  not clipped. In floats, as Pillow rounds eight bits down here, which darkens the face.
  """
  grid = (size[0] * finer, size[1] * finer)
  (a, b, c), (d, e, f) = affine / (finer, finer, 1)
  planes = [
    Image.fromarray(np.ascontiguousarray(pixels[..., channel], np.float32))
    .transform(grid, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BICUBIC)
    .resize(size, Image.Resampling.LANCZOS)
    for channel in range(3)
  ]
  return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def rounded(pixels: np.ndarray) -> np.ndarray:
  """Floats, nominally 0–255, as uint8."""
  return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _feather(
  x: np.ndarray, y: np.ndarray, photo: np.ndarray, quad: np.ndarray, feather: float
) -> np.ndarray:
  """The restored face's share, 0–1, [H, W] at the photo's columns `x` [W] and rows `y` [H]."""
  ramp = max(feather * side_of(quad), 1.0)
  corners = full_quad(photo)
  weight = np.ones((len(y), len(x)), np.float32)
  for inner, outer in ((quad, corners), (corners, quad)):
    for start, end in zip(inner, np.roll(inner, -1, axis=0), strict=True):
      along = (end - start) / np.linalg.norm(end - start)
      inward = np.array([along[1], -along[0]])
      if ((outer - start) @ inward).min() < -_EPSILON:  # this edge cuts something off
        distance = (x - start[0]) * inward[0] + ((y - start[1]) * inward[1])[:, None]
        t = np.clip(distance.astype(np.float32) / ramp, 0, 1)
        weight *= t * t * (3 - 2 * t)
  return weight


def _bounds(image: np.ndarray, quad: np.ndarray, margin: float) -> tuple[int, int, int, int]:
  """The rectangle of whole pixels around `quad` within `image`: left, top, right, bottom."""
  height, width = image.shape[:2]
  left, top = np.maximum(np.floor(quad.min(axis=0) - margin), 0).astype(int)
  right, bottom = np.minimum(np.ceil(quad.max(axis=0) + margin), (width, height)).astype(int)
  return left, top, right, bottom
