"""Compares settings of `evaluate`, photograph by photograph.

  python scripts/compare_settings.py --input=photos --output=out/steps --tasks=inpaint \
    --runs='init=average num_steps=100; init=encoder num_steps=0; init=encoder num_steps=40'
  python scripts/compare_settings.py --input=photos --output=out/fidelity \
    --along=fidelity --axes=score,psnr --runs='fidelity=0; fidelity=0.5; fidelity=1'

Every run is one `evaluate` with these flags, which goes on where it stopped, and refuses a folder
of other flags. The first is what the others are compared with: table.md has the means, and the
differences with their standard errors; curves.png shows the means of each task and level on two
axes.
"""

import csv
import itertools
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
DIGITS = {
  'psnr': 2,
  'ssim': 3,
  'perceptual': 3,
  'identity': 3,
  'fidelity': 2,
  'score': 2,
  'sharpness': 3,
  'eyes': 3,
}  # of the measures, as they are shown

if __name__ == '__main__':
  flags.DEFINE_string('input', None, 'Clean photographs.', required=True)
  flags.DEFINE_string('output', None, 'Folder.', required=True)
  flags.DEFINE_list('tasks', ['invert', 'inpaint', 'super_resolve', 'denoise'], 'Of `evaluate`.')
  flags.DEFINE_list('levels', ['M'], 'Of `evaluate`.')
  flags.DEFINE_string(
    'runs', None, 'Flags of `evaluate`, run from run by semicolons.', required=True
  )
  flags.DEFINE_list('more', [], 'Flags of all runs, such as preset=robust.')
  flags.DEFINE_list('measures', ['psnr', 'perceptual', 'identity', 'score'], 'Of pictures.csv.')
  flags.DEFINE_string('along', 'num_steps', 'The flag that varies along a line of the figure.')
  flags.DEFINE_list('axes', ['num_steps', 'psnr'], 'Of the figure: measures, or flags of the runs.')

Condition = tuple[str, str]  # task and level
Lines = dict[str, dict[str, str]]  # name -> its line of pictures.csv


class Run(NamedTuple):
  """One `evaluate`."""

  settings: dict[str, str]
  found: dict[Condition, Lines]  # of completed images, where there are any

  def value(self, axis: str, condition: Condition) -> float:
    """A setting, or the mean of a measure."""
    if axis in self.settings:
      return float(self.settings[axis])
    if axis not in DIGITS:
      sys.exit(f'--axes={axis}: is no measure, and the run {self} does not set it')
    return float(np.mean([float(x[axis]) for x in self.found[condition].values() if x[axis]]))

  def line(self) -> str:
    """Which line of the figure it belongs to."""
    return ' '.join(value for name, value in self.settings.items() if name != FLAGS.along)

  def __str__(self) -> str:
    return ', '.join(f'{name}={value}' for name, value in self.settings.items())


def settings_of(spec: str) -> list[dict[str, str]]:
  """'fidelity=0; fidelity=1' -> the flags of each run."""
  runs = [run.split() for run in spec.split(';') if run.strip()]
  return [dict(setting.split('=', 1) for setting in run) for run in runs]


def measured(settings: dict[str, str]) -> Run:
  """Evaluates, as far as that is not done, and reads the measures."""
  name = '-'.join(re.sub(r'\W+', '_', f'{flag}_{value}') for flag, value in settings.items())
  folder = pathlib.Path(FLAGS.output) / name
  command = [sys.executable, '-m', 'ganjax', '--task=evaluate', f'--input={FLAGS.input}']
  command += [f'--output={folder}', '--methods=ganjax', f'--tasks={",".join(FLAGS.tasks)}']
  command += [f'--levels={",".join(FLAGS.levels)}', *(f'--{flag}' for flag in FLAGS.more)]
  command += [f'--{flag}={value}' for flag, value in settings.items()]
  subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
  found: dict[Condition, Lines] = {}
  with open(folder / 'pictures.csv', newline='', encoding='utf-8') as file:
    for line in csv.DictReader(file):
      if line['method'].startswith('ganjax'):  # the completed ones come last
        found.setdefault((line['task'], line['level']), {})[line['name']] = line
  return Run(settings, found)


def cell(lines: Lines, others: Lines, measure: str) -> str:
  """'26.31 (−0.12 ± 0.05)': the mean, and its difference from that of the same photographs."""
  shared = [name for name in lines if name in others]
  names = [name for name in shared if lines[name][measure] and others[name][measure]]
  if not names:
    return ''
  ours, theirs = (np.array([float(x[name][measure]) for name in names]) for x in (lines, others))
  digits = DIGITS[measure]
  if lines is others or len(names) < 2:
    return f'{ours.mean():.{digits}f}'
  away = ours - theirs
  error = away.std(ddof=1) / len(away) ** 0.5
  return f'{ours.mean():.{digits}f} ({away.mean():+.{digits}f} ± {error:.{digits}f})'


def table(runs: list[Run]):
  """Lines of Markdown: a row for each run of each task and level."""
  yield '| task | settings | ' + ' | '.join(FLAGS.measures) + ' |'
  yield '|---' * (2 + len(FLAGS.measures)) + '|'
  for condition, first in runs[0].found.items():
    for run in runs:
      values = [cell(run.found[condition], first, measure) for measure in FLAGS.measures]
      yield f'| {" ".join(condition)} | {run} | ' + ' | '.join(values) + ' |'


def draw(runs: list[Run], path: pathlib.Path) -> None:
  """The runs on two axes, a panel for each task and level."""
  import matplotlib

  matplotlib.use('Agg')
  from matplotlib import pyplot as plt

  conditions = list(runs[0].found)
  columns = min(4, len(conditions))
  rows = -(-len(conditions) // columns)
  figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.6 * rows), squeeze=False)
  for axis, condition in itertools.zip_longest(axes.flat, conditions):
    if condition is None:
      axis.axis('off')
      continue
    for line in dict.fromkeys(run.line() for run in runs):
      joined = [run for run in runs if run.line() == line]
      points = [[run.value(name, condition) for name in FLAGS.axes] for run in joined]
      axis.plot(*zip(*points, strict=True), marker='o', label=line)
      for run, point in zip(joined, points, strict=True):
        axis.annotate(run.settings.get(FLAGS.along, ''), point, fontsize=6)
    axis.set_title(' '.join(condition), fontsize=9)
    axis.set_xlabel(FLAGS.axes[0])
    axis.set_ylabel(FLAGS.axes[1])
    axis.grid(alpha=0.3)
  if len({run.line() for run in runs}) > 1:
    axes.flat[0].legend(fontsize=7)
  figure.tight_layout()
  figure.savefig(path, dpi=110)


def run(argv: list[str]) -> None:
  """Runs what is missing, and writes the table and the figure."""
  del argv
  runs = [measured(settings) for settings in settings_of(FLAGS.runs)]
  text = '\n'.join(table(runs)) + '\n'
  folder = pathlib.Path(FLAGS.output)
  (folder / 'table.md').write_text(text, 'utf-8')
  draw(runs, folder / 'curves.png')
  print(text)


if __name__ == '__main__':
  app.run(run)
