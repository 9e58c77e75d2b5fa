"""One picture's card in the report: its pictures, figures, curve, progress and files, as HTML.

Every value from a run folder passes `text` (HTML) or `Files.link` (URL) on its way into the page.
"""

import html
import os
import pathlib
import urllib.parse
from typing import NamedTuple

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


class Picture(NamedTuple):
  label: str
  path: str
  blocky: bool = False  # enlarge pixel by pixel: a low-resolution picture, shown as what it is


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
    """A URL relative to the page, ready for an HTML attribute; None where `local` is None."""
    if self.local(name) is None:
      return None
    path = self.prefix + os.path.normpath(str(name))
    url = urllib.parse.quote(os.fsencode(path))
    # './' keeps a first part such as 'a:b' or '/' from being read as a scheme or a host.
    return f'./{url}'


def text(value: object) -> str:
  """Any value as HTML text, safe in content and in attributes."""
  shown = str(value).encode('utf-8', 'replace').decode()  # a lone surrogate cannot be written
  return html.escape(shown, quote=True)


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


def card(record: dict, files: Files, identifier: str) -> str:
  """The card of one results.jsonl record; absent parts are left out, missing files named."""
  name = text(record.get('name', 'without a name'))
  paths = {k: v for k, v in section(record, 'files').items() if isinstance(v, str) and v}
  task = record.get('task')
  restored = _RESTORED_NAMES.get(task, 'restored') if isinstance(task, str) else 'restored'
  faces = _faces(restored, paths, files)
  photos = [
    Picture(label, paths[key])
    for key, label in (
      ('photo', 'photo'),
      ('pasted', 'pasted back'),
    )
    if key in paths
  ]
  parts = [
    f'<article class="card" id="{identifier}" aria-labelledby="{identifier}-name">',
    f'<h3 id="{identifier}-name">{name}</h3>',
    _facts(record),
    '<div class="pictures">',
    *(_figure(picture, name, files) for picture in faces),
    _compare(faces, name, files),
    *(_figure(picture, name, files, 'photo') for picture in photos),
    _metrics(section(record, 'metrics'), restored),
    _curve(record, paths, name, files),
    *_maps(paths, name, files),
    '</div>',
    _progress(paths, name, files),
    _links(paths, files),
    '</article>',
  ]
  return '\n'.join(part for part in parts if part)


def _facts(record: dict) -> str:
  facts = []
  if 'source' in record:
    facts.append(f'from <span class="path">{text(record["source"])}</span>')
  if 'estimate' in record:
    facts.append(f'degradation found: <code>{text(record["estimate"])}</code>')
  if best := section(record, 'best'):
    named = ', '.join(f'{key}={value}' for key, value in best.items())
    facts.append(f'best with <code>{text(named)}</code>')
  if 'class' in record:
    facts.append(f'<strong>{text(record["class"])}</strong>, {text(_share(record))}')
  if (weight := number(record.get('latent_dist_reg_weight'))) is not None:
    facts.append(f'latent weight {weight:g}, chosen')
  if (loss := number(record.get('loss'))) is not None:
    facts.append(f'loss {loss:.4g}')
  settled, steps = number(record.get('settled_at')), number(record.get('num_steps'))
  if settled is not None:
    of = '' if steps is None else f' of {steps:g}'
    facts.append(f'settled at step {settled:g}{of}')
  if (seconds := number(record.get('seconds'))) is not None:
    facts.append(f'{seconds:.3g} s')
  return f'<p class="facts">{" · ".join(facts)}</p>' if facts else ''


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
  return [Picture(label, paths[key], low) for key, label, low in wanted if key in paths]


def _width(path: pathlib.Path | None) -> int:
  if path is None:
    return 0
  try:
    with Image.open(path) as image:  # reads the header only
      return image.width
  except (OSError, ValueError, Image.DecompressionBombError):
    return 0


def _figure(picture: Picture, name: str, files: Files, kind: str = 'face') -> str:
  if (link := files.link(picture.path)) is None:
    shown = f'<div class="missing">no file<br><span class="path">{text(picture.path)}</span></div>'
  else:
    pixels = ' class="blocky"' if picture.blocky else ''
    alt = f'{name}, {text(picture.label)}'
    image = f'<img{pixels} src="{link}" alt="{alt}" loading="lazy">'
    shown = f'<a class="zoom" href="{link}">{image}</a>'
  caption = f'<figcaption>{text(picture.label)}</figcaption>'
  return f'<figure class="{kind}">{shown}{caption}</figure>'


