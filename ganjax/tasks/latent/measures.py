"""What a walk did to a face: who it is, how it looks, and means over many faces; NumPy."""

from typing import Any, NamedTuple

import numpy as np

from ganjax import faces
from ganjax.training.attributes import wilson

_Z95 = 1.959964  # of the standard normal: the two-sided 95 % interval


class Appearances(NamedTuple):
  """Of the steps of one walk."""

  values: dict[str, np.ndarray]  # measure -> [T]; empty where no face was found at the centre
  identity: list[float] | None  # [T], distance of dlib's descriptors to the centre's


def appearances(pictures: np.ndarray) -> Appearances:
  """Measures the steps of a walk, uint8 [T, H, W, 3]; its centre is the face as it was.

  Where no face is found in a step, the centre's landmarks stand in.
  """
  centre = faces.detect_largest(pictures[len(pictures) // 2])
  if centre is None:
    return Appearances({}, None)
  found = [faces.detect_largest(picture) for picture in pictures]
  marks = [centre if own is None else own for own in found]
  described = [faces.descriptor(picture, own) for picture, own in zip(pictures, marks, strict=True)]
  seen = [faces.appearance(picture, own) for picture, own in zip(pictures, marks, strict=True)]
  values = {name: np.array([one[name] for one in seen]) for name in faces.MEASURES}
  middle = described[len(described) // 2]
  return Appearances(values, [round(float(np.linalg.norm(d - middle)), 4) for d in described])


def flip_cost(
  steps: np.ndarray, scores: np.ndarray, identity: list[float] | None
) -> tuple[float | None, float | None]:
  """Where a walk changes the centre's answer first, on the side where it ought to.

  Args:
    steps: [T], rising, odd in number, 0 in the middle.
    scores: [T]; positive where the attribute is there.
    identity: distances to the centre, or None.

  Returns:
    The step, and the identity distance there; None where the answer stays.
  """
  middle = len(steps) // 2
  has_it = scores[middle] > 0
  order = range(middle - 1, -1, -1) if has_it else range(middle + 1, len(steps))
  for i in order:
    if (scores[i] > 0) != has_it:
      return float(steps[i]), None if identity is None else identity[i]
  return None, None


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
  """Means over walks along one direction, as `--task=traverse` records them.

  Changes per unit come with the half width of their 95 % interval (normal, over the faces).
  """
  names = dict.fromkeys(name for record in records for name in record['per_unit'])
  slopes = {
    name: np.array([r['per_unit'][name] for r in records if name in r['per_unit']])
    for name in names
  }
  result: dict[str, Any] = {
    'faces': len(records),
    'per_unit': {name: [float(v.mean()), _margin(v)] for name, v in slopes.items()},
  }
  known = [record for record in records if record.get('identity')]
  if known:
    ends = [(record['identity'][0] + record['identity'][-1]) / 2 for record in known]
    result['identity_at_ends'] = float(np.mean(ends))
  judged = [record for record in records if 'success' in record]
  if judged:
    hits = sum(record['success'] for record in judged)
    result['success'], result['success_95'] = hits / len(judged), wilson(hits, len(judged))
    costs = [r['identity_at_flip'] for r in judged if r.get('identity_at_flip') is not None]
    result['identity_at_flip'] = float(np.mean(costs)) if costs else None
    flips = [abs(r['flip_step']) for r in judged if r.get('flip_step') is not None]
    result['flip_step'] = float(np.mean(flips)) if flips else None
  return result


def _margin(values: np.ndarray) -> float:
  return float(_Z95 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
