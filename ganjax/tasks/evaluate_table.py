"""What an evaluation writes: tables of all cells, and of the differences between methods."""

import csv
import io
import itertools
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

HEAD = ('task', 'level', 'method')
FIDELITY = ('psnr', 'ssim', 'lpips', 'perceptual', 'identity', 'fidelity')
REALISM = ('score', 'sharpness', 'faceless', 'eyes')
TRUTHS = ('score_truth',)  # what a truth has of its own, beside `score`
MEASURES = (*FIDELITY, *REALISM, *TRUTHS)  # those of one image
SETS = (  # those of all images of a cell
  'frechet_identity',
  'frechet_discriminator',
  'kernel_discriminator',
  'frechet_inception',
  'kernel_inception',
)
COLUMNS = (*MEASURES, *SETS, 'images_per_s')
PAIRED = ('task', 'level', 'methods', 'measure', 'n', 'difference', 'standard_error')

# Column -> which way is better, and what it is.
EXPLAINED = {
  'psnr': ('↑', 'peak signal-to-noise ratio against the truth, dB'),
  'ssim': ('↑', 'structural similarity to the truth'),
  'lpips': ('↓', "LPIPS, in VGG16's features"),
  'perceptual': ('↓', "distance from the truth in the discriminator's first features"),
  'identity': ('↓', "distance between dlib's face descriptors; below 0.6 it is the same person"),
  'fidelity': ('↑', 'PSNR of the restored image, degraded once more, against the input, dB'),
  'images_per_s': ('↑', 'images restored per second'),
  'score': ('↑', "the discriminator's mean logit, and in brackets that of the truths"),
  'sharpness': ('→ 1', "mean gradient of the luma over the truth's: below 1 soft, above 1 harsh"),
  'faceless': ('↓', 'share of images in which no face is found'),
  'eyes': (
    '↓',
    'how far the worse eye lies from its place, in distances between the eyes; mean over images '
    'that show a face, so compare it where as many are faceless, or in pairs',
  ),
  'frechet_identity': ('↓', "Fréchet distance × 1000 of dlib's descriptors"),
  'frechet_discriminator': ('↓', "Fréchet distance in the discriminator's last features"),
  'kernel_discriminator': ('↓', 'kernel distance × 1000 in the same features'),
  'frechet_inception': ('↓', "Fréchet distance in Inception's features (FID)"),
  'kernel_inception': ('↓', 'kernel distance × 1000 in the same features (KID)'),
}
BIAS = (
  'Fréchet distances are too large for fewer images than features: compare equal n alone. '
  'Kernel distances are right on average for any n, and scatter about 0 where nothing differs.'
)
PAIRS = (
  'The first method less the other one, over the images that both have, ± the standard error: a '
  'difference of less than two of them may be chance. The arrows are those of the measures.'
)
SHOWN_DIFFERENCES = ('psnr', 'lpips', 'perceptual', 'identity', 'score', 'sharpness', 'eyes')
_DIGITS = dict.fromkeys(('psnr', 'fidelity', 'score', *SETS), 2)


class Cell(NamedTuple):
  """All images of one kind, of one task, level and method."""

  kind: str  # of images: 'degraded', 'restored' or 'completed'
  line: dict[str, Any]  # of the table
  pictures: list[dict[str, Any]]  # a line for each whose truth is known


def write(folder: pathlib.Path, cells: list[Cell]) -> None:
  """Writes table.md, table.csv, paired.csv, and pictures.csv with a line for each image."""
  lines = [cell.line for cell in cells]
  pictures = [line for cell in cells for line in cell.pictures]
  (folder / 'table.md').write_text(markdown(cells), 'utf-8')
  (folder / 'table.csv').write_text(_csv((*HEAD, 'n', *COLUMNS), lines), 'utf-8')
  (folder / 'paired.csv').write_text(_csv(PAIRED, paired(cells)), 'utf-8')
  (folder / 'pictures.csv').write_text(_csv((*HEAD, 'name', *MEASURES), pictures), 'utf-8')


def _csv(columns: Iterable[str], lines: list[dict]) -> str:
  file = io.StringIO()
  writer = csv.DictWriter(file, list(columns), restval='')
  writer.writeheader()
  writer.writerows(lines)
  return file.getvalue()


