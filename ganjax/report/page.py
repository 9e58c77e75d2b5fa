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
from ganjax.report.cards import Card, by_photo, card, photo_of
from ganjax.report.headlines import METRICS, counts, from_to, means
from ganjax.report.measures import glossary
from ganjax.report.pictures import Files
from ganjax.report.runs import Run, find_runs, mean, read_run

REPORT = 'report.html'
MAX_CARDS = 200  # photos per run: beyond it a browser labours, and nobody scrolls that far
_MAX_FAILURES = 500
_RUN_FILES = (
  *('grid.png', 'classes.csv', 'summary.json', 'submission.csv'),
  *('results.jsonl', 'failures.jsonl', 'config.json'),
)


class Section(NamedTuple):
  """What `run.html` shows of one run."""

  run: Run
  name: str
  task: str
  overview: list[str]  # how many were done, how many failed, and the headline figures
  settings: dict[str, str]
  links: dict[str, str]  # file name -> URL
  failures: list[dict]  # the first ones
  all_told: bool  # whether all failures stand on the cards, too
  cards: list[Card]  # of the first photos
  photos: int  # or what else has a card


def write_report(folder: pathlib.Path, runs: Sequence[pathlib.Path] | None = None) -> pathlib.Path:
  """Writes `folder`/report.html about one or several runs.

  The page needs no network and holds no pictures itself: it links to the runs' files, so the
  folder can be moved or zipped as a whole. At most `MAX_CARDS` photos a run are shown; means
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
  results = [record for run in runs for record in run.results]
  sections = [_section(folder, run) for run in runs]
  page = environment.get_template('page.html').render(
    # Only this very script may run, and nothing may be fetched from elsewhere or sent anywhere:
    # a second fence behind the escaping.
    digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    style=Markup(_resource('page.css')),
    script=Markup(script),
    tasks=', '.join(dict.fromkeys(_task(run) for run in runs)),
    counts=counts(runs),
    failed=sum(len(run.failures) for run in runs),
    means=means(results) if len(results) > 1 else [],
    first_failed=next((i for i, run in enumerate(runs, 1) if run.failures), 0),
    sections=sections,
    several=len(sections) > 1,
    glossary=glossary(_terms(sections)),
  )
  return page.encode('utf-8', 'replace')  # a lone surrogate cannot be written


def _resource(name: str) -> str:
  return importlib.resources.files('ganjax.report').joinpath(name).read_text('utf-8')


def _task(run: Run) -> str:
  return str(run.config.get('task') or run.folder.resolve().name)


def _section(folder: pathlib.Path, run: Run) -> Section:
  prefix = os.path.relpath(run.folder, folder)
  files = Files(run.folder, '' if prefix == os.curdir else prefix + '/')
  groups = by_photo(run.results)
  untold: dict[str | None, list[dict]] = {}
  for failure in run.failures:
    untold.setdefault(str(failure['source']), []).append(failure)
  cards = [card(group, untold.pop(photo_of(group[0]), []), files) for group in groups[:MAX_CARDS]]
  return Section(
    run,
    run.folder.resolve().name,
    _task(run),
    [
      f'{len(run.results):,}',
      f'{len(run.failures):,}',
      *(from_to(metric, mean(run.results, metric)) for metric in METRICS),
    ],
    {key: _value(value) for key, value in run.config.items()},
    files.links({name: name for name in _RUN_FILES}),
    run.failures[:_MAX_FAILURES],
    not untold,
    cards,
    len(groups),
  )


def _terms(sections: list[Section]) -> set[str]:
  """What the cards show and name, for the glossary."""
  faces = [face for section in sections for card in section.cards for face in card.faces]
  shown = {picture.label for face in faces for picture in face.pictures}
  return shown.union(*(face.figures.names for face in faces))


def _value(value: object) -> str:
  return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
