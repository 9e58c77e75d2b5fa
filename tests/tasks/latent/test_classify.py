"""Training a classifier from a folder and asking it, from end to end."""

import csv
import functools
import json

import numpy as np
import pytest
from absl import flags

from ganjax import data, weights
from ganjax.models.classifier import ClassifierConfig
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.tasks.latent import classify


def config(*arguments):
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(['ganjax', *arguments])
  return main.from_flags()


def write(path, level):
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = np.random.default_rng(level).integers(level, level + 90, (24, 24, 3)).astype(np.uint8)
  path.write_bytes(data.encode_png(pixels))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """The folder of a run over dark and light pictures, one of them broken."""
  folder = tmp_path_factory.mktemp('classes')
  for i in range(14):
    write(folder / f'in/dark/{i}.png', i)
    write(folder / f'in/light/{i}.png', 150 + i)
  (folder / 'in/light/broken.png').write_bytes(b'no picture')
  small = functools.partial(ClassifierConfig, side=16, widths=(8,))
  flags_ = ('--align=never', '--num_steps=30', '--learning_rate=0.02', '--target_class=dark')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(classify, 'ClassifierConfig', small)
    made = config(
      '--task=train_classifier', f'--input={folder / "in"}', f'--output={folder / "out"}', *flags_
    )
    assert main.run(made) == 1  # the broken one
  return folder


def test_a_folder_of_class_folders_makes_a_classifier(trained):
  attribute = weights.load_classifier(trained / 'out/classifier.safetensors')
  assert (attribute.classes, attribute.target) == (('dark', 'light'), 'dark')
  figures = json.loads((trained / 'out/accuracy.json').read_text())
  assert figures['balanced_accuracy'] == 1.0
  assert sum(figures['pictures'].values()) == 28
  assert figures['recall_95']['dark'][0] < 0.7  # two pictures prove little
  assert 'broken.png' in (trained / 'out/failures.jsonl').read_text()


def test_a_classifier_answers(trained, tmp_path):
  chosen = f'--classifier={trained / "out/classifier.safetensors"}'
  pictures = f'--input={trained / "in/dark"}'
  assert (
    main.run(config('--task=classify', chosen, pictures, f'--output={tmp_path}', '--align=never'))
    == 0
  )
  with open(tmp_path / 'classes.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['class'] for row in rows] == ['dark'] * 14
  assert float(rows[0]['dark']) == float(rows[0]['probability']) > 0.5
  assert data.decode(tmp_path / 'grid.png').size
  assert '<strong>dark</strong>' in (tmp_path / 'report.html').read_text()


def test_a_class_that_is_not_there_is_refused(trained, tmp_path):
  wrong = config(
    '--task=train_classifier',
    f'--input={trained / "in"}',
    f'--output={tmp_path / "out"}',
    '--target_class=grey',
  )
  with pytest.raises(ConfigError, match='the classes are dark, light'):
    main.run(wrong)
  assert not (tmp_path / 'out').exists()
