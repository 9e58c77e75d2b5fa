"""Whole runs of pix2pix on tiny pictures: learn, be killed, go on, predict, be scored."""

import csv
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from command_line import config
from PIL import Image
from processes import together

from ganjax import data, training, weights
from ganjax.pix2pix import masks
from ganjax.runtime import devices
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.tasks.train import pix2pix
from ganjax.training import log
from ganjax.training.pix2pix import trainer
from ganjax.weights.parameters import tensors_of

ROOT = pathlib.Path(__file__).resolve().parents[3]
SIDE = 16
SMALL = [
  '--task=pix2pix_train', '--side=8', '--unet_width=2', '--unet_max_width=4', '--patch=16',
  '--patchgan_width=2', '--num_steps=8', '--batch_size=4', '--log_every=1',
  '--checkpoint_every=3', '--save_every=4', '--threads=2',
]  # fmt: skip


def scene(seed):
  """A disc before a slanted sky, uint8 [SIDE, SIDE, 3]."""
  rng = np.random.default_rng(seed)
  y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
  colours, (left, top) = rng.random((3, 3)), rng.random(2)
  sky = 0.7 * (colours[0] * y[:, :, None] + 0.8 * colours[1] * x[:, :, None])
  disc = (x - left) ** 2 + (y - top) ** 2 < 0.08
  return (np.where(disc[:, :, None], colours[2], sky) * 255).astype(np.uint8)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  made = tmp_path_factory.mktemp('eight')
  for seed in range(8):
    Image.fromarray(scene(seed)).save(made / f'{seed}.png')
  return made


def small(folder, output, *more):
  return [*SMALL, f'--input={folder}', f'--output={output}', *more]


def measured(output):
  """What each step measured, less the time it took."""
  lines = log.read(output / 'training')
  return [{k: v for k, v in line.items() if k != 'pictures_per_second'} for line in lines]


@pytest.fixture(scope='module')
def whole(folder, tmp_path_factory):
  output = tmp_path_factory.mktemp('whole') / 'out'
  assert main.run(config(*small(folder, output))) == 0
  return output


