"""Interpolate: from one face to the next, along several paths, and where the answer changes."""

import itertools
import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ganjax import data, editing, inversion, report, weights
from ganjax.editing import rendering
from ganjax.editing.sampling import Space
from ganjax.inversion.perceptual import Perceptual
from ganjax.pixels import to_float
from ganjax.tasks.latent import latent_sources
from ganjax.tasks.latent.latent_config import SEED_PATHS, InterpolateConfig
from ganjax.tasks.latent.latent_sources import AttributeScorer, Start
from ganjax.tasks.settings import ConfigError

# Path -> (space, method).
PATHS: dict[str, tuple[Space, editing.Method]] = {
  'z_linear': ('z', 'linear'),
  'z_spherical': ('z', 'spherical'),
  'w': ('w', 'linear'),
  'w_plus': ('w_plus', 'linear'),
}
FINE = 4  # frames of the animation per step


class Walked(NamedTuple):
  """One path between two faces."""

  record: dict[str, Any]
  pictures: np.ndarray  # uint8 [num_frames, H, W, 3]
  fine: np.ndarray  # uint8 [M, H, W, 3], for the animation
  scores: np.ndarray | None  # [num_frames]
  points: np.ndarray  # [num_frames, …]


def run(config: InterpolateConfig) -> int:
  """Interpolates between each face and the next; returns the number of failures."""
  networks = latent_sources.load(config)
  attribute = latent_sources.load_judge(config, networks)
  judge = None if attribute is None else AttributeScorer(attribute)
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  sha256 = networks.sha256 + (attribute.sha256 if attribute else '')
  latent_sources.check(config, networks)
  with data.Store.open(config.output, config.record(sha256), config.overwrite) as store:
    ends, failures = _ends(config, networks)
    if len(next(iter(ends.values()))) < 2:
      raise data.SourceError(f'{config.input}: an interpolation needs two faces')
    names = [start.name for start in next(iter(ends.values()))]
    for i in range(len(names) - 1):
      pair = {path: (found[i], found[i + 1]) for path, found in ends.items()}
      name = f'{names[i]}__{names[i + 1]}'
      if not store.has_result(name):
        walks = {
          path: _walk(config, networks, judge, perceptual, path, *two) for path, two in pair.items()
        }
        _write(store, config, judge, name, walks, networks.sha256)
    page = report.write_report(pathlib.Path(config.output))
    for record in store.results:
      _print_summary(record)
    print(f'report: {page}')
    return failures + len(store.failures)


def _ends(
  config: InterpolateConfig, networks: weights.Networks
) -> tuple[dict[str, list[Start]], int]:
  """Path -> the faces between which it leads; photographs are inverted once for each space."""
  photos = config.inversion is not None and data.find_latents(config.input) is None
  if photos:
    wanted = config.paths or ('w', 'w_plus')
    if wrong := [path for path in wanted if PATHS[path][0] == 'z']:
      raise ConfigError(f'--paths={wrong[0]}: photographs have no latent in Z; w or w_plus')
    found = {path: latent_sources.starts(config, networks, PATHS[path][0]) for path in wanted}
    # Only photographs that both inversions know.
    known = set.intersection(*({s.name for s in starts} for starts, _ in found.values()))
    kept = {path: [s for s in starts if s.name in known] for path, (starts, _) in found.items()}
    return kept, max(count for _, count in found.values())
  starts, failures = latent_sources.starts(config, networks)
  outermost = max((s.space for s in starts), key=editing.SPACES.index, default='w')
  own = {'z': SEED_PATHS, 'w': ('w',), 'w_plus': ('w_plus',)}[outermost]
  paths = config.paths or own
  for path in paths:
    for start in starts:  # all mistakes come to light before the work begins
      latent_sources.within(start, PATHS[path][0], networks, config.truncation_psi)
  return dict.fromkeys(paths, starts), failures


