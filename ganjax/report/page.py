"""The HTML report: one file that opens offline, with relative links to the pictures."""

import base64
import hashlib
import importlib.resources
import json
import os
import pathlib
from collections.abc import Sequence

from ganjax.errors import ReportError
from ganjax.report.cards import Files, card, figure_text, gain_text, text, with_unit
from ganjax.report.runs import Mean, Run, find_runs, mean, read_run

REPORT = 'report.html'
MAX_CARDS = 200  # per run: beyond it a browser labours, and nobody scrolls that far
_MAX_FAILURES = 500
_HEADLINES = ('psnr', 'ssim')


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
    temporary.write_text(_document(folder, read), 'utf-8')
    os.replace(temporary, page)
  finally:
    temporary.unlink(missing_ok=True)
  return page


def _document(folder: pathlib.Path, runs: list[Run]) -> str:
  style, script = _resource('page.css'), _resource('page.js')
  # Only this very script may run, and nothing may be fetched from elsewhere or sent anywhere:
  # a second fence behind the escaping.
  digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
  policy = (
    f"script-src 'sha256-{digest}'; connect-src 'none'; object-src 'none'; frame-src 'none'; "
    "base-uri 'none'; form-action 'none'"
  )
  tasks = ', '.join(dict.fromkeys(_task(run) for run in runs))
  title = f'ganjax report: {text(tasks)}'
  sections = '\n'.join(_section(folder, run, i) for i, run in enumerate(runs, 1))
  return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{text(tasks)}</h1>
{_tiles(runs)}
{_overview(runs)}
</header>
<main>
{sections}
</main>
<footer><p>Made by ganjax.</p></footer>
{_LIGHTBOX}
<script>{script}</script>
</body>
</html>
"""


_LIGHTBOX = """<dialog id="lightbox" aria-labelledby="lightbox-caption">
<div class="bar"><p id="lightbox-caption"></p>
<button type="button" data-do="previous" aria-label="previous picture">←</button>
<button type="button" data-do="next" aria-label="next picture">→</button>
<button type="button" data-do="smaller" aria-label="smaller">−</button>
<button type="button" data-do="larger" aria-label="larger">+</button>
<button type="button" data-do="close" aria-label="close">✕</button></div>
<div class="view" tabindex="0" role="group" aria-label="enlarged picture"><img alt=""></div>
</dialog>"""


def _resource(name: str) -> str:
  return importlib.resources.files('ganjax.report').joinpath(name).read_text('utf-8')


def _task(run: Run) -> str:
  return str(run.config.get('task') or run.folder.resolve().name)


def _tiles(runs: list[Run]) -> str:
  """The headline: how many, and how much better."""
  results = [record for run in runs for record in run.results]
  failed = sum(len(run.failures) for run in runs)
  tiles = [
    _tile(f'{len(results):,}', 'picture done' if len(results) == 1 else 'pictures done'),
    _tile(f'{failed:,}', 'failed', 'bad' if failed else ''),
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
    tiles.append(_tile(_from_to(metric, figures), over))
  return f'<ul class="tiles">{"".join(tiles)}</ul>'


def _from_to(metric: str, figures: Mean) -> str:
  """'18.2 → 24.1 dB'."""
  after = with_unit(metric, figure_text(metric, figures.after))
  return after if figures.before is None else f'{figure_text(metric, figures.before)} → {after}'


def _tile(value: str, label: str, kind: str = '') -> str:
  return f'<li class="{kind}"><strong>{text(value)}</strong> <span>{text(label)}</span></li>'


def _overview(runs: list[Run]) -> str:
  """A table of the runs, with links to their sections; nothing where there is only one."""
  if len(runs) < 2:
    return ''
  rows = []
  for i, run in enumerate(runs, 1):
    cells = [f'{len(run.results):,}', f'{len(run.failures):,}']
    for metric in _HEADLINES:
      figures = mean(run.results, metric)
      cells.append('–' if figures is None else _from_to(metric, figures))
    data = ''.join(f'<td>{text(cell)}</td>' for cell in cells)
    rows.append(f'<tr><th scope="row"><a href="#run-{i}">{_name(run)}</a></th>{data}</tr>')
  heads = ''.join(f'<th scope="col">{h}</th>' for h in ('run', 'done', 'failed', 'PSNR', 'SSIM'))
  return (
    f'<nav aria-label="runs" class="wide"><table><thead><tr>{heads}</tr></thead>'
    f'<tbody>{"".join(rows)}</tbody></table></nav>'
  )


def _name(run: Run) -> str:
  return text(run.folder.resolve().name)


def _section(folder: pathlib.Path, run: Run, index: int) -> str:
  prefix = os.path.relpath(run.folder, folder)
  files = Files(run.folder, '' if prefix == os.curdir else prefix + '/')
  shown = run.results[:MAX_CARDS]
  name, task = _name(run), text(_task(run))
  parts = [
    f'<section id="run-{index}" aria-labelledby="run-{index}-name">',
    f'<h2 id="run-{index}-name">{name if name == task else f"{name}: {task}"}</h2>',
  ]
  if run.problem:
    parts.append(f'<p class="bad">{text(run.problem)}</p>')
  if run.config.get('degradation'):
    parts.append(f'<p>Degradation <code>{text(run.config["degradation"])}</code></p>')
  parts.append(_settings(run.config))
  parts.append(_run_files(files))
  parts.append(_failures(run, files))
  if len(shown) < len(run.results):
    link = _whole(files, 'results.jsonl')
    parts.append(
      f'<p>The first {len(shown):,} of {len(run.results):,} pictures are shown; '
      f'all are listed in {link}.</p>'
    )
  parts += [card(record, files, f'run-{index}-{j}') for j, record in enumerate(shown, 1)]
  if not run.results and not run.problem:
    parts.append('<p>No picture was finished.</p>')
  return '\n'.join(part for part in [*parts, '</section>'] if part)


def _settings(config: dict) -> str:
  if not config:
    return ''
  rows = ''.join(
    f'<tr><th scope="row">{text(key)}</th><td>{text(_value(value))}</td></tr>'
    for key, value in config.items()
  )
  return (
    '<details><summary>Settings</summary><div class="wide"><table class="settings"><tbody>'
    f'{rows}</tbody></table></div></details>'
  )


def _value(value: object) -> str:
  return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _run_files(files: Files) -> str:
  tables = ('classes.csv', 'summary.json', 'submission.csv')
  names = ('grid.png', *tables, 'results.jsonl', 'failures.jsonl', 'config.json')
  links = [f'<a href="{link}">{n}</a>' for n in names if (link := files.link(n))]
  return f'<p class="files">Files: {" · ".join(links)}</p>' if links else ''


def _failures(run: Run, files: Files) -> str:
  if not run.failures:
    return ''
  shown = run.failures[:_MAX_FAILURES]
  rows = ''.join(
    f'<tr><td class="path">{text(failure.get("source", failure.get("name", "unknown")))}</td>'
    f'<td>{text(failure.get("reason", "no reason recorded"))}</td></tr>'
    for failure in shown
  )
  rest = len(run.failures) - len(shown)
  link = _whole(files, 'failures.jsonl')
  more = f'<p>and {rest:,} more in {link}.</p>' if rest else ''
  return (
    f'<details class="failures" open><summary>Failed: {len(run.failures):,}</summary>'
    '<div class="wide"><table><thead><tr><th scope="col">source</th>'
    f'<th scope="col">reason</th></tr></thead><tbody>{rows}</tbody></table></div>{more}</details>'
  )


def _whole(files: Files, name: str) -> str:
  return f'<a href="{files.link(name)}">{name}</a>'