class TestTrain:
  def test_what_is_written(self, whole):
    assert [line['step'] for line in measured(whole)] == list(range(1, 9))
    written = {path.name for path in whole.rglob('*')}
    assert {'generator.safetensors', 'samples-00000004.png', 'samples-00000008.png'} <= written
    assert {f'{name}.png' for name in trainer.MEASURED} <= written
    assert data.decode(whole / 'samples' / 'samples-00000008.png').shape == (3 * 8, 8 * 8, 3)

  def test_it_begins_with_a_given_network(self, folder, whole, tmp_path, monkeypatch):
    given, step, begun = whole / 'generator.safetensors', trainer.step, []

    def noted(plan, mesh, state, batch):
      begun.append((plan, jax.device_get(state)))
      return step(plan, mesh, state, batch)

    monkeypatch.setattr(trainer, 'step', noted)
    main.run(config(*small(folder, tmp_path / 'out', f'--init_from={given}')))
    plan, start = begun[0]
    first, expected = (
      tensors_of({'generator': trainer.network(plan, start)}),
      weights.read(given)[0],
    )
    assert first.keys() == expected.keys()
    for name, value in expected.items():
      np.testing.assert_array_equal(first[name], value, err_msg=name)
    jax.tree.map(np.testing.assert_array_equal, start.generator, start.ema)
    jax.tree.map(np.testing.assert_array_equal, start.statistics, start.ema_statistics)
    header = weights.read(tmp_path / 'out' / 'generator.safetensors')[1]
    assert header['training']['init_from'] == str(given)
    with pytest.raises(ConfigError, match='is for 8 px; leave --side out'):
      main.run(config(*small(folder, tmp_path / 'other', f'--init_from={given}', '--side=16')))

  def test_a_run_that_dies_goes_on_bit_equally(self, folder, whole, tmp_path, monkeypatch):
    die_at, step = int(np.random.default_rng().integers(4, 8)), trainer.step

    class KilledError(Exception):
      pass

    def dying(plan, mesh, state, batch):
      if int(state.step) == die_at:
        raise KilledError
      return step(plan, mesh, state, batch)

    monkeypatch.setattr(trainer, 'step', dying)
    with pytest.raises(KilledError):
      main.run(config(*small(folder, tmp_path / 'out')))
    monkeypatch.setattr(trainer, 'step', step)
    assert main.run(config(*small(folder, tmp_path / 'out'))) == 0
    assert measured(tmp_path / 'out') == measured(whole), die_at
    weights = [path / 'generator.safetensors' for path in (tmp_path / 'out', whole)]
    assert weights[0].read_bytes() == weights[1].read_bytes()

    weights[0].unlink()  # as if it had been killed at the very end
    assert main.run(config(*small(folder, tmp_path / 'out'))) == 0
    assert weights[0].read_bytes() == weights[1].read_bytes()

    assert main.run(config(*small(folder, tmp_path / 'out', '--overwrite'))) == 0
    assert measured(tmp_path / 'out') == measured(whole)
    assert len(list((tmp_path / 'out' / 'training' / log.EVENTS).iterdir())) == 1

  @pytest.mark.slow
  def test_a_process_that_is_killed_goes_on_bit_equally(self, folder, whole, tmp_path):
    output = tmp_path / 'out'
    command = [sys.executable, '-m', 'ganjax', *small(folder, output)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    checkpoint = output / 'training' / 'checkpoints' / '3'
    while process.poll() is None and not checkpoint.is_dir():
      time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main.run(config(*small(folder, output))) == 0
    assert measured(output) == measured(whole)

  @pytest.mark.slow
  def test_two_processes_work_as_one_and_are_preempted_together(self, folder, whole, tmp_path):
    output = tmp_path / 'out'
    with together(small(folder, output, '--num_steps=100000')) as processes:
      checkpoint = output / 'training' / 'checkpoints' / '3'
      while all(process.poll() is None for process in processes) and not checkpoint.is_dir():
        time.sleep(0.01)
      processes[1].terminate()  # both stop, at the same step
      said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [75, 75], said
    lines = measured(output)
    with training.Checkpoints(output / 'training' / 'checkpoints') as checkpoints:
      assert checkpoints.latest == lines[-1]['step'] >= 3
    for mine, alone in zip(lines[:3], measured(whole)[:3], strict=True):
      assert mine == pytest.approx(alone, rel=1e-2)

  def test_other_flags_are_refused(self, folder, whole):
    with pytest.raises(data.StoreError, match='--l1_weight'):
      main.run(config(*small(folder, whole, '--l1_weight=10')))

  def test_broken_pictures_are_named_and_left_out(self, folder, tmp_path, capsys):
    for path in folder.iterdir():
      (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    output = tmp_path / 'out'
    settings = config(*small(tmp_path, output))
    assert main.run(settings) == 1
    assert 'broken.png: no whole picture' in capsys.readouterr().err
    assert [line['step'] for line in measured(output)] == list(range(1, 9))

  @pytest.mark.parametrize(
    ('more', 'reason'),
    [
      (['--input='], '--input is missing'),
      (['--side=24'], '--side=24: give a power of two'),
      (['--accumulate=3'], 'does not divide --batch_size=4'),
      (['--batch_size=auto'], 'give --task=pix2pix_train a number'),
      (['--truth=x', '--side_by_side=ab'], 'exclude each other'),
      (['--truth=x', '--degradation=blur()'], 'these have conditions'),
      (['--degradation=blur(variance=?)'], "cannot learn '?'"),
    ],
  )
  def test_flags_that_make_no_sense(self, folder, tmp_path, more, reason):
    with pytest.raises(ConfigError, match=reason.replace('?', r'\?')):
      config(*small(folder, tmp_path), *more)

  def test_sizes_that_do_not_fit(self, folder, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r'--patch=70: too large .* 8 px; one of \[1, 16\] fits'):
      main.run(config(*small(folder, tmp_path / 'a', '--patch=70')))
    monkeypatch.setattr(devices, 'devices_for', lambda count: jax.devices())  # as of accelerators
    with pytest.raises(ConfigError, match='must be a multiple of 4 devices'):
      main.run(config(*small(folder, tmp_path / 'b', '--batch_size=6')))


def test_the_default_side_is_the_data_s(folder):
  pictures = pix2pix.training.Pictures(str(folder))
  assert pix2pix._side(pictures, config(*small(folder, 'out'))) == SIDE


def pairs(folder):
  """Two pictures that are no pairs, and two that are."""
  folder.mkdir()
  (folder / '0.png').write_bytes(b'broken')
  for seed in range(1, 4):
    halves = [scene(seed), 255 - scene(seed)]
    joined = halves[0] if seed == 1 else np.concatenate(halves, axis=1)
    Image.fromarray(joined).save(folder / f'{seed}.png')
  return folder


def test_pictures_that_are_no_pairs_do_not_cost_the_others(tmp_path, capsys):
  halves = config(*small(pairs(tmp_path / 'in'), tmp_path / 'out', '--side_by_side=ab'))
  pictures = pix2pix.training.Pictures(halves.input)
  assert pix2pix._side(pictures, halves) == SIDE
  assert main.run(halves) == 2
  said = capsys.readouterr().err
  assert '1.png: 16×16 px, but two squares side by side are twice as wide as high' in said
  assert (tmp_path / 'out' / 'generator.safetensors').is_file()


@pytest.mark.parametrize('more', [[], ['--side=8']])
def test_no_pairs_at_all(folder, tmp_path, more):
  learn = config(*small(folder, tmp_path / 'out', '--side_by_side=ab'))
  learn = dataclasses.replace(learn, side=8 if more else None)
  with pytest.raises(data.SourceError, match='twice as wide as high'):
    main.run(learn)


@pytest.fixture(scope='module')
def overfitted(folder, tmp_path_factory):
  """A generator that knows the eight pictures by heart."""
  output = tmp_path_factory.mktemp('overfitted') / 'out'
  learn = [
    '--task=pix2pix_train', f'--input={folder}', f'--output={output}', '--num_steps=360',
    '--learning_rate=3e-3', '--unet_width=16', '--unet_max_width=32', '--patch=16',
    '--patchgan_width=4', '--dropout=0', '--jitter=1', '--nomirror', '--ema_decay=0.98',
  ]  # fmt: skip
  assert main.run(config(*learn)) == 0
  return output / 'generator.safetensors'


def predict(weights, folder, output, *more):
  settings = [f'--weights={weights}', f'--input={folder}', f'--output={output}', *more]
  return main.run(config('--task=pix2pix_predict', *settings))


def results(output):
  return [json.loads(line) for line in (output / 'results.jsonl').read_text().splitlines()]


@pytest.mark.slow
class TestPredict:
  def test_eight_pictures_are_known_by_heart(self, overfitted, folder, tmp_path):
    assert predict(overfitted, folder, tmp_path / 'out', '--degrade_first') == 0
    assert data.decode(tmp_path / 'out' / 'grid.png').size
    errors = [result['metrics']['mse_holes'] for result in results(tmp_path / 'out')]
    assert len(errors) == 8
    assert np.mean(errors) < 0.002

  def test_tables_make_the_round_trip(self, overfitted, folder, tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert predict(overfitted, folder, first, '--degrade_first') == 0
    assert predict(overfitted, folder, second, f'--masks={first / "masks.csv"}') == 0
    assert (first / 'submission.csv').read_bytes() == (second / 'submission.csv').read_bytes()
    with open(second / 'submission.csv', newline='') as file:
      values = {row['filename_box_pixel']: row['value'] for row in csv.DictReader(file)}
    size = 4  # 75 · 16 / 256
    assert len(values) == 8 * 2 * size * size * 3
    rows, problems = masks.read_masks(first / 'masks.csv')
    assert problems == []
    for row in rows:
      boxes = np.load(second / 'boxes' / f'{row.filename[0]}.npz')['values']
      named = [values[f'{row.filename}_{b}_{p}'] for b in (1, 2) for p in range(size * size * 3)]
      np.testing.assert_array_equal(np.float32(named).reshape(boxes.shape), boxes)
      restored = data.decode(second / 'restored' / f'{row.filename[0]}.png')
      cut = masks.cut(restored, row.corners, size)
      np.testing.assert_array_equal(cut, np.rint(boxes * 255))
      known = masks.known(row.corners, size, SIDE, SIDE)
      np.testing.assert_array_equal(restored * known, scene(int(row.filename[0])) * known)

  def test_bad_rows_and_pictures_are_one_line_each(self, overfitted, folder, tmp_path, capsys):
    table = tmp_path / 'masks.csv'
    lines = ['0.jpg,1,2,10,12', '1,1,2,10,12', '2.png,14,2,10,12', 'nobody.png,1,2,3,4']
    lines += ['1.png,1,2,3,4', '3.png,x,2,3,4', '../eight/4.png,1,2,3,4', 'broken,0,0,9,9']
    table.write_text('\n'.join(lines))
    for path in folder.iterdir():
      (tmp_path / 'in').mkdir(exist_ok=True)
      (tmp_path / 'in' / path.name).write_bytes(path.read_bytes())
    (tmp_path / 'in' / 'broken.png').write_bytes(b'no picture')
    output = tmp_path / 'out'
    more = [f'--masks={table}', '--already_degraded', '--blend=poisson']
    assert predict(overfitted, tmp_path / 'in', output, *more) == 6
    assert {result['name'] for result in results(output)} == {'0', '1'}
    assert all(result['metrics'] == {} for result in results(output))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 6
    for line, reason in enumerate([None, None, 'box 1 at x=14', 'no such picture'], start=1):
      assert reason is None or any(f'line {line}: ' in s and reason in s for s in said)
    assert any('line 5: 1.png: the same picture as in line 2' in s for s in said)
    assert any('line 6: x1=x is no place in px' in s for s in said)
    assert any('line 7: ../eight/4.png: no such picture' in s for s in said)
    assert any('broken.png: no whole picture' in s for s in said)
    names = {line.split('_')[0] for line in (output / 'submission.csv').read_text().splitlines()}
    assert names == {'filename', '0.jpg', '1'}

  def test_truth_may_lie_elsewhere_or_beside(self, overfitted, folder, tmp_path):
    for name in ('holes', 'pairs'):
      (tmp_path / name).mkdir()
    for seed in range(2):
      pixels = scene(seed)
      pixels[3:7, 4:8] = 0
      Image.fromarray(pixels).save(tmp_path / 'holes' / f'{seed}.png')
      joined = np.concatenate([pixels, scene(seed)], axis=1)
      Image.fromarray(joined).save(tmp_path / 'pairs' / f'{seed}.png')
    truth = f'--truth={folder}'
    assert predict(overfitted, tmp_path / 'holes', tmp_path / 'a', truth) == 0
    assert predict(overfitted, tmp_path / 'pairs', tmp_path / 'b', '--side_by_side=ab') == 0
    scored = [[r['metrics']['mse'] for r in results(tmp_path / name)] for name in ('a', 'b')]
    assert scored[0] == scored[1]
    assert 0 < np.mean(scored[0]) < 0.1

  @pytest.mark.parametrize(
    ('more', 'reason'),
    [
      (['--masks=x', '--degradation=blur()'], 'leave --degradation'),
      (['--box_size=3'], '--box_size belongs to --masks'),
      (['--already_degraded', '--degradation=blur()'], 'goes with --degrade_first'),
    ],
  )
  def test_flags_that_make_no_sense(self, folder, more, reason):
    with pytest.raises(ConfigError, match=reason):
      config('--task=pix2pix_predict', f'--input={folder}', *more)
