"""The HTML report: one file that opens offline, with relative links to the pictures."""

import base64
import hashlib
import importlib.resources
import json
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from ganjax.errors import ReportError
from ganjax.report.cards import Card, Files, card, figure_text, gain_text, with_unit
from ganjax.report.runs import Mean, Run, find_runs, mean, read_run

REPORT = 'report.html'
MAX_CARDS = 200  # per run: beyond it a browser labours, and nobody scrolls that far
_MAX_FAILURES = 500
_HEADLINES = ('psnr', 'ssim')
_RUN_FILES = (
  *('grid.png', 'classes.csv', 'summary.json', 'submission.csv'),
  *('results.jsonl', 'failures.jsonl', 'config.json'),
)


class Tile(NamedTuple):
  """One headline."""

  value: str
  label: str
  kind: str = ''  # CSS class


class Section(NamedTuple):
  """What `run.html` shows of one run."""

  run: Run
  name: str
  task: str
  overview: list[str]  # how many were done, how many failed, and the headline figures
  settings: dict[str, str]
  links: dict[str, str]  # file name -> URL
  failures: list[dict]  # the first ones
  cards: list[Card]  # of the first results


def write_report(folder: pathlib.Path, runs: Sequence[pathlib.Path] | None = None) -> pathlib.Path:
  """Writes `folder`/report.html about one or several runs.

  The page needs no network and holds no pictures itself: it links to the runs' files, so the
  folder can be moved or zipped as a whole. At most `MAX_CARDS` pictures a run are shown; means
  and counts are over all.

  Args:
    folder: where the page is written; every run lies in it or is it.
    runs: the run folders, in order; by default those found in `folder` and one level below.

  Returns:
    The page's path.

  Raises:
    ReportError: `folder` is not a folder, no run is found, or none can be read.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    raise ReportError(f'{folder}: no such folder; give the --output of a run, or its parent')
  read = [read_run(pathlib.Path(run)) for run in (find_runs(folder) if runs is None else runs)]
  if read and all(run.problem for run in read):
    raise ReportError(read[0].problem)
  page = folder / REPORT
  temporary = folder / f'.{REPORT}.{os.getpid()}.tmp'
  try:
    temporary.write_bytes(_document(folder, read))
    os.replace(temporary, page)
  finally:
    temporary.unlink(missing_ok=True)
  return page


def _document(folder: pathlib.Path, runs: list[Run]) -> bytes:
  import jinja2  # a tenth of a second that commands without a report need not wait
  from markupsafe import Markup

  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('ganjax.report', os.curdir),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  script = _resource('page.js')
  page = environment.get_template('page.html').render(
    # Only this very script may run, and nothing may be fetched from elsewhere or sent anywhere:
    # a second fence behind the escaping.
    digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    style=Markup(_resource('page.css')),
    script=Markup(script),
    tasks=', '.join(dict.fromkeys(_task(run) for run in runs)),
    tiles=_tiles(runs),
    sections=[_section(folder, run) for run in runs],
  )
  return page.encode('utf-8', 'replace')  # a lone surrogate cannot be written


def _resource(name: str) -> str:
  return importlib.resources.files('ganjax.report').joinpath(name).read_text('utf-8')


def _task(run: Run) -> str:
  return str(run.config.get('task') or run.folder.resolve().name)


def _tiles(runs: list[Run]) -> list[Tile]:
  """The headline: how many, and how much better."""
  results = [record for run in runs for record in run.results]
  failed = sum(len(run.failures) for run in runs)
  tiles = [
    Tile(f'{len(results):,}', 'picture done' if len(results) == 1 else 'pictures done'),
    Tile(f'{failed:,}', 'failed', 'bad' if failed else ''),
  ]
  for metric in _HEADLINES:
    if (figures := mean(results, metric)) is None:
      continue
    over = f'mean {metric.upper()} over {figures.pictures:,}'
    if figures.completed:
      over += ', completed'
    if figures.before is not None:
      gain = gain_text(metric, figures.before, figures.after)
      over += f' ({with_unit(metric, gain)})'
    tiles.append(Tile(_from_to(metric, figures), over))
  return tiles


def _from_to(metric: str, figures: Mean | None) -> str:
  """'18.2 → 24.1 dB'."""
  if figures is None:
    return '–'
  after = with_unit(metric, figure_text(metric, figures.after))
  return after if figures.before is None else f'{figure_text(metric, figures.before)} → {after}'


def _section(folder: pathlib.Path, run: Run) -> Section:
  prefix = os.path.relpath(run.folder, folder)
  files = Files(run.folder, '' if prefix == os.curdir else prefix + '/')
  means = [_from_to(metric, mean(run.results, metric)) for metric in _HEADLINES]
  return Section(
    run,
    run.folder.resolve().name,
    _task(run),
    [f'{len(run.results):,}', f'{len(run.failures):,}', *means],
    {key: _value(value) for key, value in run.config.items()},
    files.links({name: name for name in _RUN_FILES}),
    run.failures[:_MAX_FAILURES],
    [card(record, files) for record in run.results[:MAX_CARDS]],
  )


def _value(value: object) -> str:
  return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
