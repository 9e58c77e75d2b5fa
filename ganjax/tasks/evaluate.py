"""Evaluate: every task × level × method over a folder, and tables of how well each does."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from ganjax import data, faces, inversion, metrics, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.pixels import to_float
from ganjax.restoration import realism
from ganjax.restoration.measure import enlarged
from ganjax.runtime import programs
from ganjax.tasks import align, deep_prior, deep_prior_config, levels, restore, restore_config
from ganjax.tasks.config import FacesConfig
from ganjax.tasks.deep_prior_config import DeepPriorTaskConfig
from ganjax.tasks.evaluate_config import DEEP_PRIOR, DEFAULT_LEVEL, METHODS, EvaluateConfig
from ganjax.tasks.evaluate_table import MEASURES, Cell, markdown, write
from ganjax.tasks.restore_config import RESTORATIONS, RestoreConfig, check_steps

Descriptors = tuple[np.ndarray, np.ndarray]  # of a face and of the true one


@dataclasses.dataclass(frozen=True)
class _Measures:
  """What all cells are measured with."""

  distances: dict[str, inversion.Perceptual]  # column -> perceptual distance
  networks: realism.Networks
  truths: dict[tuple, realism.Appearance] = dataclasses.field(default_factory=dict)

  @classmethod
  def load(cls, config: EvaluateConfig, networks: weights.Networks) -> '_Measures':
    """Reads what flags name."""
    distances = {}
    if networks.discriminator is not None:
      distances['perceptual'] = inversion.load_perceptual('discriminator', networks)
    if config.perceptual != 'discriminator':
      kind = config.perceptual
      distances['lpips'] = inversion.load_perceptual(kind, networks, config.precision)
    inception = weights.load_inception(config.inception) if config.inception else None
    return cls(distances, realism.Networks(networks.discriminator, inception))

  def appearances_of_truths(self, pictures: list[dict]) -> list[realism.Appearance]:
    """What truths look like, which is found once for all cells."""
    keys = [(picture['name'], picture['aligned'].shape) for picture in pictures]
    images = [picture['aligned'] for picture in pictures]
    new = {key: image for key, image in zip(keys, images, strict=True) if key not in self.truths}
    found = realism.appearances(self.networks, list(new.values()))
    self.truths.update(zip(new, found, strict=True))
    return [self.truths[key] for key in keys]


def run(config: EvaluateConfig) -> int:
  """Runs what is missing, and writes the tables; returns the number of failures."""
  networks = weights.load(config.weights, config.precision, init=INIT_AVERAGE)
  _check(config, networks.sha256)
  measures = _Measures.load(config, networks)
  failures, cells = align.run(_aligning(config)), []
  for task, level, spec in _conditions(config):
    found: list[Cell] = []
    for method in config.methods:
      one = _one(config, task, level, spec, method)
      print(f'{task} {level} {method}: {spec}')
      failures += (restore if isinstance(one, RestoreConfig) else deep_prior).run(one)
      pictures = _pictures(one)
      if not found and task != 'invert':
        found.append(_cell(task, level, 'degraded', pictures, 'degraded', measures))
      found.append(_cell(task, level, method, pictures, 'restored', measures))
      if any('completed' in picture for picture in pictures):
        whole = f'{method} (completed)'
        found.append(_cell(task, level, whole, pictures, 'completed', measures))
      programs.clear_caches_near_map_limit()  # every method has programs of its own
    cells += found
    write(pathlib.Path(config.output), cells)  # whatever comes, these are there
  print(markdown(cells))
  print(
    f'tables: {config.output}/table.md, table.csv, paired.csv with all differences, and '
    'pictures.csv with a line for each picture'
  )
  return failures


def _check(config: EvaluateConfig, generator_sha256: str) -> None:
  """Raises ConfigError or WeightsError where a cell cannot be run."""
  for task, level, spec in _conditions(config):
    for method in config.methods:
      one = _one(config, task, level, spec, method)
      if isinstance(one, RestoreConfig):
        check_steps(one, weights.encoders.find(generator_sha256, one.init))


def _conditions(config: EvaluateConfig) -> list[tuple[str, str, str]]:
  """(task, level, degradation) in order; compositions have one level."""
  found = []
  for task in config.tasks:
    if task in levels.COMPOSED:
      found.append((task, 'M', levels.COMPOSED[task]))
      continue
    for level in config.levels:
      own = RESTORATIONS[task].get('degradation', '')
      spec = own if level == DEFAULT_LEVEL else levels.LEVELS.get(task, {}).get(level, own)
      if (task, spec) not in {(t, s) for t, _, s in found}:
        found.append((task, level, spec))
  return found


def _aligning(config: EvaluateConfig) -> FacesConfig:
  """The run that crops the faces, once for all cells."""
  shared = {field.name: getattr(config, field.name) for field in dataclasses.fields(FacesConfig)}
  return FacesConfig(**{**shared, 'task': 'align', 'output': f'{config.output}/faces'})


def _one(
  config: EvaluateConfig, task: str, level: str, spec: str, method: str
) -> RestoreConfig | DeepPriorTaskConfig:
  """The run of one cell."""
  own: dict[str, Any] = {
    'input': f'{config.output}/faces/aligned',
    'output': f'{config.output}/{task}-{level}-{method}',
    'save_every': 0,
  }
  if method == DEEP_PRIOR:
    return deep_prior_config.configuration(True, task=DEEP_PRIOR, degradation=spec, **own)
  preset, changes = METHODS[method]
  kind = task if task in RESTORATIONS else 'denoise'
  begins = {name: changes[name] for name in ('init',) if name in changes}
  base = restore_config.configuration(
    RestoreConfig, kind, preset, spec, degrade_first=True, **begins
  )
  kind = task if task in RESTORATIONS else 'restore'
  return dataclasses.replace(base, task=kind, align='never', **own, **changes)


def _pictures(config: RestoreConfig | DeepPriorTaskConfig) -> list[dict]:
  """A run's results with their pictures."""
  folder = pathlib.Path(config.output)
  _, results, _ = data.read_results(folder)
  kinds = ('restored', 'completed', 'aligned', 'degraded')
  return [
    {
      **record,
      **{k: data.decode(folder / record['files'][k]) for k in kinds if k in record['files']},
    }
    for record in results
  ]


