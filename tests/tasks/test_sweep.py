"""A whole sweep with a tiny network."""

import json
import pathlib

import numpy as np
import pytest
import tiny
from absl import flags
from PIL import Image

from ganjax import data
from ganjax.inversion.sweeps import SweepError
from ganjax.tasks import main

ASTRONAUT = 'scripts/demo/astronaut.png'


@pytest.fixture(scope='module')
def weights_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return str(path)


def config(output, weights_file, sweep, *more):
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(
    [
      'ganjax',
      '--task=sweep',
      f'--input={ASTRONAUT}',
      f'--output={output}',
      f'--weights={weights_file}',
      '--degradation=blur(kernel_size=5, variance=1)',
      f'--sweep={sweep}',
      '--num_steps=3',
      *more,
    ]
  )
  return main.from_flags()


def test_a_mask_of_the_photo_is_swept_with(tmp_path, weights_file):
  mask = np.full((512, 512), 255, np.uint8)
  mask[110:125, 215:240] = 0
  Image.fromarray(mask).save(tmp_path / 'mask.png')
  spec = f"--degradation=grayscale(mode=luma) | mask(file='{tmp_path / 'mask.png'}')"
  axes = 'grayscale.mode=luma; learning_rate=0.1,0.2'
  for more in ([], ['--already_degraded']):
    output = tmp_path / f'out{len(more)}'
    assert main.run(config(output, weights_file, axes, spec, *more)) == 0
    record = json.loads((output / 'results.jsonl').read_text())
    assert len(record['sweep']) == 2
    assert 0 < record['hidden'] < 0.2


def test_every_combination_is_run_and_the_best_is_marked(tmp_path, weights_file):
  settings = config(tmp_path, weights_file, 'num_steps=2,4; blur.variance=1,3,7')
  assert settings.learning_rate == 0.2  # deblur's default
  assert main.run(settings) == 0
  (line,) = (tmp_path / 'results.jsonl').read_text().splitlines()
  record = json.loads(line)
  assert len(record['sweep']) == 6
  best = max(record['sweep'], key=lambda entry: entry['psnr'])
  assert record['best'] == best['setting']
  assert record['metrics']['psnr'] == best['psnr']
  for path in [*record['files'].values(), *(entry['file'] for entry in record['sweep'])]:
    assert data.decode(tmp_path / path).size
  assert 'best with <code>' in pathlib.Path(tmp_path, 'report.html').read_text()


def test_without_a_truth_the_misfit_decides(tmp_path, weights_file):
  settings = config(tmp_path, weights_file, 'learning_rate=0.05,0.2', '--already_degraded')
  assert main.run(settings) == 0
  record = json.loads((tmp_path / 'results.jsonl').read_text())
  assert record['best'] == min(record['sweep'], key=lambda entry: entry['misfit'])['setting']
  assert 'psnr' not in record['sweep'][0]


def test_a_wrong_sweep_is_refused_before_anything_is_written(tmp_path, weights_file):
  with pytest.raises(SweepError, match='sigma'):
    main.run(config(tmp_path / 'out', weights_file, 'blur.sigma=3'))
  assert not (tmp_path / 'out').exists()