def _compare(faces: list[Picture], name: str, files: Files) -> str:
  """A before/after slider, to a completed picture if there is one; without script, half of each."""
  if len(faces) < 2 or faces[0].label != 'degraded':
    return ''
  before, *others = faces
  after = next((face for face in others if face.label == 'completed'), others[0])
  links = files.link(before.path), files.link(after.path)
  if None in links:
    return ''
  label = f'{text(before.label)} ↔ {text(after.label)}'
  pixels = ' class="blocky"' if before.blocky else ''
  return (
    f'<figure class="compare"><div class="stack">'
    f'<img{pixels} src="{links[0]}" alt="{name}, {text(before.label)}" loading="lazy">'
    f'<img class="over" src="{links[1]}" alt="{name}, {text(after.label)}" loading="lazy">'
    f'<input type="range" min="0" max="100" value="50" hidden aria-label="{label}: {name}">'
    f'</div><figcaption>{label}</figcaption></figure>'
  )


def _metrics(metrics: dict, restored: str) -> str:
  """The figures as a table; without a column for a kind of picture that was not measured."""
  names = [m for m in metrics if not m.endswith(tuple(filter(None, ENDINGS.values())))]
  rows = {metric: by_kind(metrics, metric) for metric in names}
  rows = {m: row for m, row in rows.items() if row['restored'] is not None}
  kinds = [kind for kind in ENDINGS if any(row[kind] is not None for row in rows.values())]
  if not kinds:
    return ''
  heads = [restored if kind == 'restored' else kind for kind in kinds]
  columns = ''.join(f'<th scope="col">{head}</th>' for head in heads)
  lines = []
  for metric, row in rows.items():
    values = [row[kind] for kind in kinds]
    cells = ['–' if value is None else figure_text(metric, value) for value in values]
    data = ''.join(f'<td>{text(cell)}</td>' for cell in cells)
    lines.append(f'<tr><th scope="row">{text(_title(metric))}</th>{data}</tr>')
  return (
    f'<table class="metrics"><thead><tr><td></td>{columns}</tr></thead>'
    f'<tbody>{"".join(lines)}</tbody></table>'
  )


def _title(metric: str) -> str:
  """'PSNR, dB'; what the latent tasks measure has names of several words instead."""
  title = metric.replace('_', ' ') if '_' in metric else metric.upper()
  return f'{title}, {_UNITS[metric]}' if metric in _UNITS else title


def _curve(record: dict, paths: dict[str, str], name: str, files: Files) -> str:
  if 'curve' not in paths:
    return ''
  settled = number(record.get('settled_at'))
  label = 'loss curve' if settled is None else f'loss curve, settled at step {settled:g}'
  return _figure(Picture(label, paths['curve']), name, files, 'curve')


def _maps(paths: dict[str, str], name: str, files: Files) -> list[str]:
  """What a run of several inversions shows."""
  kinds = {
    'deviation': ('where restarts disagree', 'map'),
    'heatmap': ('heat map', 'map'),
    'sweep': ('all combinations, the best framed', 'sweep'),
    'sheet': ('step by step', 'sweep'),
  }
  return [
    _figure(Picture(label, paths[key]), name, files, kind)
    for key, (label, kind) in kinds.items()
    if key in paths
  ]


def _progress(paths: dict[str, str], name: str, files: Files) -> str:
  """Closed at first: the picture moves, and closing it is how one makes it stop."""
  if 'progress' not in paths:
    return ''
  figure = _figure(Picture('progress', paths['progress']), name, files, 'moving')
  return f'<details class="progress"><summary>Progress, animated</summary>{figure}</details>'


def _links(paths: dict[str, str], files: Files) -> str:
  links = [
    f'<a href="{link}">{text(key)}</a>' for key, path in paths.items() if (link := files.link(path))
  ]
  return f'<p class="files">Files: {" · ".join(links)}</p>' if links else ''
