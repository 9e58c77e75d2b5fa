"""What a run prints."""

import pathlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tqdm import tqdm

from ganjax import data, inversion, report
from ganjax.restoration.solve import Show


@contextmanager
def steps(task: str, names: list[str], num_steps: int) -> Iterator[Show]:
  """A bar that shows how far a batch has come; the first batch begins with the compilation."""
  what = names[0] if len(names) == 1 else f'{names[0]} … {names[-1]} ({len(names)})'
  bar = tqdm(total=num_steps, desc=f'{task} {what}', unit='step', file=sys.stdout)
  bar.set_postfix_str('compiling')

  def show(progress: inversion.Progress) -> None:
    bar.update(progress.step - bar.n)
    bar.set_postfix_str(f'loss {np.nanmean(np.asarray(progress.terms.loss)[:, -1]):.4g}')

  with bar:
    yield show


def print_summary(task: str, store: data.Store, report_path: pathlib.Path) -> int:
  """Prints what was done and what failed; returns the number of failures."""
  results, failures = store.results, store.failures
  line = f'{task}: {_done(results)}'
  if failures:
    line += f', {len(failures)} failed'
  means = {metric: report.mean(results, metric) for metric in ('psnr', 'ssim')}
  for metric, figures in means.items():
    if figures is not None:
      arrow = '' if figures.before is None else f'{figures.before:.2f} → '
      unit = ' dB' if metric == 'psnr' else ''
      line += f', {metric.upper()} {arrow}{figures.after:.2f}{unit}'
  if any(figures is not None and figures.completed for figures in means.values()):
    line += ', completed'
  print(line)
  _print_notes(results)
  print_failures(store)
  print(f'report: {report_path}')
  return len(failures)


def _done(results: list[data.store.Record]) -> str:
  """'3 photos, 5 faces done'; what has no faces is told by its number alone."""
  photos = {result['source'] for result in results}
  if not any('num_results' in result for result in results):
    return f'{len(results)} done'
  return f'{_count(len(photos), "photo")}, {_count(len(results), "face")} done'


def _count(number: int, what: str) -> str:
  return f'{number} {what}' if number == 1 else f'{number} {what}s'


def _print_notes(results: list[data.store.Record]) -> None:
  """Prints what a person should know of single results, and how much of them was hidden."""
  for result in results:
    notes = list(result.get('notes', []))
    if 'hidden' in result:
      notes.append(f'{result["hidden"]:.1%} of its crop is hidden')
    if notes:
      print(f'{result["name"]}: {"; ".join(notes)}')


def print_failures(store: data.Store) -> int:
  """Prints what failed; returns how many that were."""
  for failure in store.failures:
    print(f'failed: {failure["source"]}: {failure["reason"]}', file=sys.stderr)
  return len(store.failures)
