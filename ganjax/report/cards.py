"""One photo's card in the report: its pictures, figures, curve, progress and files.

A card is plain data, which `card.html` lays out; escaping is the template's part, links are checked
here (`Files.link`).
"""

import os
import pathlib
import urllib.parse
from typing import Any, NamedTuple

from PIL import Image

from ganjax.metrics import ENDINGS
from ganjax.report.runs import by_kind, number, section

_RESTORED_NAMES = {
  'generate': 'generated',
  'invert': 'inverted',
  **dict.fromkeys(('interpolate', 'direction', 'traverse'), 'measured'),
}
_UNITS = {'psnr': 'dB', 'fidelity': 'dB'}
_DECIMALS = {'psnr': 1, 'ssim': 2, 'fidelity': 1}
_PHOTOS = {'photo': 'photo', 'pasted': 'pasted back'}
_MAPS = {  # what a run of several inversions shows: label, CSS class
  'deviation': ('where restarts disagree', 'map'),
  'heatmap': ('heat map', 'map'),
  'sweep': ('all combinations, the best framed', 'sweep'),
  'sheet': ('step by step', 'sweep'),
}


class Picture(NamedTuple):
  """One picture on the page."""

  label: str
  path: str  # as the record names it
  link: str | None  # URL; None where there is no such file
  kind: str  # CSS class of its figure
  blocky: bool = False  # enlarge pixel by pixel: a low-resolution picture, shown as what it is


class Table(NamedTuple):
  """The figures of one photo."""

  heads: list[str]
  rows: dict[str, list[str]]  # title -> one cell under each head


class Card(NamedTuple):
  """What is shown of one record."""

  name: str
  facts: dict[str, Any]  # kind, as `card.html` lists them -> what it says
  faces: list[Picture]
  compare: tuple[Picture, Picture] | None  # before and after
  photos: list[Picture]
  metrics: Table | None
  evidence: list[Picture]
  progress: Picture | None
  links: dict[str, str]  # text -> URL


class Files(NamedTuple):
  """The files of one run, as seen from the page."""

  run: pathlib.Path
  prefix: str  # from the page's folder to the run's; '' or ends in '/'

  def local(self, name: object) -> pathlib.Path | None:
    """The file, or None where it is absent or the name leads out of the run's folder."""
    if not isinstance(name, str) or not name or os.path.isabs(name):
      return None
    clean = os.path.normpath(name)
    path = self.run / clean
    # os.path.isfile, because it answers False, not an error, for a name no system can hold.
    return path if clean.split(os.sep)[0] != '..' and os.path.isfile(path) else None

  def link(self, name: object) -> str | None:
    """A URL relative to the page; None where `local` is None."""
    if self.local(name) is None:
      return None
    path = self.prefix + os.path.normpath(str(name))
    url = urllib.parse.quote(os.fsencode(path))
    # './' keeps a first part such as 'a:b' or '/' from being read as a scheme or a host.
    return f'./{url}'

  def links(self, paths: dict[str, str]) -> dict[str, str]:
    """The URLs of those files that are there."""
    return {shown: link for shown, path in paths.items() if (link := self.link(path))}

  def picture(self, label: str, path: str, kind: str, blocky: bool = False) -> Picture:
    """One of the run's pictures."""
    return Picture(label, path, self.link(path), kind, blocky)


def figure_text(metric: str, value: float) -> str:
  """'24.1', '0.77'."""
  decimals = _DECIMALS.get(metric)
  return f'{value:.4g}' if decimals is None else f'{value:.{decimals}f}'


def gain_text(metric: str, before: float, after: float) -> str:
  """'+3.8'; a true minus sign."""
  decimals = _DECIMALS.get(metric)
  gain = after - before
  shown = f'{gain:+.4g}' if decimals is None else f'{gain:+.{decimals}f}'
  return shown.replace('-', '−')


def with_unit(metric: str, shown: str) -> str:
  """'24.1 dB'."""
  unit = _UNITS.get(metric)
  return f'{shown} {unit}' if unit else shown


