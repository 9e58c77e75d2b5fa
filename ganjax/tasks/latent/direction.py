"""Direction: find directions of latent space, from labels or without."""

import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ganjax import data, editing, report, weights
from ganjax.data.labelled import read_scores
from ganjax.editing import rendering
from ganjax.editing.directions import Fit
from ganjax.editing.files import Direction, EditingError, load_direction
from ganjax.editing.sampling import Space
from ganjax.tasks.latent import latent_sources
from ganjax.tasks.latent.latent_config import DirectionConfig
from ganjax.tasks.latent.latent_sources import AttributeScorer, Start
from ganjax.tasks.latent.walks import Tools, sheet, walk
from ganjax.tasks.settings import ConfigError
from ganjax.training.attributes import wilson

FEWEST = 10  # latents of each class; fewer say nothing about 128 numbers and more
_PREVIEW = np.linspace(-3, 3, 7).astype(np.float32)


class Labelled(NamedTuple):
  """Latents of one space, and how sure it is that they have the attribute."""

  points: np.ndarray  # [N, …]
  scores: np.ndarray  # [N], positive where they have; NaN where nobody says


def run(config: DirectionConfig) -> int:
  """Finds and saves the directions; returns the number of failures."""
  networks = latent_sources.load(config)
  own = networks.generator.config
  given = [load_direction(path, own, networks.sha256) for path in config.conditional_on]
  attribute = latent_sources.load_judge(config, networks)
  if attribute is None and not config.labels and 'svm' in config.methods:
    raise ConfigError('--classifier, --labels: one of them has to say who has the attribute')
  judge = None if attribute is None else AttributeScorer(attribute)
  sha256 = networks.sha256 + (attribute.sha256 if attribute else '')
  known = latent_sources.check(config, networks)
  if config.labels and known:
    read_scores(config.labels, known, config.target_class)
  with data.Store.open(config.output, config.record(sha256), config.overwrite) as store:
    found, failures = latent_sources.starts(config, networks)
    directions: list[Direction] = []
    if 'svm' in config.methods:
      directions += _supervised(config, networks, judge, found, given)
    directions += _unsupervised(config, networks)
    for direction in directions:
      if not store.has_result(direction.name):
        _write(store, config, networks, judge, found, direction)
    page = report.write_report(pathlib.Path(config.output))
    for record in store.results:
      print(_summary_line(record))
    _print_angles(directions + given)
    print(f'directions: {store.folder / "directions"}')
    print(f'report: {page}')
    return failures


def _supervised(
  config: DirectionConfig,
  networks: weights.Networks,
  judge: AttributeScorer | None,
  found: list[Start],
  given: list[Direction],
) -> list[Direction]:
  """One direction for each space, and, where others are given, what is left without them."""
  target = _target(config, judge)
  directions = []
  for space, labelled in _labelled(config, networks, judge, found).items():
    own = [d for d in given if d.space == space]
    if given and not own:
      continue
    fit, kept = _fit(config, space, target, labelled)
    provenance = _provenance(config, judge, labelled, fit, kept)
    one = _direction(f'{target}_{space}', space, fit, labelled.points, networks, provenance)
    directions.append(one)
    if own:
      directions.append(_conditional(one, own, labelled.points))
  if given and not directions:
    raise ConfigError(f'--conditional_on: none is a direction of {", ".join(config.spaces)}')
  return directions


def _target(config: DirectionConfig, judge: AttributeScorer | None) -> str:
  """What the attribute is called."""
  if not config.labels:
    assert judge is not None  # `run` has seen to it
    return judge.attribute.target
  return config.target_class or pathlib.Path(config.labels).stem


