"""Traverse: walk faces along directions, and measure what changes."""

import json
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from ganjax import data, editing, report, weights
from ganjax.editing.files import Direction, load_direction
from ganjax.tasks import console
from ganjax.tasks.latent import latent_sources, measures
from ganjax.tasks.latent.latent_config import TraverseConfig
from ganjax.tasks.latent.latent_sources import AttributeScorer, Start
from ganjax.tasks.latent.walks import Tools, Walk, point_of, sheet, walk
from ganjax.tasks.settings import ConfigError


def run(config: TraverseConfig) -> int:
  """Walks every face along every direction; returns the number of failures."""
  networks = latent_sources.load(config)
  own = networks.generator.config
  loaded = [load_direction(path, own, networks.sha256) for path in config.directions]
  if len({direction.name for direction in loaded}) < len(loaded):
    raise ConfigError('--directions: two have the same name; give each once')
  _check_layers(config, loaded, own.num_ws)
  compared = [
    load_direction(path, own, networks.sha256) for path in config.others if path.endswith('.npz')
  ]
  judges = _judges(config, networks)
  steps = np.linspace(-config.max_step, config.max_step, config.num_frames).astype(np.float32)
  steps[config.num_frames // 2] = 0.0  # exactly
  tools = Tools(networks, judges, config.truncation_psi, steps, config.layers)
  sha256 = networks.sha256 + ''.join(judge.attribute.sha256 for judge in judges.values())
  latent_sources.check(config, networks)
  with data.Store.open(config.output, config.record(sha256), config.overwrite) as store:
    found, failures = latent_sources.starts(config, networks)
    for direction in loaded:
      _walk_all(store, config, tools, found, direction)
    summary = {
      direction.name: _summary(store, direction, loaded + compared) for direction in loaded
    }
    store.write_bytes('summary.json', json.dumps(summary, indent=2).encode())
    for name, figures in summary.items():
      print(_summary_line(name, figures))
    page = report.write_report(pathlib.Path(config.output))
    print(f'sheets: {store.folder / "sheets"}')
    print(f'report: {page}')
    return failures + console.print_failures(store)


def _walk_all(
  store: data.Store,
  config: TraverseConfig,
  tools: Tools,
  found: list[Start],
  direction: Direction,
) -> None:
  """Walks all faces along one direction, and draws the first ones below one another."""
  usable = [start for start in found if _reachable(store, start, direction, tools)]
  if all(store.has_result(_name(start, direction)) for start in usable):
    return
  names: list[str] = []
  walks: list[Walk] = []
  for start in tqdm(usable, desc=direction.name, unit='face'):
    walked = walk(tools, start, direction)
    _write(store, config, tools, start, direction, walked)
    if (len(walks) + 1) * config.num_frames <= report.MAX_CELLS:
      names.append(start.name)
      walks.append(walked)
  picture = sheet(tools, names, walks)
  store.write_bytes(f'sheets/{direction.name}.png', data.encode_png(picture))


def _name(start: Start, direction: Direction) -> str:
  return f'{start.name}__{direction.name}'


def _check_layers(config: TraverseConfig, directions: list[Direction], num_ws: int) -> None:
  if not config.layers:
    return
  try:
    editing.layer_mask(config.layers, num_ws)
  except ValueError as error:
    raise ConfigError(f'--layers: {error}') from None
  if of_z := [direction.name for direction in directions if direction.space == 'z']:
    raise ConfigError(f'--layers: {of_z[0]} is a direction of Z, which moves all layers at once')


def _judges(config: TraverseConfig, networks: weights.Networks) -> dict[str, AttributeScorer]:
  judges = {}
  attribute = latent_sources.load_judge(config, networks)
  if attribute is not None:
    judges[attribute.target] = AttributeScorer(attribute)
  for path in config.others:
    if not path.endswith('.npz'):
      other = weights.load_classifier(path)
      other.check(networks.template, path)
      judges[other.target] = AttributeScorer(other)
  return judges


def _reachable(store: data.Store, start: Start, direction: Direction, tools: Tools) -> bool:
  """Whether a face has a latent in the direction's space; if not, that is its failure."""
  try:
    point_of(start, direction, tools)
  except ConfigError as error:
    store.add_failure(start.source, _name(start, direction), error)
    return False
  return True


def _write(
  store: data.Store,
  config: TraverseConfig,
  tools: Tools,
  start: Start,
  direction: Direction,
  walked: Walk,
) -> None:
  name = _name(start, direction)
  if store.has_result(name):
    return
  labels = [f'{direction.name} {step:+.3g}' for step in tools.steps]
  files = {
    'sheet': store.write_bytes(
      f'sheets/{name}.png', data.encode_png(sheet(tools, [start.name], [walked]))
    ),
    'progress': store.write_bytes(
      f'progress/{name}.webp', report.animation(list(walked.pictures), labels)
    ),
  }
  figures = {f'{key}_per_unit': value for key, value in walked.record['per_unit'].items()}
  if walked.record.get('identity_at_flip') is not None:
    figures['identity_at_flip'] = walked.record['identity_at_flip']
  store.add_result(
    {
      'name': name,
      'source': start.source,
      'num_results': len(config.directions),
      'task': config.task,
      **walked.record,
      'files': files,
      'metrics': figures,
    }
  )


def _summary(store: data.Store, direction: Direction, known: list[Direction]) -> dict[str, Any]:
  """Means over the faces that walked along one direction."""
  records = [r for r in store.results if r['direction'] == direction.name]
  summary = measures.summary(records)
  others = [d for d in known if d is not direction and d.space == direction.space]
  summary['cosines'] = {
    other.name: round(
      float(editing.cosine(jnp.asarray(direction.normal), jnp.asarray(other.normal))), 4
    )
    for other in others
  }
  return summary


def _summary_line(name: str, figures: dict[str, Any]) -> str:
  lines = [f'{name}: {figures["faces"]} faces']
  if figures.get('success') is not None:
    low, high = figures['success_95']
    lines[0] += f', {figures["success"]:.0%} end as they ought to (95 %: {low:.0%}–{high:.0%})'
  for key, label in (
    ('identity_at_ends', 'identity distance at the ends'),
    ('identity_at_flip', 'identity distance where the answer changes'),
  ):
    if figures.get(key) is not None:
      lines.append(f'  {label}: {figures[key]:.2f} (dlib: the same person below 0.6)')
  for key, (mean, margin) in figures['per_unit'].items():
    lines.append(f'  {key}: {mean:+.3g} ± {margin:.2g} per deviation')
  lines += [f'  cosine with {other}: {value:+.2f}' for other, value in figures['cosines'].items()]
  return '\n'.join(lines)
