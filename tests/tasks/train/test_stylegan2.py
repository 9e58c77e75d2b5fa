"""Training a generator from the command line: files, exact resume, what is refused."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest
from command_line import config
from PIL import Image
from processes import together

import ports.inception
from ganjax import data, weights
from ganjax.runtime import devices
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.training import log
from ganjax.training.stylegan2 import trainer, training_plan
from ganjax.weights.parameters import tensors_of

ROOT = pathlib.Path(__file__).resolve().parents[3]
INCEPTION = ROOT / 'tests' / 'ports' / 'inception_narrow.pth'
# The plan of tests/training/stylegan2/test_trainer.py, so that one compilation serves both.
PLAN = [
  *('--side=8', '--channel_base=32', '--channel_max=6', '--z_dim=5', '--mapping_layers=2'),
  *('--batch_size=16', '--r1_gamma=0.5', '--r1_interval=2', '--path_interval=2', '--ema_kimg=10'),
  *('--ada_kimg=1', '--seed=3'),
]
RUN = [
  *('--task=train_generator', '--num_steps=4', '--log_every=1', '--checkpoint_every=2'),
  *('--evaluate_every=0.064', '--frechet_pictures=0', '--threads=2', '--terms=for tests'),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Six small pictures in two folders, the last of them broken."""
  made = tmp_path_factory.mktemp('pictures')
  rng = np.random.default_rng(0)
  for index in range(6):
    place = made / f'class{index % 2}'
    place.mkdir(exist_ok=True)
    pixels = rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(place / f'{index}.png')
  (made / 'class1' / 'broken.png').write_bytes(b'no picture')
  return made


@pytest.fixture(scope='module')
def whole(folder, tmp_path_factory):
  output = tmp_path_factory.mktemp('whole') / 'out'
  failures = main.run(config(*RUN, *PLAN, f'--input={folder}', f'--output={output}'))
  assert failures == 1  # the broken picture
  return output


def measured(output):
  """What each step measured, less the time it took."""
  lines = log.read(output / 'training')
  return [{k: v for k, v in line.items() if k != 'pictures_per_second'} for line in lines]


