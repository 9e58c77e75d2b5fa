"""Putting back what a degraded picture still tells for certain."""

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageFilter

from ganjax.degradations.pipeline import Pipeline, from_bytes, to_bytes


def completed(
  degradation: Pipeline, degraded: np.ndarray, restored: np.ndarray, fade: float = 0.0
) -> np.ndarray:
  """What the degraded picture shows, and of the restored one what it does not show.

  With a projection A, x + A y − A x degrades to y whatever x is (the range–null space decomposition
  of Wang et al. 2023, "DDNM"): pixels around holes are the input's own, and of a picture restored
  from a grey one only the colours are taken.

  Args:
    degradation: A; `is_only_projections`.
    degraded: y, float32 [H, W, 3] in [-1, 1].
    restored: x, uint8 [H, W, 3].
    fade: over about how many pixels outwards from a hole's edge the restored picture fades into the
      degraded one.

  Returns:
    uint8 [H, W, 3].
  """
  image = from_bytes(restored)
  known, shown = (np.asarray(degradation.expected(jnp.asarray(x))) for x in (degraded, image))
  visible = np.asarray(degradation.visible(*restored.shape[:2]))
  return to_bytes(image + _faded(visible, fade) * (known - shown))


def _faded(visible: np.ndarray, fade: float) -> np.ndarray:
  """From 0 at the edges of holes to 1 some pixels outwards; [H, W, 1], as `visible`."""
  if not fade:
    return visible
  soft = Image.fromarray(np.uint8(255 * visible[:, :, 0])).filter(ImageFilter.GaussianBlur(fade))
  return np.clip(np.asarray(soft, np.float32)[:, :, None] / 127.5 - 1, 0, 1) * visible