def _walk(
  config: InterpolateConfig,
  networks: weights.Networks,
  judge: AttributeScorer | None,
  perceptual: Perceptual,
  path: str,
  start: Start,
  end: Start,
) -> Walked:
  space, method = PATHS[path]
  psi = config.truncation_psi
  first, last = (jnp.asarray(latent_sources.within(s, space, networks, psi)) for s in (start, end))
  shares = jnp.linspace(0.0, 1.0, (config.num_frames - 1) * FINE + 1)
  points = np.asarray(editing.interpolate(first, last, shares, method))
  ws = latent_sources.rows(points, space, networks, psi)
  noise = _noise(networks, start, end, shares)
  fine = rendering.draw(networks.generator, ws, noise)
  pictures = fine[::FINE]
  steps = [
    float(inversion.distance(perceptual, to_float(a), to_float(b)))
    for a, b in itertools.pairwise(pictures)
  ]
  record: dict[str, Any] = {
    'path': path,
    'length': float(jnp.sum(editing.step_lengths(jnp.asarray(points)))),
    'length_w': float(jnp.sum(editing.step_lengths(jnp.asarray(ws[:, 0])))),
    'perceptual_steps': [round(step, 5) for step in steps],
    'perceptual_length': float(np.sum(steps)),
    'largest_step': float(np.max(steps)),
  }
  scores = None
  if judge is not None:
    scores = judge.scores(pictures)
    record['scores'] = scores.round(4).tolist()
    flip = int(editing.flip(jnp.asarray(scores)))
    record['flips_at'] = None if flip < 0 else flip
  return Walked(record, pictures, fine, scores, points[::FINE])


def _noise(
  networks: weights.Networks, start: Start, end: Start, shares: Any
) -> dict[str, np.ndarray] | None:
  """The noise maps go along, so that both ends are the pictures that they were."""
  if not start.noise and not end.noise:
    return None
  own = networks.generator.synthesis.noise_const()

  def along(name: str) -> np.ndarray:
    first, last = (jnp.asarray(one.noise.get(name, own[name])) for one in (start, end))
    return np.asarray(editing.interpolate(first, last, shares))

  return {name: along(name) for name in own}


def _write(
  store: data.Store,
  config: InterpolateConfig,
  judge: AttributeScorer | None,
  name: str,
  walks: dict[str, Walked],
  weights_sha256: str,
) -> None:
  sheet = report.sheet(
    [latent_sources.cells(w.pictures, w.scores, judge, _mark(w.record)) for w in walks.values()],
    titles=[_title(walk.record) for walk in walks.values()],
    headings=[f'step {i}' for i in range(config.num_frames)],
  )
  frames = np.concatenate([walk.fine for walk in walks.values()], axis=2)
  labels = [f'{", ".join(walks)}: {i / FINE:.2f}' for i in range(len(frames))]
  files = {
    'sheet': store.write_bytes(f'sheets/{name}.png', data.encode_png(sheet)),
    'progress': store.write_bytes(f'progress/{name}.webp', report.animation(list(frames), labels)),
    'points': store.write_array(
      'paths',
      name,
      **{path: walk.points for path, walk in walks.items()},
      weights_sha256=weights_sha256,
    ),
  }
  figures = {
    f'{path}_{figure}': walk.record[figure]
    for path, walk in walks.items()
    for figure in ('perceptual_length', 'largest_step')
  }
  store.add_result(
    {
      'name': name,
      'source': name.replace('__', ' to '),
      'task': config.task,
      'paths': [walk.record for walk in walks.values()],
      'files': files,
      'metrics': figures,
    }
  )


def _mark(record: dict[str, Any]) -> int:
  """The step whose picture gets a frame; −1 for none."""
  flip = record.get('flips_at')
  return -1 if flip is None else flip


def _title(record: dict[str, Any]) -> str:
  title = (
    f'{record["path"]}: length {record["length"]:.3g}, perceptual length '
    f'{record["perceptual_length"]:.3g}, largest step {record["largest_step"]:.3g}'
  )
  if 'flips_at' not in record:
    return title
  flip = record['flips_at']
  return title + (', the answer stays' if flip is None else f', the answer changes at step {flip}')


def _print_summary(record: dict[str, Any]) -> None:
  print(record['source'])
  for path in record['paths']:
    print(f'  {_title(path)}')
