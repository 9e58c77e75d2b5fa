"""Walks: one face along one direction, what changes on the way, and the picture of it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ganjax import editing, report, weights
from ganjax.editing import rendering
from ganjax.editing.files import Direction
from ganjax.editing.sampling import Space
from ganjax.tasks.latent import latent_sources, measures
from ganjax.tasks.latent.latent_sources import AttributeScorer, Start


class Tools(NamedTuple):
  """What every walk needs."""

  networks: weights.Networks
  judges: dict[str, AttributeScorer]  # the first is the one whose answer counts
  psi: float
  steps: np.ndarray  # [T], in deviations
  layers: tuple[int, ...]


class Walk(NamedTuple):
  """One face along one direction."""

  pictures: np.ndarray  # uint8 [T, H, W, 3]
  scores: np.ndarray | None  # [T], of the first judge
  record: dict[str, Any]


def point_of(start: Start, direction: Direction, tools: Tools) -> tuple[np.ndarray, Space]:
  """The latent from which a face walks, and the space that it walks in."""
  if direction.space == 'z':
    return latent_sources.within(start, 'z', tools.networks, tools.psi), 'z'
  if direction.space == 'w' and start.space != 'w_plus' and not tools.layers:
    return latent_sources.within(start, 'w', tools.networks, tools.psi), 'w'
  return latent_sources.within(start, 'w_plus', tools.networks, tools.psi), 'w_plus'


def walk(tools: Tools, start: Start, direction: Direction) -> Walk:
  """Walks one face and measures every step."""
  point, space = point_of(start, direction, tools)
  mask = None
  if tools.layers:
    mask = jnp.asarray(editing.layer_mask(tools.layers, len(point)))
  lengths = jnp.asarray(tools.steps * np.float32(direction.deviation))
  points = editing.traverse(jnp.asarray(point), jnp.asarray(direction.normal), lengths, mask)
  ws = latent_sources.rows(np.asarray(points), space, tools.networks, tools.psi)
  noise = None
  if start.noise:
    noise = {k: np.repeat(v[None], len(ws), axis=0) for k, v in start.noise.items()}
  pictures = rendering.draw(tools.networks.generator, ws, noise)
  scores = {name: judge.scores(pictures) for name, judge in tools.judges.items()}
  first = next(iter(scores.values()), None)
  seen = measures.appearances(pictures)
  steps = jnp.asarray(tools.steps)
  values = {**scores, **seen.values}
  record: dict[str, Any] = {
    'direction': direction.name,
    'space': space,
    'steps': tools.steps.tolist(),
    'identity': seen.identity,
    'per_unit': {
      name: round(float(editing.slope(steps, jnp.asarray(value, jnp.float32))), 5)
      for name, value in values.items()
    },
  }
  if first is not None:
    record['scores'] = first.round(4).tolist()
    record['success'] = bool(editing.succeeds(jnp.asarray(first)))
    record['flip_step'], record['identity_at_flip'] = measures.flip_cost(
      tools.steps, first, seen.identity
    )
  return Walk(pictures, first, record)


def sheet(tools: Tools, names: list[str], walks: list[Walk]) -> np.ndarray:
  """Rows: faces; columns: steps; the first changed answer on either side of the centre framed."""
  judge = next(iter(tools.judges.values()), None)
  rows = []
  for walked in walks:
    at = walked.record.get('flip_step')
    mark = -1 if at is None else int(np.argmin(np.abs(tools.steps - at)))
    rows.append(latent_sources.cells(walked.pictures, walked.scores, judge, mark))
  return report.sheet(
    rows, titles=names, headings=[f'{step:+.3g}' if step else '0' for step in tools.steps]
  )
