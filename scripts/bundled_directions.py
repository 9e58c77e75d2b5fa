"""Makes the directions in W that come with the bundled generator (`ganjax/weights/directions`).

    python scripts/bundled_directions.py --output=ganjax/weights/directions

What is asked for is measured on drawn faces: under21 by the bundled classifier, the others by
landmarks and pixels (`faces.appearance`). Each is the normal of a linear support vector machine.
"""

import json
import pathlib

import jax.numpy as jnp
import numpy as np
from absl import app, flags
from tqdm import tqdm

from ganjax import editing, faces, weights
from ganjax.editing import rendering
from ganjax.editing.files import Direction
from ganjax.training import attributes

MEASURES = ('smile', 'mouth_open', 'turn', 'brightness')
SHARE, PSI = 0.2, 0.7

_OUTPUT = flags.DEFINE_string('output', 'ganjax/weights/directions', 'Folder for the npz files.')
_NUM_SAMPLES = flags.DEFINE_integer('num_samples', 2000, 'Faces that are drawn.', lower_bound=40)


def main(argv: list[str]) -> None:
  del argv
  networks, judge = weights.load(), weights.load_classifier(None)
  points = rendering.sampled(networks.generator, 0, _NUM_SAMPLES.value, PSI, 'w')
  scores = measured(networks, points)
  logits = rendering.classifier_logits(networks.generator, judge.classifier, points, PSI, 'w')
  scores['under21'] = attributes.log_odds(logits, judge.classes.index(judge.target))
  folder = pathlib.Path(_OUTPUT.value)
  folder.mkdir(parents=True, exist_ok=True)
  for name, values in scores.items():
    direction = fitted(name, points, values, networks.sha256)
    np.savez(folder / f'{name}.npz', **direction.arrays())
    print(name, json.dumps(direction.provenance))


def measured(networks: weights.Networks, points: np.ndarray) -> dict[str, np.ndarray]:
  """What the pictures of latents [N, w_dim] show: name -> [N], NaN where no face is found."""
  ws = np.repeat(points[:, None], networks.generator.config.num_ws, axis=1)
  seen: dict[str, list[float]] = {name: [] for name in MEASURES}
  for image in tqdm(rendering.draw(networks.generator, ws), unit='face'):
    landmarks = faces.detect_largest(image)
    found = {} if landmarks is None else faces.appearance(image, landmarks)
    for name in MEASURES:
      seen[name].append(found.get(name, np.nan))
  return {name: np.array(values) for name, values in seen.items()}


def fitted(name: str, points: np.ndarray, scores: np.ndarray, sha256: str) -> Direction:
  """The direction that an attribute rises along."""
  known = np.isfinite(scores)
  points, scores = points[known], scores[known]
  given = jnp.asarray(points)
  fit = editing.fit_direction(given, editing.confident(jnp.asarray(scores), SHARE))
  along = points @ np.asarray(fit.normal)
  provenance = {
    'method': 'svm',
    'samples': len(points),
    'truncation_psi': PSI,
    'confident_share': SHARE,
    'test_accuracy': round(float(fit.test_accuracy), 4),
    'correlation': round(float(np.corrcoef(along, scores)[0, 1]), 4),
  }
  deviation = float(editing.deviation(given, fit.normal))
  return Direction(
    name, 'w', np.asarray(fit.normal), float(fit.intercept), deviation, sha256, provenance
  )


if __name__ == '__main__':
  app.run(main)
