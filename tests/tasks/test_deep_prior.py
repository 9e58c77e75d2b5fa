"""Whole runs of the deep image prior on small pictures of any kind."""

import json
import pathlib

import command_line
import numpy as np
import pytest
from PIL import Image

from ganjax import data
from ganjax.degradations import DegradationError
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError


def config(*more):
  return command_line.config('--task=deep_prior', '--network=1-single', '--num_steps=4', *more)


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
  settings = config(
    f'--input={folder}', f'--output={output}', f'--degradation={degradation}', '--degrade_first'
  )
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


def test_pictures_are_taken_as_they_are(folder, tmp_path):
  output = tmp_path / 'out'
  settings = config(
    f'--input={folder / "grey.png"}', f'--output={output}', '--degradation=downsample(factor=2)'
  )
  assert main.run(settings) == 0
  assert data.decode(output / 'restored' / 'grey.png').shape == (80, 80, 3)


def test_restarts_are_averaged_and_their_deviation_drawn(folder, tmp_path):
  odd, output = folder / 'odd.png', tmp_path / 'out'
  pictures = []
  for seed in (0, 1):
    single = tmp_path / str(seed)
    # The same noise: only the networks' starts differ.
    flags_ = [f'--input={odd}', f'--output={single}', '--degradation=downsample(factor=2)']
    assert main.run(config(*flags_, f'--seed={seed}')) == 0
    pictures.append(data.decode(single / 'restored' / 'odd.png').astype(float))
  settings = config(f'--input={odd}', f'--output={output}', *flags_[2:], '--restarts=2')
  assert main.run(settings) == 0
  mean = data.decode(output / 'restored' / 'odd.png')
  assert np.abs(np.mean(pictures, axis=0) - mean).max() <= 1
  assert data.decode(output / 'deviation' / 'odd.png').ndim == 3


def test_known_pixels_can_be_kept_exactly(folder, tmp_path):
  output = tmp_path / 'out'
  hole = '--degradation=mask(box=4:12:4:12)'
  settings = config(f'--input={folder / "odd.png"}', f'--output={output}', hole, '--degrade_first')
  assert main.run(settings) == 0
  whole, restored, truth = (
    data.decode(output / kind / 'odd.png') for kind in ('completed', 'restored', 'aligned')
  )
  inside = np.zeros(truth.shape[:2], bool)
  inside[4:12, 4:12] = True
  np.testing.assert_array_equal(whole[~inside], truth[~inside])
  np.testing.assert_array_equal(whole[inside], restored[inside])
  line = json.loads((output / 'results.jsonl').read_text())
  assert line['metrics']['psnr_completed'] > line['metrics']['psnr']
  # degraded · restored · completed · truth, of 256 px each
  assert 4 * 256 < data.decode(output / 'grid.png').shape[1] < 5 * 256


def test_holes_at_random_are_refused_in_pictures_that_have_their_own():
  with pytest.raises(DegradationError, match='has its own holes'):
    config('--input=x.png', '--degradation=mask(strokes=3)')


def test_masks_and_transparency_are_holes_in_pictures_of_any_size(folder, tmp_path):
  output = tmp_path / 'out'
  alpha = np.full((40, 80), 255, np.uint8)
  alpha[20:26, 30:50] = 0
  colours = np.random.default_rng(1).integers(0, 256, (40, 80, 3), np.uint8)
  for name in ('photo', 'glass'):
    (tmp_path / name).mkdir()
  Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / 'glass' / 'a.png')
  Image.fromarray(colours).save(tmp_path / 'photo' / 'a.png')
  Image.fromarray(alpha).save(tmp_path / 'mask.png')
  masked = config(
    f'--input={tmp_path / "photo"}',
    f'--output={output}',
    f'--mask={tmp_path / "mask.png"}',
    '--max_side=40',
  )
  assert masked.degradation == f"mask(file='{tmp_path / 'mask.png'}')"
  assert main.run(masked) == 0
  shown = data.decode(output / 'masks' / 'a.png')[..., 0]
  assert shown.shape == (20, 40)
  assert not shown[10:13, 15:25].any()
  assert shown[:8].all()
  erased = config(
    f'--input={tmp_path / "glass"}',
    f'--output={tmp_path / "erased"}',
    '--degradation=mask()',
    '--max_side=40',
  )
  assert main.run(erased) == 0
  np.testing.assert_array_equal(data.decode(tmp_path / 'erased' / 'masks' / 'a.png')[..., 0], shown)


