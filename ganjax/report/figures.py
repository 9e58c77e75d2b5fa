"""Figures: the loss curve of one picture, and where its restarts disagree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ganjax.errors import ReportError
from ganjax.report.canvas import canvas, png
from ganjax.report.lettering import drawable, fitted

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.lines import Line2D

TOTAL = 'total'

# Okabe and Ito's palette: distinct for the colour-blind; the dashes also tell lines apart in print.
_INK, _QUIET, _MARK = '#1a1a1a', '#5f6368', '#d55e00'
_COLOURS = ('#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9')
_PSNR = '#b03a86'
_DASHES = ('--', '-.', ':')
_SIZE = (7.2, 3.6)  # inches
_TITLE_WIDTH = 600  # px
_SHADES = 128  # PNG palette: enough for smooth edges, half the bytes
_DECADES_BELOW = 4  # a term this far below the smallest loss would only squeeze the picture


def loss_curve(
  terms: Mapping[str, np.ndarray],
  settled_at: int,
  title: str,
  psnr: np.ndarray | None = None,
  mark: str = 'settled',
) -> bytes:
  """Draws the loss and its terms over the steps, on a logarithmic scale.

  Values that a logarithmic scale cannot show (zero, NaN, infinite) leave gaps; a term without any
  value to show is named in the legend as such.

  Args:
    terms: name -> value at every step, each [num_steps]. The entry 'total' (or else the first) is
      drawn as the loss, the others as its terms.
    settled_at: the step from which the loss stays near its final value; marked and labelled.
    title: drawn above, cut to the figure's width; any characters.
    psnr: against the truth at every step, [num_steps] in dB; drawn against an axis of its own.
    mark: what happened at `settled_at`: 'settled', 'taken', ….

  Returns:
    A PNG file's bytes, 720 x 360 px.

  Raises:
    ReportError: no terms, no steps, or terms of different lengths.
  """
  curves = _checked(terms)
  main = TOTAL if TOTAL in curves else next(iter(curves))
  floor = _floor(curves[main])
  num_steps = len(curves[main])

  drawn = canvas(*_SIZE)
  figure = drawn.figure
  axes = figure.subplots()
  styles = itertools.cycle(zip(itertools.cycle(_DASHES), _COLOURS, strict=False))
  handles = []
  for name, curve in curves.items():
    style = ('-', _INK) if name == main else next(styles)
    handles.append(_draw(axes, name, curve, floor, style, heavy=name == main))
  _dress(axes, num_steps, curves, floor)
  if psnr is not None:
    handles.append(_draw_psnr(axes, psnr))
  if len(handles) > 1:
    labels = [str(handle.get_gid()) for handle in handles]
    legend = figure.legend(handles, labels, loc='outside right center', fontsize=9, frameon=False)
    for text in legend.get_texts():
      text.set_parse_math(False)
  _mark(axes, mark, min(max(int(settled_at), 0), num_steps - 1), num_steps)
  axes.set_title(
    fitted(title, 15, _TITLE_WIDTH), loc='left', fontsize=11, color=_INK, pad=20, parse_math=False
  )
  return png(drawn, _SHADES)


def curve(steps: np.ndarray, values: np.ndarray, title: str) -> bytes:
  """Draws one measurement of a training run over its steps.

  Args:
    steps: at which steps it was measured, rising; [N].
    values: what was measured; [N].
    title: drawn above, cut to the figure's width; any characters.

  Returns:
    A PNG file's bytes, 720 × 360 px.

  Raises:
    ReportError: nothing was measured, or the lengths differ.
  """
  if len(steps) != len(values) or not len(steps):
    raise ReportError(f'a curve needs as many steps as values; found {len(steps)}, {len(values)}')
  drawn = canvas(*_SIZE)
  figure = drawn.figure
  axes = figure.subplots()
  axes.plot(steps, values, color=_COLOURS[0], linewidth=1.4, marker='.' if len(steps) < 3 else '')
  axes.set_xlabel('step', color=_QUIET)
  axes.grid(color='#e5e7ea')
  axes.tick_params(colors=_QUIET)
  for side in ('top', 'right'):
    axes.spines[side].set_visible(False)
  axes.set_title(fitted(title, 15, _TITLE_WIDTH), loc='left', fontsize=11, parse_math=False)
  return png(drawn, _SHADES)


def deviation_map(deviation: np.ndarray) -> bytes:
  """Draws where restarts disagree, dark to bright, with a scale.

  Args:
    deviation: standard deviation per pixel, [H, W], in units of the [0, 1] range.

  Returns:
    A PNG file's bytes, 480 × 400 px.

  Raises:
    ReportError: not a picture of finite numbers.
  """
  if deviation.ndim != 2 or not np.all(np.isfinite(deviation)):
    raise ReportError(f'a deviation map needs finite [H, W]; found {deviation.shape}')
  drawn = canvas(4.8, 4)
  figure = drawn.figure
  axes = figure.subplots()
  image = axes.imshow(deviation, cmap='magma', vmin=0, vmax=max(float(deviation.max()), 1e-3))
  axes.set_axis_off()
  bar = figure.colorbar(image, ax=axes, shrink=0.9)
  bar.set_label('deviation between restarts, of the full range', color=_QUIET)
  bar.ax.tick_params(colors=_QUIET, labelsize=10)
  return png(drawn, _SHADES)


def _checked(terms: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  curves = {name: np.asarray(value, np.float64) for name, value in terms.items()}
  shapes = {curve.shape for curve in curves.values()}
  if len(shapes) != 1 or len(shape := shapes.pop()) != 1 or shape[0] == 0:
    found = {name: curve.shape for name, curve in curves.items()}
    raise ReportError(
      f'a loss curve needs at least one term, each [num_steps] alike; found {found}'
    )
  # What a logarithmic axis cannot show becomes NaN, which matplotlib draws as a gap.
  return {
    name: np.where(np.isfinite(curve) & (curve > 0), curve, np.nan)
    for name, curve in curves.items()
  }


def _floor(loss: np.ndarray) -> float:
  shown = loss[np.isfinite(loss)]
  return float(shown.min()) * 10.0**-_DECADES_BELOW if shown.size else 0.0


def _draw(
  axes: Axes,
  name: str,
  curve: np.ndarray,
  floor: float,
  style: tuple[str, str],
  heavy: bool,
) -> Line2D:
  """Draws one curve; the line's gid carries the legend's text, which may start with '_'."""
  shown = curve[np.isfinite(curve)]
  label = drawable(name)
  if not shown.size:
    label += ' (nothing above 0)'
  elif shown.max() < floor:
    label += f' (below {floor:.0e})'
  (line,) = axes.plot(
    np.arange(len(curve)),
    curve,
    linestyle=style[0],
    color=style[1],
    linewidth=2.6 if heavy else 1.5,
    marker='o' if shown.size == 1 else '',  # a line needs two points
    zorder=2 if heavy else 3,  # a term that is nearly the whole loss stays visible on it
    gid=label,
  )
  return line


def _draw_psnr(axes: Axes, psnr: np.ndarray) -> Line2D:
  """Draws PSNR over the steps, against an axis at the right."""
  beside = axes.twinx()
  (line,) = beside.plot(np.arange(len(psnr)), psnr, color=_PSNR, linewidth=1.8, gid='PSNR')
  beside.set_ylabel('PSNR (dB)', color=_PSNR)
  beside.tick_params(colors=_PSNR, labelsize=9)
  beside.spines[['top', 'left', 'bottom']].set_visible(False)
  beside.spines['right'].set_color(_PSNR)
  return line


def _dress(axes: Axes, num_steps: int, curves: Mapping[str, np.ndarray], floor: float) -> None:
  from matplotlib.ticker import FuncFormatter, NullFormatter  # as `canvas` does

  values = np.concatenate(list(curves.values()))
  values = values[np.isfinite(values) & (values >= floor)]
  if values.size:
    low, high = math.log10(values.min()), math.log10(values.max())
    # At least a third of a decade, so that a flat curve is not blown up into noise.
    middle, half = (low + high) / 2, max((high - low) / 2, 1 / 6) * 1.06
    axes.set_yscale('log')
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    between = FuncFormatter(_between) if high - low < 1.3 else NullFormatter()
    axes.yaxis.set_minor_formatter(between)
    axes.set_ylim(10 ** (middle - half), 10 ** (middle + half))
  else:
    axes.set_yticks([])
    axes.text(
      0.5, 0.5, 'no finite loss above 0', transform=axes.transAxes, ha='center', color=_QUIET
    )
  axes.set_xlim(0, max(num_steps - 1, 1))
  axes.set_xlabel('step', color=_QUIET)
  axes.set_ylabel('loss (log scale)', color=_QUIET)
  axes.tick_params(which='both', colors=_QUIET, labelsize=9)
  axes.grid(color='#e3e5e8', linewidth=0.8)
  axes.set_axisbelow(True)
  axes.spines[['top', 'right']].set_visible(False)
  axes.spines[['left', 'bottom']].set_color('#9aa0a6')


def _between(value: float, _: int | None) -> str:
  """Labels 2, 3 and 5 between the powers of ten: a short axis may hold but one power."""
  digit = round(value / 10 ** math.floor(math.log10(value)))
  return f'{value:g}' if digit in (2, 3, 5) else ''


def _mark(axes: Axes, mark: str, settled_at: int, num_steps: int) -> None:
  """Marks the settled step; the label sits above the axes, where no curve can cross it."""
  axes.axvline(
    settled_at, color=_MARK, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1, clip_on=False
  )
  share = settled_at / max(num_steps - 1, 1)
  axes.annotate(
    f'{mark} at step {settled_at}',
    xy=(settled_at, 1),
    xycoords=('data', 'axes fraction'),
    xytext=(0, 4),
    textcoords='offset points',
    ha='left' if share < 0.15 else 'right' if share > 0.85 else 'center',
    fontsize=10,
    color='#a84600',  # the mark's colour, dark enough for text on white
  )
