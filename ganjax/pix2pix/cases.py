"""One picture that a generator restores: its condition, what of it is known, and its score.

Holes are cut, filled and scored at the picture's own size, so that known pixels stay as they are;
the network sees it at the side that it was trained for. Other conditions are answered at that side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from ganjax import metrics
from ganjax.degradations import Pipeline
from ganjax.degradations.masks import random_boxes
from ganjax.models.unet import UNet
from ganjax.pix2pix import blending, conditions, masks, predict
from ganjax.pix2pix.blending import Blend
from ganjax.pixels import stretched, to_float


class Case(NamedTuple):
  """One picture to be restored."""

  condition: np.ndarray  # uint8 [S, S, 3], what the network sees
  degraded: np.ndarray  # uint8 [H, W, 3]; black where it is not known
  known: np.ndarray  # uint8 [H, W, 1]; 1 where `degraded` shows the truth
  truth: np.ndarray | None  # uint8 [H, W, 3]
  corners: tuple[masks.Corner, ...] = ()  # of the holes, where they are boxes
  size: int = 0  # of the boxes, px


def boxed(
  picture: np.ndarray,
  truth: np.ndarray | None,
  corners: Sequence[masks.Corner],
  size: int | None,
  side: int,
) -> Case:
  """A picture with boxes missing, uint8 [H, W, 3]; what is in the boxes is not looked at.

  Args:
    picture: [H, W, 3].
    truth: the whole picture, of the same size.
    corners: the boxes' top-left corners.
    size: their side in px; None for 75 at 256 px, in proportion to the shorter side.
    side: the network's.

  Raises:
    ValueError: a box lies outside the picture, or the truth is of another size.
  """
  _check_size(picture, truth)
  height, width = picture.shape[:2]
  size = int(random_boxes.SIZE * min(height, width)) if size is None else size
  known = masks.known(corners, size, height, width)
  degraded = picture * known
  return Case(_shrunk(degraded, known, side), degraded, known, truth, tuple(corners), size)


def _check_size(picture: np.ndarray, truth: np.ndarray | None) -> None:
  if truth is not None and truth.shape != picture.shape:
    height, width = picture.shape[:2]
    raise ValueError(f'is {width}×{height}, its truth {truth.shape[1]}×{truth.shape[0]}')


def degraded(truth: np.ndarray, pipeline: Pipeline, key: jax.Array, side: int) -> Case:
  """A clean picture, degraded; what is random in the degradation is drawn from `key`.

  Raises:
    DegradationError: the degradation does not fit the picture.
  """
  if not pipeline.is_only_masks:
    truth = conditions.resized(truth, side)
  example, done = conditions.degrade(truth, pipeline, key)
  corners, size = conditions.boxes_of(done, *truth.shape[:2])
  condition = _shrunk(example.condition, example.known, side)
  return Case(condition, example.condition, example.known, truth, corners, size)


def masked(picture: np.ndarray, visible: np.ndarray, truth: np.ndarray | None, side: int) -> Case:
  """A picture with holes of any shape; what is in them is not looked at.

  Args:
    picture: uint8 [H, W, 3].
    visible: bool [H, W], False in holes.
    truth: the whole picture.
    side: the network's.

  Raises:
    ValueError: the truth is of another size.
  """
  _check_size(picture, truth)
  known = visible.astype(np.uint8)[:, :, None]
  degraded = picture * known
  return Case(_shrunk(degraded, known, side), degraded, known, truth)


def conditioned(condition: np.ndarray, truth: np.ndarray | None, side: int) -> Case:
  """A picture that is a condition as it is; nothing of the answer is known.

  Raises:
    ValueError: the truth is of another shape.
  """
  if truth is not None and (reason := conditions.misfit(condition, truth)):
    raise ValueError(reason)
  condition = conditions.resized(condition, side)
  known = np.zeros((side, side, 1), np.uint8)
  truth = None if truth is None else conditions.resized(truth, side)
  return Case(condition, condition, known, truth)


def answer(unet: UNet, cases: Sequence[Case], kind: Blend) -> list[np.ndarray]:
  """The restored pictures, float32 [H, W, 3] in [0, 1]; known pixels are exactly k / 255."""
  generated = predict.predict(unet, np.stack([case.condition for case in cases]))
  return [_completed(case, image, kind) for case, image in zip(cases, generated, strict=True)]


def scores(case: Case, completed: np.ndarray) -> dict[str, float]:
  """MSE (of values in [0, 1]), PSNR and SSIM of the picture and of its holes; {} without a truth.

  Each box counts alike; SSIM of holes is measured in boxes alone, if they are large enough.
  """
  if case.truth is None:
    return {}
  truth = case.truth.astype(np.float32) / np.float32(255)
  error = np.square(completed - truth)
  found = {'mse': float(error.mean()), 'ssim': float(_ssim(completed, truth))}
  if case.corners:
    found['mse_holes'] = float(masks.cut(error, case.corners, case.size).mean())
    if case.size >= metrics.SSIM_WINDOW:
      pair = (masks.cut(picture, case.corners, case.size) for picture in (completed, truth))
      found['ssim_holes'] = float(np.mean(_ssims(*pair)))
  elif (case.known == 0).any():
    found['mse_holes'] = float(error[case.known[:, :, 0] == 0].mean())
  for name in ('mse', 'mse_holes'):
    if name in found:
      found[name.replace('mse', 'psnr')] = float(-10 * np.log10(max(found[name], 1e-12)))
  before = {
    'psnr_degraded': metrics.psnr(to_float(case.degraded), to_float(case.truth)),
    'ssim_degraded': _ssim(case.degraded.astype(np.float32) / np.float32(255), truth),
  }
  return found | {name: float(value) for name, value in before.items()}


@jax.jit
def _ssim(a: Any, b: Any) -> jax.Array:
  """Of pictures in [0, 1]."""
  return metrics.ssim(2 * a - 1, 2 * b - 1)


_ssims = jax.jit(jax.vmap(_ssim))


def _completed(case: Case, generated: np.ndarray, kind: Blend) -> np.ndarray:
  height, width = case.known.shape[:2]
  filling = stretched((generated + np.float32(1)) / np.float32(2), height, width)
  given = case.degraded.astype(np.float32) / np.float32(255)
  filled = np.where(case.known > 0, given, filling)
  blended = blending.blend(filled, case.known, kind)
  return np.where(case.known > 0, given, np.clip(blended, 0, 1))


def _shrunk(picture: np.ndarray, known: np.ndarray, side: int) -> np.ndarray:
  """At the network's side; a pixel that holds anything unknown is unknown, and black."""
  if picture.shape[:2] == (side, side):
    return picture
  if not known.any():
    return conditions.resized(picture, side)
  area = Image.fromarray(known[:, :, 0] * np.uint8(255))
  whole = np.asarray(area.resize((side, side), Image.Resampling.BOX)) == 255
  # The filter reaches beyond a pixel's own area: what it finds black there must not count.
  weight = stretched(known.astype(np.float32), side, side)
  small = stretched((picture * known).astype(np.float32), side, side) / np.maximum(weight, 0.5)
  return np.where(whole[:, :, None], np.rint(np.clip(small, 0, 255)), 0).astype(np.uint8)
