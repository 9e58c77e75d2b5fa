"""Putting back what a degraded picture still tells for certain."""

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageFilter

from ganjax.degradations import Operator
from ganjax.pixels import to_bytes, to_float

FADE = 1 / 64  # of the height


def completed(
  degradation: Operator, degraded: np.ndarray, restored: np.ndarray, fade: float = FADE
) -> np.ndarray:
  """What the degraded picture shows, and of the restored one what it does not show.

  With a projection A, x + A y − A x degrades to y whatever x is (the range–null space decomposition
  of Wang et al. 2023, "DDNM"): pixels around holes are the input's own, and of a picture restored
  from a grey one only the colours are taken.

  Args:
    degradation: A; a projection, or a pipeline that `is_only_projections`.
    degraded: y, float32 [H, W, 3] in [-1, 1].
    restored: x, uint8 [H, W, 3].
    fade: how far outwards from a hole's edge the restored picture fades into the degraded one, in
      shares of the height.

  Returns:
    uint8 [H, W, 3].
  """
  image = to_float(restored)
  known, shown = (np.asarray(degradation.expected(jnp.asarray(x))) for x in (degraded, image))
  visible = np.asarray(degradation.visible(*restored.shape[:2]))
  return to_bytes(image + _faded(visible, fade * len(restored)) * (known - shown))


def _faded(visible: np.ndarray, fade: float) -> np.ndarray:
  """From 0 at the edges of holes to 1 about `fade` px outwards; [H, W, 1], as `visible`."""
  if not fade:
    return visible
  soft = Image.fromarray(np.uint8(255 * visible[:, :, 0])).filter(ImageFilter.GaussianBlur(fade))
  return np.clip(np.asarray(soft, np.float32)[:, :, None] / 127.5 - 1, 0, 1) * visible
