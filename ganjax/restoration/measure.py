"""How good a restored image is: against its degraded input, and against the truth."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from ganjax import metrics
from ganjax.pixels import to_float
from ganjax.restoration.degrade import Degraded

MEASURED = ('completed', 'restored', 'degraded')  # kinds of images that have figures


def measure(
  images: Mapping[str, np.ndarray], degraded: Degraded, with_fidelity: bool = True
) -> dict[str, float]:
  """All figures of one result.

  Args:
    images: kind -> uint8; the kinds of `MEASURED` among them are compared with the truth, if there
      is one.
    degraded: what was restored.
    with_fidelity: degrades the restored image once more, which takes a while.
  """
  values = {'fidelity': fidelity(images['restored'], degraded)} if with_fidelity else {}
  if degraded.truth is not None:
    compared = {kind: images[kind] for kind in MEASURED if kind in images}
    values |= against_truth(compared, degraded.truth)
  return values


def fidelity(restored: np.ndarray, degraded: Degraded) -> float:
  """PSNR in dB between the input and the restored image degraded in the same way.

  Over the pixels that the input [h, w, 3] shows, holes left out, and all channels; with the
  degradation as it was assumed or found, and its noise drawn as for the input.

  Args:
    restored: uint8 [H, W, 3].
    degraded: the input.
  """
  again = degraded.degradation.true(to_float(restored), degraded.key)
  return float(metrics.psnr(again, degraded.target, degraded.visible))


def against_truth(images: Mapping[str, np.ndarray], truth: np.ndarray) -> dict[str, float]:
  """PSNR in dB and SSIM of a result's images, called as `metrics.names` says.

  Both are over the whole image, known pixels and holes alike: PSNR over all pixels and channels,
  SSIM as the mean over all positions of its window and all channels.

  Args:
    images: kind, of `metrics.ENDINGS` -> uint8 [h, w, 3]; one of another size than the truth counts
      as it looks beside it, with its pixels enlarged.
    truth: uint8 [H, W, 3].
  """
  target = to_float(truth)
  shown = [to_float(enlarged(image, *truth.shape[:2])) for image in images.values()]
  values = [float(value) for image in shown for value in _psnr_and_ssim(image, target)]
  return dict(zip(metrics.names(images), values, strict=True))


def enlarged(image: np.ndarray, height: int, width: int) -> np.ndarray:
  """An image as one looks at it beside a larger one, its pixels enlarged: uint8 [H, W, 3]."""
  resized = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
  return np.asarray(resized)


@jax.jit
def _psnr_and_ssim(a: ArrayLike, b: ArrayLike) -> tuple[jax.Array, jax.Array]:
  return metrics.psnr(a, b), metrics.ssim(a, b)
