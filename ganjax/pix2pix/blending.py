"""Fitting what was put into holes to what is around them; known pixels never change."""

from typing import get_args

import numpy as np

from ganjax.choices import Blend

BLENDS: tuple[Blend, ...] = get_args(Blend)

FEATHER = 8.0  # px over which a feathered correction fades out


def blend(filled: np.ndarray, known: np.ndarray, kind: Blend = 'none') -> np.ndarray:
  """Removes the seams around holes.

  'poisson' keeps the filling's gradients and lets its values follow the known pixels at the rim
  (Pérez et al. 2003, equation 4, without a gradient across the rim). 'feather' does so near the rim
  alone.

  Args:
    filled: float32 [H, W, 3], known pixels and the filling.
    known: [H, W, 1], 1 where pixels are known.
    kind: 'none' returns `filled`.

  Returns:
    float32 [H, W, 3]; may overshoot.
  """
  hole = np.asarray(known)[:, :, 0] == 0
  if kind == 'none' or hole.all() or not hole.any():
    return filled
  correction = np.zeros_like(filled)
  correction[hole] = _membrane(filled, hole)
  if kind == 'feather':
    from scipy import ndimage  # other tasks do without it

    distance = ndimage.distance_transform_edt(hole)
    correction *= np.clip(1 - (distance - 1) / FEATHER, 0, 1).astype(np.float32)[:, :, None]
  return filled + correction


def _membrane(filled: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """The smooth function that lifts the filling to the known pixels around it; [holes' pixels, 3].

  For each pixel p of the hole, the sum over neighbours q of c(p) - c(q), where c(q) of a known q is
  the step that is there to be removed, filled(q) - filled(p).
  """
  from scipy import sparse
  from scipy.sparse import linalg

  height, width = hole.shape
  count = int(hole.sum())
  number = np.full(hole.shape, -1)
  number[hole] = np.arange(count)
  diagonal = np.zeros(count)
  steps = np.zeros((count, filled.shape[2]))
  pairs: list[tuple[np.ndarray, np.ndarray]] = []
  rows, columns = np.nonzero(hole)
  for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
    y, x = rows + dy, columns + dx
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    here = np.flatnonzero(inside)
    neighbour = number[y[inside], x[inside]]
    diagonal[here] += 1
    pairs.append((here[neighbour >= 0], neighbour[neighbour >= 0]))
    rim = here[neighbour < 0]
    steps[rim] += filled[y[rim], x[rim]] - filled[rows[rim], columns[rim]]
  i, j = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
  laplacian = sparse.diags_array(diagonal) - sparse.coo_array(
    (np.ones(len(i)), (i, j)), shape=(count, count)
  )
  return linalg.spsolve(laplacian.tocsc(), steps).astype(np.float32)
