"""The scripts that make the documents' tables still run, on next to nothing."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny
from PIL import Image

from ganjax import data

ROOT = pathlib.Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


def python(*command):
  done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr + done.stdout
  return done.stdout


def test_holes(tmp_path):
  smooth = np.linspace(0, 255, 128).astype(np.uint8)
  picture = np.broadcast_to(smooth[:, None, None], (128, 128, 3))
  Image.fromarray(picture).save(tmp_path / 'a.png')
  output = tmp_path / 'filled'
  given = f'--input={tmp_path / "a.png"}', f'--output={output}'
  python('-m', 'ganjax', '--task=pix2pix_predict', '--degrade_first', *given)
  methods = ['mean', 'telea', 'navier_stokes', 'pix2pix']  # the others take minutes
  told = python('scripts/holes_table.py', f'--run={output}', f'--methods={",".join(methods)}')
  rows = [line.split('|')[1:3] for line in told.splitlines() if line.startswith('| ')]
  assert [name.strip() for name, _ in rows] == ['method', *methods]
  errors = {name.strip(): float(value) for name, value in rows[1:]}
  assert errors['telea'] < errors['mean'] < 1


def test_deep_prior(tmp_path):
  few = ['--side=32', '--names=astronaut', '--network=1-single', '--num_steps=2']
  told = python('scripts/deep_prior_table.py', f'--output={tmp_path / "out"}', *few)
  rows = [line.split('|')[1].strip() for line in told.splitlines() if line.startswith('| ')]
  classic = ['non-local means', 'BM3D']
  assert rows == ['denoise', 'degraded', *classic, 'deep prior', 'half missing', 'degraded',
                  'biharmonic', 'deep prior']  # fmt: skip


def test_settings(tmp_path):
  """Each run is compared with the first, and drawn."""
  weights, encoder = tmp_path / 'tiny.safetensors', tmp_path / 'encoder.safetensors'
  tiny.write(weights)
  tiny.write_encoder(encoder, weights)
  more = f'weights={weights},perceptual=discriminator,init={encoder},num_steps=0'
  told = python(
    'scripts/compare_settings.py',
    *('--input=scripts/demo/astronaut.png', f'--output={tmp_path / "out"}', '--tasks=inpaint'),
    *('--runs=fidelity=0; fidelity=1', '--along=fidelity', '--axes=score,psnr', f'--more={more}'),
  )
  rows = [line.split('|')[2].strip() for line in told.splitlines() if line.startswith('| ')]
  assert rows == ['settings', 'fidelity=0', 'fidelity=1']
  assert np.asarray(data.decode(tmp_path / 'out/curves.png')).std() > 10


def test_photographs(tmp_path):
  weights, output = tmp_path / 'tiny.safetensors', tmp_path / 'out'
  tiny.write(weights)
  (tmp_path / 'photos').mkdir()
  for name in ('astronaut.png', 'again.png'):
    shutil.copy(ROOT / 'scripts' / 'demo' / 'astronaut.png', tmp_path / 'photos' / name)
  told = python(
    'scripts/photographs_table.py',
    *(f'--input={tmp_path / "photos"}', f'--output={output}', f'--weights={weights}'),
    *('--side=96', '--num_steps=1', '--damages=2'),
  )
  (row,) = (line for line in told.splitlines() if line.startswith('| `'))
  assert row.startswith('| `jpeg(quality=15)` | ')
  assert row.count(' → ') == 4
  assert (output / 'sheet_2.jpg').is_file()
  assert (output / '2' / 'astronaut_restored.png').is_file()
