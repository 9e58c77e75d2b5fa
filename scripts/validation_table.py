"""Measures every restoration task on a folder of aligned faces; prints a Markdown table.

  python scripts/validation_table.py --input=faces --output=table --tasks=deblur,inpaint

Each task runs twice through the command line's own code: with its defaults, and as the plain
W-space projector (Karras et al. 2020) with as many steps.
"""

import dataclasses
import pathlib

import numpy as np
from absl import app, flags

from ganjax import data
from ganjax.tasks import main
from ganjax.tasks.restore_config import RESTORATIONS

TASKS = ('invert', 'deblur', 'colorize', 'inpaint', 'super_resolve', 'denoise', 'dejpeg')
# The projector as published: Adam 0.1, noise maps of unit variance, noise on w; no pixel term.
PROJECTOR = {
  'space': 'w',
  'noise_maps': 'optimised',
  'learning_rate': 0.1,
  'noise_reg_weight': 1e5,
  'w_noise': 0.05,
  'pixel_weight': 0.0,
  'latent_dist_reg_weight': 0.0,
}

main.define_flags()
flags.DEFINE_list('tasks', list(TASKS), 'Tasks to measure.')


def measure(changes: dict) -> list[dict]:
  """Runs one task; returns its results' metrics."""
  settings = dataclasses.replace(main.from_flags(), **changes)
  if main.run(settings):
    raise SystemExit(f'{settings.output}: some pictures failed; see failures.jsonl')
  _, results, _ = data.read_results(settings.output)
  return [result['metrics'] for result in results]


def cell(metrics: list[dict], suffix: str = '') -> str:
  """Mean PSNR and SSIM, or a dash."""
  if f'psnr{suffix}' not in metrics[0]:
    return '–'
  psnr, ssim = (np.mean([m[f'{name}{suffix}'] for m in metrics]) for name in ('psnr', 'ssim'))
  return f'{psnr:.2f} · {ssim:.3f}'


def run(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  flags_ = flags.FLAGS
  folder = pathlib.Path(flags_.output)
  rows = []
  for task in flags_.tasks:
    flags_.task = task
    ours = measure({'output': str(folder / task), 'save_every': 0})
    plain = measure({'output': str(folder / f'{task}-projector'), 'save_every': 0, **PROJECTOR})
    spec = RESTORATIONS[task].degradation
    rows.append(f'| {task} | `{spec}` | {cell(ours, "_degraded")} | {cell(plain)} | {cell(ours)} |')
  print('| task | degradation | degraded | W projector | ganjax |')
  print('|---|---|---|---|---|')
  print('\n'.join(rows))


if __name__ == '__main__':
  app.run(run)