def test_a_study_is_one_command(folder, tmp_path):
  output = tmp_path / 'out'
  settings = config(
    f'--input={folder / "odd.png"}',
    f'--output={output}',
    '--degradation=mask(box=4:12:4:12)',
    '--sweep=network=1-single,1-double; mask.box=4:12:4:12,2:30:2:30; learning_rate=0.01,0.1',
    '--batch_size=3',
  )
  assert main.run(settings) == 0
  (line,) = [json.loads(line) for line in (output / 'results.jsonl').read_text().splitlines()]
  entries = line['sweep']
  assert len(entries) == 8
  assert [e['setting']['learning_rate'] for e in entries] == ['0.01', '0.1'] * 4
  # A larger hole shows less of the truth, whatever the network.
  degraded = {e['setting']['mask.box']: e['psnr_degraded'] for e in entries}
  assert degraded['4:12:4:12'] > degraded['2:30:2:30'] + 3
  assert line['best'] == max(entries, key=lambda e: e['psnr'])['setting']
  for entry in entries:
    assert (output / entry['file']).stat().st_size
    assert (output / entry['curve']).stat().st_size
  # A combination is what a run of its own gives.
  alone = tmp_path / 'alone'
  settings = config(
    f'--input={folder / "odd.png"}',
    f'--output={alone}',
    '--degradation=mask(box=2:30:2:30)',
    '--network=1-double',
    '--learning_rate=0.1',
    '--degrade_first',
  )
  assert main.run(settings) == 0
  own = data.decode(alone / 'restored' / 'odd.png').astype(int)
  assert np.abs(own - data.decode(output / entries[7]['file'])).max() <= 2


def test_noise_is_measured_and_the_truth_drawn_beside(folder, tmp_path):
  y, x = np.mgrid[0:48, 0:64]
  truth = 128 + 60 * np.stack([np.sin(x / 9), np.cos(y / 8), np.sin((x + y) / 20)], axis=-1)
  noisy = truth + 25 * np.random.default_rng(0).standard_normal(truth.shape)
  for name, picture in (('noisy', noisy), ('true', truth)):
    (tmp_path / name).mkdir()
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / name / 'waves.png')
  output = tmp_path / 'out'
  settings = config(
    f'--input={tmp_path / "noisy"}',
    f'--truth={tmp_path / "true"}',
    f'--output={output}',
    '--already_degraded',
    '--stopping=noise',
  )
  assert main.run(settings) == 0
  line = json.loads((output / 'results.jsonl').read_text())
  estimate = float(line['estimate'].removeprefix('noise(sigma=').removesuffix(')'))
  assert abs(estimate - 25 / 255) < 0.01
  assert line['metrics']['psnr_degraded'] == pytest.approx(20.2, abs=0.5)


def test_a_truth_that_is_missing_or_of_another_shape_is_a_failure(folder, tmp_path):
  truths = tmp_path / 'truths'
  truths.mkdir()
  Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(truths / 'grey.png')
  settings = config(f'--input={folder}', f'--truth={truths}', f'--output={tmp_path / "out"}')
  assert main.run(settings) == 4
  failures = pathlib.Path(tmp_path, 'out', 'failures.jsonl').read_text()
  assert 'holds no picture called odd' in failures
  assert 'has other proportions' in failures


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--sweep=network=deep', '--network=deep'),
    ('--sweep=learning_rate=fast', 'learning_rate=fast'),
    ('--sweep=prior_loss=l3', 'prior_loss=l3'),
    ('--sweep=averaging=1', 'averaging'),
    ('--truth=true --degrade_first', '--truth'),
    ('--stopping=noise', 'has no noise'),
    ('--assumed_degradation=blur(variance=?)', 'find no other'),
    ('--network=deep', '--network=deep'),
    ('--network=0-single', '--network=0-single'),
    ('--network=2-triple', '--network=2-triple'),
    ('--degradation=blur(variance=?) --degrade_first', 'cannot be done'),
  ],
)
def test_wrong_flags_are_named(flag, message):
  with pytest.raises(ConfigError, match=message):
    config('--input=x.png', '--degradation=blur(variance=4)', *flag.split())