@pytest.mark.slow
class TestRun:
  def test_what_it_writes(self, whole):
    networks = weights.load(whole / 'generator.safetensors')
    assert networks.resolution == 8
    assert networks.discriminator is not None
    card = weights.read(whole / 'generator.safetensors')[1]['card']
    assert card['kimg'] == 0.064
    assert card['terms'] == 'for tests'
    assert card['settings']['augmentation'] == 'ada'
    samples = np.asarray(Image.open(whole / 'samples' / 'samples-00000004.png'))
    assert samples.shape == (4 * 8, 8 * 8, 3)
    assert (whole / 'curves' / 'sign_real.png').exists()
    assert len(measured(whole)) == 4
    assert [bool(line.get('r1')) for line in measured(whole)] == [True, False] * 2

  def test_an_interrupted_run_ends_as_an_uninterrupted_one(self, folder, whole, tmp_path):
    for count in (2, 4):
      more = (f'--input={folder}', f'--output={tmp_path}', f'--num_steps={count}')
      main.run(config(*RUN, *PLAN, *more))
    name = 'generator.safetensors'
    assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    assert measured(tmp_path) == measured(whole)

  def test_two_processes_work_as_one(self, folder, whole, tmp_path):
    # In so few steps nothing is augmented: the probability is 0.
    settings = [*RUN, *PLAN, '--augmentation=none', f'--input={folder}', f'--output={tmp_path}']
    with together(settings) as processes:
      said = [process.communicate(timeout=600)[1] for process in processes]
    # The picture that cannot be read is the first process's to tell of.
    assert [process.returncode for process in processes] == [1, 0], said
    for mine, alone in zip(measured(tmp_path), measured(whole), strict=True):
      assert mine == pytest.approx(alone, rel=1e-3)
    ours, theirs = (weights.read(o / 'generator.safetensors')[0] for o in (tmp_path, whole))
    for name, value in theirs.items():
      np.testing.assert_allclose(ours[name], value, atol=1e-3, err_msg=name)

  def test_it_begins_with_given_weights(self, folder, whole, tmp_path, monkeypatch):
    given, step, begun = whole / 'generator.safetensors', trainer.step, []

    def noted(plan, mesh, state, batch, number):
      begun.append((plan, jax.device_get(state)))
      # But for the average's start the plan is that of `whole`: nothing is compiled anew.
      return step(dataclasses.replace(plan, ema_ramp_up=0.05), mesh, state, batch, number)

    monkeypatch.setattr(trainer, 'step', noted)
    more = (f'--input={folder}', f'--output={tmp_path}', f'--init_from={given}', '--num_steps=1')
    main.run(config(*RUN, *PLAN, *more))
    ((plan, state),) = begun
    assert plan.ema_ramp_up is None  # given weights are worth remembering
    networks = zip(('generator', 'discriminator'), training_plan.networks(plan, state), strict=True)
    first, expected = tensors_of(dict(networks)), weights.read(given)[0]
    assert first.keys() == expected.keys()
    for name, value in expected.items():
      np.testing.assert_array_equal(first[name], value, err_msg=name)
    jax.tree.map(np.testing.assert_array_equal, state.generator, state.ema)
    card = weights.read(tmp_path / 'generator.safetensors')[1]['card']
    assert card['init_sha256'] == weights.load(given).sha256

  def test_the_best_by_inception_are_kept(self, folder, whole, tmp_path):
    inception = tmp_path / 'inception.safetensors'
    weights.save(inception, *ports.inception.port(INCEPTION))
    output = tmp_path / 'out'
    more = [f'--input={folder}', f'--output={output}', f'--inception={inception}']
    main.run(config(*RUN, *PLAN, *more, '--frechet_pictures=4', '--num_steps=4'))
    (distance,) = [d for line in measured(output) if (d := line.get('frechet_inception'))]
    assert 0 < distance < 1e4
    for name in ('generator', 'best'):
      card = weights.read(output / f'{name}.safetensors')[1]['card']
      assert card['frechet_inception'] == distance
    assert (output / 'curves' / 'frechet_inception.png').exists()

  def test_classes(self, folder, tmp_path):
    more = [f'--input={folder}', f'--output={tmp_path}', '--class_conditional', '--num_steps=1']
    main.run(config(*RUN, *PLAN, *more, '--augmentation=none', '--path_weight=0'))
    generator = weights.load(tmp_path / 'generator.safetensors').generator
    assert generator.config.c_dim == 2
    (line,) = measured(tmp_path)
    assert 'path' not in line
    assert line['probability'] == 0


@pytest.mark.parametrize(
  ('wrong', 'message'),
  [
    (['--input='], '--input is missing'),
    (['--side=12'], 'a power of two'),
    (['--init_from=default', '--side=64'], 'makes pictures of 128 px'),
    (['--batch_size=6'], 'must be a multiple of 16'),
    (['--frechet_pictures=1'], 'give 2 or more'),
    (['--init_from=default', '--class_conditional'], '0 classes'),
  ],
)
def test_what_is_refused(folder, tmp_path, wrong, message, monkeypatch):
  monkeypatch.setattr(devices, 'devices_for', lambda count: jax.devices())  # as of accelerators
  start = [*RUN, f'--input={folder}', f'--output={tmp_path}']
  if not any(flag.startswith('--init_from') for flag in wrong):
    start.append('--side=8')
  with pytest.raises(ConfigError, match=message):
    main.run(config(*start, *wrong))


def test_one_folder_is_no_class(folder, tmp_path):
  more = [f'--input={folder / "class0"}', f'--output={tmp_path}', '--side=8']
  with pytest.raises(data.SourceError, match='one per class'):
    main.run(config(*RUN, *more, '--class_conditional'))