def _cell(
  task: str, level: str, method: str, pictures: list[dict], kind: str, measures: _Measures
) -> Cell:
  """One kind of a run's pictures: each one's measures, and what they are together."""
  head = {'task': task, 'level': level, 'method': method}
  known = [picture for picture in pictures if kind in picture and 'aligned' in picture]
  shown = [enlarged(picture[kind], *picture['aligned'].shape[:2]) for picture in known]
  ours = realism.appearances(measures.networks, shown)
  truths = measures.appearances_of_truths(known)
  pairs = [
    _descriptors(image, picture['aligned'], truth.landmarks)
    for image, picture, truth in zip(shown, known, truths, strict=True)
  ]
  fidelity = [
    _fidelity(picture, kind, image, pair, measures.distances)
    for picture, image, pair in zip(known, shown, pairs, strict=True)
  ]
  looks = [realism.compare(*both) for both in zip(ours, truths, strict=True)]
  shares = realism.kernel_distances(ours, truths)
  lines = [
    {**head, 'name': picture['name'], **one, **look, **share}
    for picture, one, look, share in zip(known, fidelity, looks, shares, strict=True)
  ]
  whole = {name: _mean([line.get(name) for line in lines]) for name in MEASURES}
  whole |= realism.frechet_distances(ours, truths)
  whole['frechet_identity'] = _frechet([pair for pair in pairs if pair is not None])
  if lines and kind == 'restored':
    whole['images_per_s'] = len(pictures) / sum(p['seconds'] for p in pictures)
  return Cell(kind, {**head, 'n': len(pictures), **whole}, lines)


def _fidelity(
  picture: dict,
  kind: str,
  shown: np.ndarray,
  descriptors: Descriptors | None,
  distances: dict[str, inversion.Perceptual],
) -> dict[str, float | None]:
  """How near one picture is to the truth, and to the input."""
  values = {
    name: picture['metrics'].get(f'{name}{metrics.ENDINGS[kind]}')
    for name in ('psnr', 'ssim', 'fidelity')
  }
  image, truth = to_float(shown), to_float(picture['aligned'])
  values |= {name: float(inversion.distance(d, image, truth)) for name, d in distances.items()}
  if descriptors is not None:
    values['identity'] = float(np.linalg.norm(descriptors[0] - descriptors[1]))
  return values


def _descriptors(
  shown: np.ndarray, truth: np.ndarray, landmarks: np.ndarray | None
) -> Descriptors | None:
  """Of a face and of the true one, whose landmarks serve both; None where none were found."""
  if landmarks is None:
    return None
  return faces.descriptor(shown, landmarks), faces.descriptor(truth, landmarks)


def _mean(values: list[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return float(np.mean(known)) if known else None


def _frechet(pairs: list[Descriptors]) -> float | None:
  """The Fréchet distance of the descriptors' distributions, × 1000."""
  if len(pairs) < 2:
    return None
  ours, theirs = (np.stack(column) for column in zip(*pairs, strict=True))
  return metrics.frechet(ours, theirs) / faces.FRECHET_UNIT
