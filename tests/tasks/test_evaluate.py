"""A small evaluation with a tiny network."""

import csv
import json

import command_line
import pytest
import tiny

from ganjax.tasks import evaluate, levels, main
from ganjax.tasks.config import ConfigError
from ganjax.weights import WeightsError

ASTRONAUT = 'scripts/demo/astronaut.png'


@pytest.fixture(scope='module')
def weights_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return str(path)


@pytest.fixture(scope='module')
def encoder_file(tmp_path_factory, weights_file):
  path = tmp_path_factory.mktemp('encoder') / 'encoder.safetensors'
  tiny.write_encoder(path, weights_file)
  return str(path)


def config(*more):
  return command_line.config('--task=evaluate', f'--input={ASTRONAUT}', '--num_steps=3', *more)


def test_every_task_level_and_method_has_a_line(
  tmp_path, weights_file, encoder_file, capsys, monkeypatch
):
  settings = config(
    f'--weights={weights_file}',
    f'--output={tmp_path}',
    '--tasks=invert,colorize,super_resolve+inpaint',
    '--levels=S',
    '--methods=ganjax,projector',
    # The answer of an encoder: the search of each of nine methods would be compiled.
    f'--init={encoder_file}',
    '--num_steps=0',
  )
  assert main.run(settings) == 0
  lines = list(csv.DictReader((tmp_path / 'table.csv').read_text().splitlines()))
  assert [(line['task'], line['level'], line['method']) for line in lines] == [
    ('invert', 'S', 'ganjax'),
    ('invert', 'S', 'projector'),
    ('colorize', 'S', 'degraded'),
    ('colorize', 'S', 'ganjax'),
    ('colorize', 'S', 'ganjax (completed)'),
    ('colorize', 'S', 'projector'),
    ('colorize', 'S', 'projector (completed)'),
    ('super_resolve+inpaint', 'M', 'degraded'),
    ('super_resolve+inpaint', 'M', 'ganjax'),
    ('super_resolve+inpaint', 'M', 'ganjax (completed)'),
    ('super_resolve+inpaint', 'M', 'projector'),
    ('super_resolve+inpaint', 'M', 'projector (completed)'),
  ]
  for line in lines:
    for column in ('psnr', 'ssim', 'perceptual', 'sharpness', 'score', 'score_truth'):
      assert float(line[column]) > -100, column
  assert len({line['score_truth'] for line in lines}) == 1
  pictures = list(csv.DictReader((tmp_path / 'pictures.csv').read_text().splitlines()))
  for picture, line in zip(pictures, lines, strict=True):  # of the only one, so means are its own
    assert picture['name'] == 'astronaut'
    shared = set(picture) - {'name'}
    assert {c: picture[c] for c in shared} == {c: line[c] for c in shared}
  by_method = {line['method']: line for line in lines if line['task'] == 'colorize'}
  for method in settings.methods:  # the input's luminance can only bring it nearer
    completed, restored = by_method[f'{method} (completed)'], by_method[method]
    assert float(completed['psnr']) > float(restored['psnr'])
    assert not completed['images_per_s']
  assert (tmp_path / 'table.md').read_text() in capsys.readouterr().out
  whole = (tmp_path / 'table.csv').read_text().splitlines(keepends=True)
  run = evaluate.restore.run

  def interrupted(one):
    if one.task == 'restore':
      raise KeyboardInterrupt
    return run(one)

  monkeypatch.setattr(evaluate.restore, 'run', interrupted)
  (tmp_path / 'table.csv').unlink()
  with pytest.raises(KeyboardInterrupt):
    main.run(settings)
  assert (tmp_path / 'table.csv').read_text() == ''.join(whole[:8])
  composed = tmp_path / 'super_resolve+inpaint-M-projector/config.json'
  damage = json.loads(composed.read_text())['config']['degradation']
  assert damage == levels.COMPOSED['super_resolve+inpaint']


def test_a_missing_file_is_told_before_the_work(tmp_path, weights_file):
  missing = tmp_path / 'inception.safetensors'
  settings = config(f'--weights={weights_file}', f'--output={tmp_path}', f'--inception={missing}')
  with pytest.raises(WeightsError, match=r'inception\.safetensors'):
    evaluate.run(settings)
  assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_deep_prior_sees_what_the_others_see(tmp_path):
  tiny.write(tmp_path / 'weights.safetensors', (8, 8, 8, 8))  # 32 px: no fewer for a deep prior
  settings = config(
    f'--weights={tmp_path / "weights.safetensors"}',
    f'--output={tmp_path / "out"}',
    '--tasks=denoise',
    '--levels=M',
    '--methods=projector,deep_prior',
    '--network=1-single',
  )
  output = tmp_path / 'out'
  assert main.run(settings) == 0
  names = [path.name for path in (output / 'faces' / 'aligned').iterdir()]
  assert names == ['astronaut.png']
  seen = [output / f'denoise-M-{method}/degraded/astronaut.png' for method in settings.methods]
  assert seen[0].read_bytes() == seen[1].read_bytes()
  lines = list(csv.DictReader((output / 'table.csv').read_text().splitlines()))
  methods = ['degraded', 'projector', 'projector (completed)', 'deep_prior']
  assert [line['method'] for line in lines] == methods
  assert all(float(line['identity']) > 0 for line in lines)


def test_a_level_is_the_damage_that_is_done():
  settings = config('--tasks=denoise', '--levels=S,L', '--methods=ganjax')
  for task, level, spec in evaluate._conditions(settings):
    one = evaluate._one(settings, task, level, spec, 'ganjax')
    assert one.degradation == levels.LEVELS['denoise'][level]


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--tasks=debluur', '--tasks: debluur is none of'),
    ('--levels=XXL', '--levels: XXL'),
    ('--methods=magic', '--methods: magic'),
    ('--degradation=blur()', '--degradation'),
    ('--already_degraded', '--already_degraded'),
  ],
)
def test_what_is_not_known_is_named(flag, message):
  with pytest.raises(ConfigError, match=message):
    config(flag)
