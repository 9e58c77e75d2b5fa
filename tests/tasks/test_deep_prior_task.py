"""Whole runs of the deep image prior on small pictures of any kind."""

import json
import pathlib

import numpy as np
import pytest
from absl import flags
from PIL import Image

from ganjax import data
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError


def config(*more):
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(['ganjax', '--task=deep_prior', '--network=1-single', '--num_steps=4', *more])
  return main.from_flags()


@pytest.fixture
def folder(tmp_path):
  made = tmp_path / 'in'
  made.mkdir()
  rng = np.random.default_rng(0)
  Image.fromarray(rng.integers(0, 256, (37, 50, 3), np.uint8)).save(made / 'odd.png')
  Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(made / 'grey.png')
  Image.fromarray(rng.integers(0, 256, (40, 40, 4), np.uint8)).save(made / 'glass.png')
  Image.fromarray(rng.integers(0, 256, (20, 64, 3), np.uint8)).save(made / 'small.png')
  return made


@pytest.mark.parametrize('degradation', ['noise(sigma=0.1)', 'downsample(factor=4)'])
def test_pictures_of_any_size_are_restored_and_the_others_named(folder, tmp_path, degradation):
  output = tmp_path / 'out'
  settings = config(f'--input={folder}', f'--output={output}', f'--degradation={degradation}')
  assert main.run(settings) == 2
  lines = [json.loads(line) for line in (output / 'results.jsonl').read_text().splitlines()]
  assert {line['name'] for line in lines} == {'odd', 'grey'}
  shape = (36, 48, 3) if 'downsample' in degradation else (37, 50, 3)
  assert data.decode(output / 'restored' / 'odd.png').shape == shape
  for line in lines:
    assert line['metrics'].keys() == {'psnr', 'ssim', 'psnr_degraded', 'ssim_degraded'}
    assert all((output / path).stat().st_size for path in line['files'].values())
  failures = pathlib.Path(output, 'failures.jsonl').read_text()
  assert 'alpha channel' in failures
  assert 'smaller than 32 px' in failures


def test_already_degraded_pictures_are_taken_as_they_are(folder, tmp_path):
  output = tmp_path / 'out'
  settings = config(
    f'--input={folder / "grey.png"}',
    f'--output={output}',
    '--degradation=downsample(factor=2)',
    '--already_degraded',
  )
  assert main.run(settings) == 0
  assert data.decode(output / 'restored' / 'grey.png').shape == (80, 80, 3)


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--network=deep', '--network=deep'),
    ('--network=0-single', '--network=0-single'),
    ('--network=2-triple', '--network=2-triple'),
    ('--degradation=blur(variance=?)', 'cannot find'),
  ],
)
def test_wrong_flags_are_named(flag, message):
  with pytest.raises(ConfigError, match=message):
    config('--input=x.png', flag)
