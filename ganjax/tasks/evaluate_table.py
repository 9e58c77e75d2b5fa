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
KERNELS = ('kernel_discriminator', 'kernel_inception')  # shares in the distances of sets
REALISM = ('score', 'sharpness', 'faceless', 'eyes', *KERNELS)
TRUTHS = ('score_truth',)  # what a truth has of its own, beside `score`
MEASURES = (*FIDELITY, *REALISM, *TRUTHS)  # those of one image
# Those of all images of a cell.
SETS = ('frechet_identity', 'frechet_discriminator', 'frechet_inception')
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
  'kernel_discriminator': ('↓', "kernel distance × 1000 in the discriminator's last features"),
  'kernel_inception': ('↓', "kernel distance × 1000 in Inception's features (KID)"),
  'frechet_identity': ('↓', "Fréchet distance × 1000 in dlib's descriptors"),
  'frechet_discriminator': ('↓', "Fréchet distance in the discriminator's last features"),
  'frechet_inception': ('↓', "Fréchet distance in Inception's features (FID)"),
}
BIAS = (
  'Fréchet and kernel distances are between all images and all truths of a row. The kernel '
  'distance is right on average for any n, and scatters about 0 where nothing differs; the '
  'Fréchet distance is too large for fewer images than features: compare equal n alone.'
)
PAIRS = (
  'The first method less the other one, over the images that both have, ± the standard error: a '
  'difference of less than two of them may be chance. The arrows are those of the measures.'
)
SHOWN_DIFFERENCES = (
  *('psnr', 'lpips', 'perceptual', 'identity', 'score', 'sharpness', 'eyes'),
  *KERNELS,
)
_DIGITS = dict.fromkeys(('psnr', 'fidelity', 'score', *KERNELS, *SETS), 2)


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
      if len(values):
        told = {'n': len(values), 'difference': float(values.mean())}
        lines.append({**head, 'measure': measure, **told, 'standard_error': _error(values)})
  return lines


def _error(values: np.ndarray) -> float | None:
  """The standard error of a mean."""
  return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None


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
  parts = ['# Fidelity', *_table(cells, (*FIDELITY, 'images_per_s'))]
  parts += ['', '# Realism', *_table(cells, (*REALISM, *SETS)), '', BIAS]
  if differences := paired(cells):
    parts += ['', '# Differences', *_differences_table(differences), '', PAIRS]
  return '\n'.join(parts) + '\n'


def _table(cells: list[Cell], columns: Iterable[str]) -> list[str]:
  """A row for each cell; below, what the columns are."""
  columns = [c for c in columns if any(cell.line.get(c) is not None for cell in cells)]
  heads = (*HEAD, 'n')
  rows = [
    [*(str(cell.line[c]) for c in heads), *(_shown(cell, c) for c in columns)] for cell in cells
  ]
  told = [f'- `{c}`: {EXPLAINED[c][1]}.' for c in columns]
  return [*_grid([*heads, *_with_arrows(columns)], rows), '', *told]


def _with_arrows(columns: Iterable[str]) -> list[str]:
  return [f'{column} {EXPLAINED[column][0]}' for column in columns]


def _shown(cell: Cell, column: str) -> str:
  value = cell.line.get(column)
  if value is None:
    return '–'
  if column in KERNELS:
    return _with_error(column, value, _error(np.array([line[column] for line in cell.pictures])))
  truth = f' ({_figure(column, cell.line["score_truth"])})' if column == 'score' else ''
  return _figure(column, value) + truth


def _differences_table(differences: list[dict]) -> list[str]:
  """A row for each pair of methods: the differences with their standard errors."""
  heads, told = PAIRED[:3], {line['measure'] for line in differences}
  columns = [c for c in SHOWN_DIFFERENCES if c in told]
  rows: dict[tuple, dict[str, str]] = {}
  for line in differences:
    row = rows.setdefault(tuple(line[c] for c in heads), {})
    row[line['measure']] = _with_error(
      line['measure'], line['difference'], line['standard_error'], '+'
    )
  cells = [[*head, *(row.get(c, '–') for c in columns)] for head, row in rows.items()]
  return _grid([*heads, *_with_arrows(columns)], cells)


def _with_error(column: str, value: float, error: float | None, sign: str = '-') -> str:
  shown = _figure(column, value, sign)
  return shown if error is None else f'{shown} ± {_figure(column, error)}'


def _grid(heads: list[str], rows: list[list[str]]) -> list[str]:
  lines = [f'| {" | ".join(row)} |' for row in (heads, *rows)]
  return ['', lines[0], '|' + '---|' * len(heads), *lines[1:]]


def _figure(column: str, value: float, sign: str = '-') -> str:
  digits = _DIGITS.get(column, 3)
  return f'{round(value, digits) + 0.0:{sign}.{digits}f}'  # no −0
