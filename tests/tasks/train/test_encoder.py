"""Whole runs of train_encoder on a tiny generator: learn, be killed, go on, and be used."""

import json

import numpy as np
import pytest
from command_line import config
from PIL import Image

from ganjax import data, weights
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.tasks.train import encoder
from ganjax.training import log
from ganjax.training.encoder import damage, plan, trainer

SIDE = 16
SMALL = ['--task=train_encoder', '--num_steps=6', '--batch_size=8', '--log_every=1',
         '--save_every=3', '--checkpoint_every=2', '--threads=2']  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  made = tmp_path_factory.mktemp('faces')
  rng = np.random.default_rng(0)
  for i in range(5):
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(made / f'{i}.png')
  return made


@pytest.fixture(scope='module')
def generator(weights_file):
  return weights_file


@pytest.fixture(scope='module')
def learn(generator, folder):
  def flags(output, *more):
    return config(
      *SMALL, f'--weights={generator}', f'--input={folder}', f'--output={output}', *more
    )

  return flags


@pytest.fixture(scope='module', autouse=True)
def few_kinds():
  """Three kinds of damage in place of some twenty: steps compile in half the time.

  None, a blur, and grey with noise and holes.
  """
  every = damage.kinds(SIDE)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(damage, 'kinds', lambda side: [every[0], every[1], every[-4]])
    yield


@pytest.fixture(scope='module')
def whole(learn, tmp_path_factory):
  output = tmp_path_factory.mktemp('whole') / 'out'
  assert main.run(learn(output)) == 0
  return output


def measured(output):
  """What each step measured, less the time it took."""
  lines = log.read(output / 'training')
  return [{k: v for k, v in line.items() if k != 'pictures_per_second'} for line in lines]


def results(output):
  return [json.loads(line) for line in (output / 'results.jsonl').read_text().splitlines()]


def test_what_is_written(whole):
  lines = measured(whole)
  assert [line['step'] for line in lines if 'loss' in line] == list(range(1, 7))
  assert [line['step'] for line in lines if 'psnr' in line] == [3, 6]
  written = {path.name for path in whole.rglob('*')}
  assert {'encoder.safetensors', 'samples-00000003.png', 'samples-00000006.png'} <= written
  assert {f'{name}.png' for name in (*trainer.MEASURED, 'psnr', 'psnr_degraded')} <= written
  sheet = data.decode(whole / 'samples' / 'samples-00000006.png')
  assert sheet.shape == (4 * SIDE, 16 * SIDE, 3)
  _, header = weights.read(whole / 'encoder.safetensors')
  assert header['card']['steps'] == 6
  assert header['card']['photos'] == 5
  assert header['card']['psnr'] == lines[-1]['psnr']


def test_a_run_that_dies_goes_on_bit_equally(learn, whole, tmp_path, monkeypatch):
  step = trainer.step

  class KilledError(Exception):
    pass

  def dying(plan, mesh, shared, state, photos):
    if int(state.step) == 5:
      raise KilledError
    return step(plan, mesh, shared, state, photos)

  monkeypatch.setattr(trainer, 'step', dying)
  with pytest.raises(KilledError):
    main.run(learn(tmp_path / 'out'))
  monkeypatch.setattr(trainer, 'step', step)
  assert main.run(learn(tmp_path / 'out')) == 0
  assert measured(tmp_path / 'out') == measured(whole)
  files = [path / 'encoder.safetensors' for path in (tmp_path / 'out', whole)]
  assert files[0].read_bytes() == files[1].read_bytes()


def test_it_begins_with_a_given_encoder(learn, generator, whole, tmp_path):
  given = whole / 'encoder.safetensors'
  networks = weights.load(generator)
  found = encoder._given(learn(tmp_path, f'--init_from={given}'), networks)
  state = plan.init(encoder._plan(learn(tmp_path), networks, found), found)
  tensors, _ = weights.read(given)
  np.testing.assert_array_equal(state.params['base']['bias'], tensors['base.bias'])
  np.testing.assert_array_equal(state.ema['stem']['kernel'], tensors['stem.kernel'])


