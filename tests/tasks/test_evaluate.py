"""A small evaluation with a tiny network."""

import csv
import json

import pytest
import tiny
from absl import flags

from ganjax.degradations import levels
from ganjax.tasks import evaluate, main
from ganjax.tasks.config import ConfigError

ASTRONAUT = 'scripts/demo/astronaut.png'


@pytest.fixture(scope='module')
def weights_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return str(path)


def config(*more):
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(['ganjax', '--task=evaluate', f'--input={ASTRONAUT}', '--num_steps=3', *more])
  return main.from_flags()


def test_every_task_level_and_method_has_a_line(tmp_path, weights_file, capsys):
  settings = config(
    f'--weights={weights_file}',
    f'--output={tmp_path}',
    '--tasks=invert,super_resolve+inpaint',
    '--levels=S',
    '--methods=ganjax,robust',
  )
  assert main.run(settings) == 0
  lines = list(csv.DictReader((tmp_path / 'table.csv').read_text().splitlines()))
  assert [(line['task'], line['level'], line['method']) for line in lines] == [
    ('invert', 'S', 'ganjax'),
    ('invert', 'S', 'robust'),
    ('super_resolve+inpaint', 'M', 'degraded'),
    ('super_resolve+inpaint', 'M', 'ganjax'),
    ('super_resolve+inpaint', 'M', 'robust'),
  ]
  for line in lines:
    for column in ('psnr', 'ssim', 'perceptual'):
      assert float(line[column]) > -100, column
  assert (tmp_path / 'table.md').read_text() in capsys.readouterr().out
  composed = tmp_path / 'super_resolve+inpaint-M-robust/config.json'
  damage = json.loads(composed.read_text())['config']['degradation']
  assert damage == levels.COMPOSED['super_resolve+inpaint']


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
