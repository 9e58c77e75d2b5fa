"""Compares the deep image prior with classic methods on public-domain pictures: a table.

  pip install scikit-image bm3d
  python scripts/deep_prior_table.py --output=out/table --side=128 --num_steps=1800

Denoising (σ = 25 / 255) beside non-local means and BM3D, both told σ; half of the pixels missing
beside biharmonic inpainting. The pictures are scikit-image's, reduced. --pictures_only writes
them, to be used with --task=deep_prior, and ends.
"""

import json
import pathlib
import sys

import numpy as np
from absl import app, flags
from PIL import Image, ImageOps

FLAGS = flags.FLAGS
# Where the square that is cut out begins (left, top), and its side, px of the original.
SQUARES = {
  'astronaut': (0, 0, 512),
  'chelsea': (75, 0, 300),
  'coffee': (140, 20, 380),
  'rocket': (180, 0, 427),
}
SIDE = 128  # px, of the pictures, where --side does not say otherwise
SIGMA = 25 / 255
TASKS = {'denoise': f'noise(sigma={SIGMA:.5f})', 'half missing': 'mask(missing=0.5)'}

if __name__ == '__main__':
  flags.DEFINE_list('names', list(SQUARES), f'Pictures of {list(SQUARES)}.')
  flags.DEFINE_bool('pictures_only', False, 'Only write the pictures.')


def write_pictures(folder, names, side):
  """Writes the test pictures as PNG."""
  from skimage import data

  folder.mkdir(parents=True, exist_ok=True)
  for name in names:
    left, top, size = SQUARES[name]
    image = Image.fromarray(getattr(data, name)()).convert('RGB')
    square = image.crop((left, top, left + size, top + size))
    ImageOps.fit(square, (side, side), Image.Resampling.LANCZOS).save(folder / f'{name}.png')


def restore(name, folder, pictures):
  """Runs the task on all pictures; returns its results."""
  from ganjax.tasks import main as tasks

  given = {'task': 'deep_prior', 'degradation': TASKS[name], 'degrade_first': True}
  given |= {'input': pictures, 'output': folder}
  for flag, value in given.items():
    FLAGS[flag].value = value if value is True else str(value)
  if tasks.run(tasks.from_flags()):
    sys.exit(1)
  lines = (folder / 'results.jsonl').read_text('utf-8').splitlines()
  return {record['name']: record for record in map(json.loads, lines)}


def classic(name, degraded, truth):
  """PSNR of the classic methods on one picture, in dB; values in [0, 1]."""
  from skimage import restoration
  from skimage.metrics import peak_signal_noise_ratio

  if name == 'denoise':
    import bm3d

    nlm = restoration.denoise_nl_means(
      degraded, 5, 6, 0.8 * SIGMA, fast_mode=False, sigma=SIGMA, channel_axis=-1
    )
    found = {'non-local means': nlm, 'BM3D': bm3d.bm3d_rgb(degraded, SIGMA)}
  else:
    hole = np.all(degraded == 0, axis=-1)
    found = {'biharmonic': restoration.inpaint_biharmonic(degraded, hole, channel_axis=-1)}
  return {
    method: peak_signal_noise_ratio(truth, np.clip(picture, 0, 1), data_range=1.0)
    for method, picture in found.items()
  }


def main(_):
  output = pathlib.Path(FLAGS.output or 'out')
  pictures = output / 'pictures'
  write_pictures(pictures, FLAGS.names, FLAGS.side or SIDE)
  if FLAGS.pictures_only:
    return
  for name in TASKS:
    folder = output / name.replace(' ', '_')
    records = restore(name, folder, pictures)
    columns = {}
    for key, record in records.items():
      degraded, truth = (
        np.asarray(Image.open(folder / record['files'][kind]), np.float64) / 255
        for kind in ('degraded', 'aligned')
      )
      columns[key] = {
        'degraded': record['metrics']['psnr_degraded'],
        **classic(name, degraded, truth),
        'deep prior': record['metrics']['psnr'],
      }
    print(f'\n| {name} | ' + ' | '.join(columns) + ' | mean |')
    print('|---' * (len(columns) + 2) + '|')
    for method in next(iter(columns.values())):
      values = [column[method] for column in columns.values()]
      cells = ' | '.join(f'{value:.2f}' for value in (*values, np.mean(values)))
      print(f'| {method} | {cells} |', flush=True)


if __name__ == '__main__':
  from ganjax.tasks import main as tasks

  tasks.define_flags()
  app.run(main)