def paired(cells: list[Cell]) -> list[dict[str, Any]]:
  """Differences between the first method and the others, over images that both have.

  Returns:
    A line, by `PAIRED`, for each pair and measure: the mean difference, first − other, and its
    standard error, which is the differences' deviation over √n (None of one image alone); `n`
    counts the images that have the measure in both.
  """
  lines = []
  for ours, theirs in _pairs(cells):
    head = {'task': ours.line['task'], 'level': ours.line['level']}
    head['methods'] = f'{ours.line["method"]} − {theirs.line["method"]}'
    for measure in (*FIDELITY, *REALISM):
      values = _differences(ours.pictures, theirs.pictures, measure)
      n = len(values)
      if n:
        error = float(values.std(ddof=1) / n**0.5) if n > 1 else None
        told = {'n': n, 'difference': float(values.mean()), 'standard_error': error}
        lines.append({**head, 'measure': measure, **told})
  return lines


def _pairs(cells: list[Cell]) -> Iterator[tuple[Cell, Cell]]:
  """The first method's cell and another's: restored and restored or degraded, or both completed."""
  for _, found in itertools.groupby(cells, lambda cell: (cell.line['task'], cell.line['level'])):
    first: dict[bool, Cell] = {}
    for cell in sorted(found, key=lambda cell: cell.kind == 'degraded'):
      ours = first.setdefault(cell.kind == 'completed', cell)
      if ours is not cell:
        yield ours, cell


def _differences(ours: list[dict], theirs: list[dict], measure: str) -> np.ndarray:
  """First − other, of each image of which both have a measure: [n]."""
  others = {line['name']: line.get(measure) for line in theirs}
  both = [(line.get(measure), others.get(line['name'])) for line in ours]
  values = np.array([a - b for a, b in both if a is not None and b is not None])
  return values[np.isfinite(values)]  # the PSNR of equal images is infinite


def markdown(cells: list[Cell]) -> str:
  """The tables of fidelity, of realism and of differences; columns without any value left out."""
  lines = [cell.line for cell in cells]
  parts = ['# Fidelity', *_table(lines, (*FIDELITY, 'images_per_s'))]
  parts += ['', '# Realism', *_table(lines, (*REALISM, *SETS)), '', BIAS]
  if differences := paired(cells):
    parts += ['', '# Differences', *_differences_table(differences), '', PAIRS]
  return '\n'.join(parts) + '\n'


def _table(lines: list[dict], columns: Iterable[str]) -> list[str]:
  """A row for each line; below, what the columns are."""
  columns = [c for c in columns if any(line.get(c) is not None for line in lines)]
  heads = [*HEAD, 'n', *(f'{c} {EXPLAINED[c][0]}' for c in columns)]
  rows = [
    [*(str(line[c]) for c in (*HEAD, 'n')), *(_shown(line, c) for c in columns)] for line in lines
  ]
  return [*_grid(heads, rows), '', *(f'- `{c}`: {EXPLAINED[c][1]}.' for c in columns)]


def _shown(line: dict, column: str) -> str:
  if line.get(column) is None:
    return '–'
  truth = f' ({_figure(column, line["score_truth"])})' if column == 'score' else ''
  return _figure(column, line[column]) + truth


def _differences_table(differences: list[dict]) -> list[str]:
  """A row for each pair of methods: the differences with their standard errors."""
  told = {line['measure'] for line in differences}
  columns = [c for c in SHOWN_DIFFERENCES if c in told]
  rows = []
  for head, found in itertools.groupby(
    differences, lambda line: tuple(line[c] for c in PAIRED[:3])
  ):
    of = {line['measure']: line for line in found}
    rows.append([*head, *(_with_error(of.get(c), c) for c in columns)])
  return _grid([*PAIRED[:3], *(f'{c} {EXPLAINED[c][0]}' for c in columns)], rows)


def _with_error(line: dict | None, column: str) -> str:
  if line is None:
    return '–'
  value = _figure(column, line['difference'], '+')
  error = line['standard_error']
  return value if error is None else f'{value} ± {_figure(column, error)}'


def _grid(heads: list[str], rows: list[list[str]]) -> list[str]:
  lines = [f'| {" | ".join(row)} |' for row in (heads, *rows)]
  return ['', lines[0], '|' + '---|' * len(heads), *lines[1:]]


def _figure(column: str, value: float, sign: str = '-') -> str:
  digits = _DIGITS.get(column, 3)
  return f'{round(value, digits) + 0.0:{sign}.{digits}f}'  # no −0
