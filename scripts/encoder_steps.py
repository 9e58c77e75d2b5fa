"""Compares inversions that begin with an encoder with such that begin at the average face.

  python scripts/encoder_steps.py --input=photos --output=out/steps --tasks=inpaint --levels=M,L

Every start and number of steps of --runs is one `evaluate`, which is skipped where it is done. The
first run is what the others are compared with, picture by picture: table.md has the means, and the
differences with their standard errors, steps.png the PSNR over the steps.
"""

import csv
import itertools
import pathlib
import subprocess
import sys
from typing import NamedTuple

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
MEASURES = {'psnr': 2, 'perceptual': 3, 'identity': 3}  # and the digits that are shown

if __name__ == '__main__':
  flags.DEFINE_string('input', None, 'Clean photographs.', required=True)
  flags.DEFINE_string('output', None, 'Folder.', required=True)
  flags.DEFINE_list('tasks', ['invert', 'inpaint', 'super_resolve', 'denoise'], 'Of `evaluate`.')
  flags.DEFINE_list('levels', ['M'], 'Of `evaluate`.')
  flags.DEFINE_string('encoder', 'encoder', 'As --init takes it.')
  flags.DEFINE_list(
    'runs',
    ['average:100', 'average:40', 'encoder:0', 'encoder:20', 'encoder:40', 'encoder:100'],
    'Where to begin, and how many steps.',
  )
  flags.DEFINE_list('more', [], 'Further flags of `evaluate`, such as preset=robust.')


class Run(NamedTuple):
  """One `evaluate`."""

  init: str
  num_steps: int

  @classmethod
  def of(cls, spec):
    """Reads 'average:100'."""
    init, _, steps = spec.partition(':')
    return cls(init, int(steps))

  def __str__(self):
    return f'{self.init}, {self.num_steps} steps'


def measured(run):
  """{(task, level): {name: its line of pictures.csv}}; of completed images, if there are any."""
  folder = pathlib.Path(FLAGS.output) / f'{run.init}-{run.num_steps}'
  if not (folder / 'pictures.csv').exists():
    init = FLAGS.encoder if run.init == 'encoder' else run.init
    command = [sys.executable, '-m', 'ganjax', '--task=evaluate', f'--input={FLAGS.input}']
    command += [f'--output={folder}', '--methods=ganjax', f'--tasks={",".join(FLAGS.tasks)}']
    command += [f'--levels={",".join(FLAGS.levels)}', f'--init={init}']
    command += [f'--num_steps={run.num_steps}', *(f'--{flag}' for flag in FLAGS.more)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
  found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
  with open(folder / 'pictures.csv', newline='', encoding='utf-8') as file:
    for line in csv.DictReader(file):
      if line['method'].startswith('ganjax'):  # the completed ones come last
        found.setdefault((line['task'], line['level']), {})[line['name']] = line
  return found


def cell(lines, others, measure, digits):
  """'26.31 (−0.12 ± 0.05)': the mean, and its difference from that of the same pictures."""
  names = [name for name in lines if lines[name][measure] and others[name][measure]]
  ours, theirs = (np.array([float(x[name][measure]) for name in names]) for x in (lines, others))
  if lines is others:
    return f'{ours.mean():.{digits}f}'
  away = ours - theirs
  error = away.std(ddof=1) / len(away) ** 0.5
  return f'{ours.mean():.{digits}f} ({away.mean():+.{digits}f} ± {error:.{digits}f})'


def table(runs, found):
  """Lines of Markdown: a row for each run of each task and level."""
  yield '| task | begins with, steps | ' + ' | '.join(MEASURES) + ' |'
  yield '|---' * (2 + len(MEASURES)) + '|'
  for condition in found[0]:
    for run, own in zip(runs, found, strict=True):
      values = [cell(own[condition], found[0][condition], *x) for x in MEASURES.items()]
      yield f'| {" ".join(condition)} | {run} | ' + ' | '.join(values) + ' |'


def draw(runs, found, path):
  """PSNR over steps, a panel for each task and level."""
  import matplotlib

  matplotlib.use('Agg')
  from matplotlib import pyplot as plt

  conditions = list(found[0])
  columns = min(4, len(conditions))
  rows = -(-len(conditions) // columns)
  figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.6 * rows), squeeze=False)
  for axis, condition in itertools.zip_longest(axes.flat, conditions):
    if condition is None:
      axis.axis('off')
      continue
    for init in dict.fromkeys(run.init for run in runs):
      points = sorted(
        (run.num_steps, np.mean([float(x['psnr']) for x in own[condition].values()]))
        for run, own in zip(runs, found, strict=True)
        if run.init == init
      )
      axis.plot(*zip(*points, strict=True), marker='o', label=init)
    axis.set_title(' '.join(condition), fontsize=9)
    axis.set_xlabel('steps')
    axis.set_ylabel('PSNR, dB')
    axis.grid(alpha=0.3)
  axes.flat[0].legend()
  figure.tight_layout()
  figure.savefig(path, dpi=110)


def run(argv):
  """Runs what is missing, and writes the table and the figure."""
  del argv
  runs = [Run.of(spec) for spec in FLAGS.runs]
  found = [measured(one) for one in runs]
  text = '\n'.join(table(runs, found)) + '\n'
  folder = pathlib.Path(FLAGS.output)
  (folder / 'table.md').write_text(text, 'utf-8')
  draw(runs, found, folder / 'steps.png')
  print(text)


if __name__ == '__main__':
  app.run(run)