def _labelled(
  config: DirectionConfig,
  networks: weights.Networks,
  judge: AttributeScorer | None,
  found: list[Start],
) -> dict[Space, Labelled]:
  """Latents with their scores, by space."""
  psi = config.truncation_psi
  if config.inversion is None:
    assert judge is not None
    wanted = config.spaces or editing.SPACES
    ask = rendering.classifier_logits
    points = {
      space: rendering.sampled(networks.generator, config.seed, config.num_samples, psi, space)
      for space in wanted
    }
    scores: dict[Space, np.ndarray] = {}
    for space in wanted:
      # A sample of Z and that of W are the same picture.
      if space == 'w' and 'z' in scores:
        scores['w'] = scores['z']
        continue
      print(f'asking about {config.num_samples} faces of {space}')
      logits = ask(networks.generator, judge.attribute.classifier, points[space], psi, space)
      scores[space] = judge.of_logits(logits)
    return {space: Labelled(points[space], scores[space]) for space in wanted}
  outermost = max((start.space for start in found), key=editing.SPACES.index)
  result: dict[Space, Labelled] = {}
  for space in config.spaces or (outermost,):
    stacked = np.stack([latent_sources.within(start, space, networks, psi) for start in found])
    if config.labels:
      scored = read_scores(config.labels, [start.name for start in found], config.target_class)
    else:
      assert judge is not None
      scored = judge.of_logits(
        rendering.classifier_logits(
          networks.generator, judge.attribute.classifier, stacked, psi, space
        )
      )
    result[space] = Labelled(stacked, scored)
  return result


def _fit(
  config: DirectionConfig, space: Space, target: str, labelled: Labelled
) -> tuple[Fit, np.ndarray]:
  """Fits a direction to the surest; also the labels that were kept."""
  known = np.isfinite(labelled.scores)
  counts = np.sum(labelled.scores[known] > 0), np.sum(labelled.scores[known] <= 0)
  if min(counts) < FEWEST:
    raise EditingError(
      f'{target} in {space}: {counts[0]} latents have it and {counts[1]} have not, but {FEWEST} of '
      'each are needed: raise --num_samples or --truncation_psi, or give other --labels'
    )
  labels = np.zeros(len(known), np.int32)
  scores = labelled.scores[known]
  if np.all(np.abs(scores) == 1):  # classes, of which all are equally sure
    labels[known] = np.sign(scores)
  else:
    # However small the share, a fit needs some of each.
    share = max(config.confident_share, FEWEST / len(scores))
    labels[known] = np.asarray(editing.confident(jnp.asarray(scores, jnp.float32), share))
  points = jnp.asarray(labelled.points, jnp.float32)
  return editing.fit_direction(points, jnp.asarray(labels), config.seed), labels


def _provenance(
  config: DirectionConfig,
  judge: AttributeScorer | None,
  labelled: Labelled,
  fit: Fit,
  kept: np.ndarray,
) -> dict[str, Any]:
  """How a direction came about, and how well it tells high scores from low ones."""
  known = np.isfinite(labelled.scores)
  points = labelled.points[known].reshape(int(known.sum()), -1)
  scores = labelled.scores[known]
  along = np.corrcoef(points @ np.asarray(fit.normal).reshape(-1), scores)[0, 1]
  hits, counts = np.asarray(fit.test_hits), np.asarray(fit.test_counts)
  return {
    'method': 'svm',
    'labels': config.labels or 'classifier',
    'classifier_sha256': judge.attribute.sha256 if judge and not config.labels else '',
    'latents': config.input or f'{config.num_samples} samples of seed {config.seed}',
    'truncation_psi': config.truncation_psi,
    'samples': int(known.sum()),
    'with_attribute': int(np.sum(scores > 0)),
    'kept': [int(np.sum(kept == -1)), int(np.sum(kept == 1))],
    'train_accuracy': round(float(fit.train_accuracy), 4),
    'test_accuracy': round(float(fit.test_accuracy), 4),
    'test_recall_95': [
      [round(v, 4) for v in wilson(int(h), int(c))] for h, c in zip(hits, counts, strict=True)
    ],
    'correlation': round(float(along), 4),
  }


def _direction(
  name: str,
  space: Space,
  fit: Fit,
  points: np.ndarray,
  networks: weights.Networks,
  provenance: dict[str, Any],
) -> Direction:
  normal = np.asarray(fit.normal)
  spread = float(editing.deviation(jnp.asarray(points), jnp.asarray(normal)))
  return Direction(name, space, normal, float(fit.intercept), spread, networks.sha256, provenance)