def card(record: dict, files: Files) -> Card:
  """The card of one results.jsonl record; absent parts are left out, missing files named."""
  paths = {k: v for k, v in section(record, 'files').items() if isinstance(v, str) and v}
  task = record.get('task')
  restored = _RESTORED_NAMES.get(task, 'restored') if isinstance(task, str) else 'restored'
  faces = _faces(restored, paths, files)
  return Card(
    name=record.get('name', 'without a name'),
    facts=_facts(record),
    faces=faces,
    compare=_compare(faces),
    photos=[files.picture(_PHOTOS[key], paths[key], 'photo') for key in _PHOTOS if key in paths],
    metrics=_metrics(section(record, 'metrics'), restored),
    evidence=_evidence(record, paths, files),
    progress=files.picture('progress', paths['progress'], 'moving')
    if 'progress' in paths
    else None,
    links=files.links(paths),
  )


def _facts(record: dict) -> dict[str, Any]:
  facts = {key: record[key] for key in ('source', 'estimate') if key in record}
  if best := section(record, 'best'):
    facts['best'] = ', '.join(f'{key}={value}' for key, value in best.items())
  if 'class' in record:
    facts['class'] = record['class'], _share(record)
  if (weight := number(record.get('latent_dist_reg_weight'))) is not None:
    facts['weight'] = f'{weight:g}'
  if (loss := number(record.get('loss'))) is not None:
    facts['loss'] = f'{loss:.4g}'
  settled, steps = number(record.get('settled_at')), number(record.get('num_steps'))
  if settled is not None:
    facts['settled'] = f'{settled:g}' if steps is None else f'{settled:g} of {steps:g}'
  if (seconds := number(record.get('seconds'))) is not None:
    facts['seconds'] = f'{seconds:.3g}'
  return facts


def _share(record: dict) -> str:
  probability = number(record.get('probability'))
  return 'of unknown probability' if probability is None else f'{probability:.0%}'


def _faces(restored: str, paths: dict[str, str], files: Files) -> list[Picture]:
  """The aligned pictures, side by side; the restored one by what it is called."""
  width = {key: _width(files.local(paths.get(key))) for key in ('degraded', 'restored')}
  blocky = bool(width['degraded'] and width['restored']) and width['degraded'] < width['restored']
  wanted = (
    ('degraded', 'degraded', blocky),
    ('restored', restored, False),
    ('completed', 'completed', False),
    ('aligned', 'truth' if 'restored' in paths else 'aligned', False),
  )
  return [
    files.picture(label, paths[key], 'face', low) for key, label, low in wanted if key in paths
  ]


def _width(path: pathlib.Path | None) -> int:
  if path is None:
    return 0
  try:
    with Image.open(path) as image:  # reads the header only
      return image.width
  except (OSError, ValueError, Image.DecompressionBombError):
    return 0


def _compare(faces: list[Picture]) -> tuple[Picture, Picture] | None:
  """What a slider compares: with a completed picture if there is one; None where one is missing."""
  if len(faces) < 2 or faces[0].label != 'degraded':
    return None
  before, *others = faces
  after = next((face for face in others if face.label == 'completed'), others[0])
  return (before, after) if before.link and after.link else None


def _metrics(metrics: dict, restored: str) -> Table | None:
  """The figures as a table; without a column for a kind of picture that was not measured."""
  names = [m for m in metrics if not m.endswith(tuple(filter(None, ENDINGS.values())))]
  rows = {metric: by_kind(metrics, metric) for metric in names}
  rows = {m: row for m, row in rows.items() if row['restored'] is not None}
  kinds = [kind for kind in ENDINGS if any(row[kind] is not None for row in rows.values())]
  if not kinds:
    return None
  return Table(
    [restored if kind == 'restored' else kind for kind in kinds],
    {_title(m): [_cell(m, row[kind]) for kind in kinds] for m, row in rows.items()},
  )


def _cell(metric: str, value: float | None) -> str:
  return '–' if value is None else figure_text(metric, value)


def _title(metric: str) -> str:
  """'PSNR, dB'; what the latent tasks measure has names of several words instead."""
  title = metric.replace('_', ' ') if '_' in metric else metric.upper()
  return f'{title}, {_UNITS[metric]}' if metric in _UNITS else title


def _evidence(record: dict, paths: dict[str, str], files: Files) -> list[Picture]:
  settled = number(record.get('settled_at'))
  label = 'loss curve' if settled is None else f'loss curve, settled at step {settled:g}'
  wanted = {'curve': (label, 'curve'), **_MAPS}
  return [
    files.picture(label, paths[key], kind) for key, (label, kind) in wanted.items() if key in paths
  ]