def test_no_photos_are_needed(generator, tmp_path):
  own = config(*SMALL, f'--weights={generator}', f'--output={tmp_path}')
  settings = encoder._plan(own, weights.load(generator), None)
  assert (settings.photos, settings.samples, settings.rendered) == (0, 8, 4)
  batches = encoder._batches(
    own, weights.load(generator), settings, encoder._mesh(settings), None, None
  )
  assert next(batches).shape == (0, SIDE, SIDE, 3)


def test_what_makes_no_sense_is_refused(learn, generator, whole, tmp_path, folder):
  with pytest.raises(ConfigError, match='--num_steps=0: --task=train_encoder needs 1 or more'):
    learn(tmp_path, '--num_steps=0')
  with pytest.raises(ConfigError, match=r'--compared=1.0: leaves no samples'):
    main.run(learn(tmp_path / 'a', '--compared=1'))
  with pytest.raises(ConfigError, match=r'--compared=0.0: leaves no photo'):
    main.run(learn(tmp_path / 'e', '--compared=0'))
  with pytest.raises(weights.WeightsError, match='holds stylegan2 weights where encoder is needed'):
    main.run(learn(tmp_path / 'b', f'--init_from={generator}'))
  given = f'--init={whole / "encoder.safetensors"}'
  with pytest.raises(weights.WeightsError, match='is the encoder of other weights'):
    main.run(config('--task=invert', f'--input={folder}', given, f'--output={tmp_path / "c"}'))


@pytest.fixture(scope='module')
def invert(generator, folder, whole):
  def run(output, *more):
    given = [f'--weights={generator}', f'--input={folder}', '--align=never', '--save_every=0']
    return main.run(config(*given, f'--output={output}', *more))

  return run


def test_its_answer_takes_no_step(invert, whole, tmp_path):
  init = f'--init={whole / "encoder.safetensors"}'
  assert invert(tmp_path / 'one', '--task=invert', '--num_steps=0', init) == 0
  lines = results(tmp_path / 'one')
  assert len(lines) == 5
  assert all(line['num_steps'] == 0 and line['loss'] is None for line in lines)
  assert (tmp_path / 'one' / 'report.html').is_file()
  bulk = ['--task=bulk', '--num_steps=0', '--batch_size=4', init]
  assert invert(tmp_path / 'many', *bulk, '--dry_run') == 0
  assert invert(tmp_path / 'many', *bulk) == 0
  for line, other in zip(lines, results(tmp_path / 'many'), strict=True):
    kept = data.decode(tmp_path / 'many' / other['files']['restored'])
    ours = data.decode(tmp_path / 'one' / 'restored' / f'{line["name"]}.png')
    assert np.max(np.abs(kept.astype(int) - ours)) <= 1


def test_restarts_begin_at_what_it_takes_for_possible(invert, whole, tmp_path):
  init = f'--init={whole / "encoder.safetensors"}'
  assert invert(tmp_path, '--task=invert', '--num_steps=2', '--restarts=2', init) == 0
  assert all(len(set(line['losses'])) == 2 for line in results(tmp_path))
  with pytest.raises(data.StoreError, match='--encoder_sha256'):
    invert(tmp_path, '--task=invert', '--num_steps=2', '--restarts=2')


@pytest.mark.parametrize(
  ('more', 'reason'),
  [
    (['--task=invert'], 'is the answer of an encoder, and this run has none'),
    (['--task=bulk'], 'is the answer of an encoder, and this run has none'),
    (['--task=evaluate', '--tasks=invert'], 'is the answer of an encoder, and this run has none'),
    (['--task=evaluate', '--tasks=invert', '--init=average'], 'this run has none'),
    (['--task=invert', '--space=w', 'init'], 'lies in W\\+, which --preset=projector --space=w'),
    (['--task=invert', '--preset=pivotal', 'init'], 'lies in W\\+'),
    (['--task=invert', '--restarts=2', 'init'], 'leave out --restarts'),
    (['--task=sweep', '--degradation=blur()', '--sweep=fidelity=0,1'], 'a sweep varies the search'),
    (['--task=deep_prior'], '--task=deep_prior needs 1 or more'),
  ],
)
def test_no_step_needs_an_encoder(invert, whole, tmp_path, more, reason):
  init = f'--init={whole / "encoder.safetensors"}'
  flags = [init if flag == 'init' else flag for flag in more]
  with pytest.raises(ConfigError, match=f'--num_steps=0: .*{reason}'):
    invert(tmp_path, '--num_steps=0', *flags)