def _conditional(one: Direction, given: list[Direction], points: np.ndarray) -> Direction:
  """What is left of a direction without what it shares with the given ones."""
  others = jnp.stack([jnp.asarray(d.normal) for d in given])
  normal = np.asarray(editing.conditional(jnp.asarray(one.normal), others))
  if not np.all(np.isfinite(normal)):
    raise EditingError(f'--conditional_on: nothing is left of {one.name} without these directions')
  # How well the whole direction tells the classes apart says nothing about this part of it.
  measured = ('train_accuracy', 'test_accuracy', 'test_recall_95', 'correlation')
  kept = {k: v for k, v in one.provenance.items() if k not in measured}
  return one._replace(
    name=f'{one.name}_conditional',
    normal=normal,
    intercept=float('nan'),
    deviation=float(editing.deviation(jnp.asarray(points), jnp.asarray(normal))),
    provenance={**kept, 'conditional_on': [d.name for d in given]},
  )


def _unsupervised(config: DirectionConfig, networks: weights.Networks) -> list[Direction]:
  """SeFa's and PCA's directions, all in W."""
  if not {'sefa', 'pca'} & set(config.methods):
    return []
  generator, count = networks.generator, config.num_directions
  if count > generator.config.w_dim:
    raise ConfigError(f'--num_directions={count}: W has {generator.config.w_dim} dimensions')
  points = rendering.sampled(generator, config.seed, config.num_samples, config.truncation_psi, 'w')
  found = {}
  if 'sefa' in config.methods:
    try:
      found['sefa'] = editing.sefa(generator, count, config.layers or None)
    except ValueError as error:
      raise ConfigError(f'--layers: {error}') from None
  if 'pca' in config.methods:
    found['pca'] = editing.pca(jnp.asarray(points), count)
  directions = []
  for method, components in found.items():
    for i in range(count):
      normal = np.asarray(components.normals[i])
      provenance: dict[str, Any] = {
        'method': method,
        'rank': i,
        'strength': float(components.strengths[i]),
        'layers': list(config.layers) if method == 'sefa' else [],
        'truncation_psi': config.truncation_psi,
      }
      spread = float(editing.deviation(jnp.asarray(points), jnp.asarray(normal)))
      directions.append(
        Direction(f'{method}_{i}', 'w', normal, float('nan'), spread, networks.sha256, provenance)
      )
  return directions


def _write(
  store: data.Store,
  config: DirectionConfig,
  networks: weights.Networks,
  judge: AttributeScorer | None,
  found: list[Start],
  direction: Direction,
) -> None:
  """Saves a direction with a preview of what it does."""
  judges = {} if judge is None else {judge.attribute.target: judge}
  tools = Tools(networks, judges, config.truncation_psi, _PREVIEW, ())
  order = editing.SPACES.index
  shown = [start for start in found if order(start.space) <= order(direction.space)][:3]
  if direction.space == 'w':  # a direction of W moves all rows of W+
    shown = found[:3]
  files = {'direction': store.write_array('directions', direction.name, **direction.arrays())}
  if shown:
    walks = [walk(tools, start, direction) for start in shown]
    picture = sheet(tools, [start.name for start in shown], walks)
    files['sheet'] = store.write_bytes(f'sheets/{direction.name}.png', data.encode_png(picture))
  names = ('train_accuracy', 'test_accuracy', 'correlation')
  figures = {k: direction.provenance[k] for k in names if k in direction.provenance}
  store.add_result(
    {
      'name': direction.name,
      'source': str(direction.provenance.get('latents', direction.provenance['method'])),
      'task': config.task,
      'space': direction.space,
      'deviation': direction.deviation,
      **direction.provenance,
      'files': files,
      'metrics': figures,
    }
  )


def _summary_line(record: dict[str, Any]) -> str:
  """One line about a direction."""
  line = f'{record["name"]}: one deviation is {record["deviation"]:.3g}'
  if 'test_accuracy' in record:
    (a, b), (c, d) = record['test_recall_95']
    line += (
      f', {record["test_accuracy"]:.1%} right of what was not fitted (95 % of the recalls: '
      f'{a:.0%}–{b:.0%}, {c:.0%}–{d:.0%}), correlation with all answers {record["correlation"]:.2f}'
    )
  return line


def _print_angles(directions: list[Direction]) -> None:
  """Prints the cosines of directions of one space: what moves together."""
  for i, one in enumerate(directions):
    for other in directions[i + 1 :]:
      if one.space == other.space and one.provenance['method'] == 'svm':
        angle = editing.cosine(jnp.asarray(one.normal), jnp.asarray(other.normal))
        print(f'cosine of {one.name} and {other.name}: {float(angle):+.2f}')
