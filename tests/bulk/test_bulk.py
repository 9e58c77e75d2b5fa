"""Whole bulk runs in this process: what comes out, and what goes wrong."""

import json
import os
import pathlib
import signal

import numpy as np
import pytest
import tensorflow_datasets as tfds
from pictures import bad_files, file_of, noise, png_header
from PIL import Image

import ganjax
from ganjax import data, inversion, weights
from ganjax.bulk import finalize, output
from ganjax.bulk.status import Status
from ganjax.inversion import batch, continuous
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import completed
from ganjax.restoration.degrade import drawn
from ganjax.runtime.cluster import Shard
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.tasks.report import ReportConfig

ASTRONAUT = 'scripts/demo/astronaut.png'
GOOD = [i for i in range(13) if i not in (4, 9)]
# OpenCV would only be faster.
pytestmark = pytest.mark.filterwarnings('ignore:.*OpenCV.*')


def parts(folder):
  """The bytes of all parts and lines, by name."""
  paths = [*folder.glob('ganjax-train*'), *folder.glob('blocks/*')]
  return {path.name: path.read_bytes() for path in paths}


def test_a_data_set_is_read_back_exactly_as_it_was_made(configure, tmp_path):
  config = configure('--save_noise', '--export=npz,png', '--degradation=identity()')
  assert main.run(config) == 2
  folder = tmp_path / 'out'
  source = tfds.builder_from_directory(folder).as_data_source()['train']
  assert [example['name'].decode() for example in source] == [str(i) for i in GOOD]
  networks = weights.load(config.weights)
  prior = inversion.make_prior(networks)
  problems = [
    inversion.make_problem(
      prior,
      to_float(noise(16, i)),
      ganjax.parse_degradation('identity()'),
      str(i),
      0,
      config.hyper(),
    )
    for i in GOOD[:4]
  ]
  expected = batch.run(
    prior, inversion.stages_of(config.chosen_preset()), inversion.stack(problems), None, 4
  )
  lines = [json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines()]
  assert len(lines) == len(source) == 11
  for i, (example, line) in enumerate(zip(source, lines, strict=True)):
    assert example['source'].decode() == line['source'] == f'{config.input}/{GOOD[i]}.png'
    assert example['index'] == line['index'] == GOOD[i]
    assert example['metrics']['psnr'] == pytest.approx(line['metrics']['psnr'], abs=1e-4)
    assert example['num_steps'] == 4
    assert len(example['config_hash']) == 64
    saved = np.load(folder / 'npz' / f'{GOOD[i]}.npz')
    np.testing.assert_array_equal(saved['latent'], example['latent'])
    np.testing.assert_array_equal(data.decode(folder / 'png' / f'{GOOD[i]}.png'), example['image'])
    if i < 4:
      np.testing.assert_array_equal(example['latent'], expected.latent[i])
      np.testing.assert_array_equal(example['image'], to_bytes(expected.image[i]))
      for name, maps in expected.noise.items():
        np.testing.assert_array_equal(example['noise'][name], maps[i])
        np.testing.assert_array_equal(saved[f'noise.{name}'], maps[i])
  for pattern in (folder, folder / 'npz'):  # what the latent tasks take
    found = data.find_latents(str(pattern))
    data.check_latents(found, (6, 8), networks.sha256)
    assert [latent.name for latent in found] == [str(i) for i in GOOD]
    for latent, example in zip(found, source, strict=True):
      np.testing.assert_array_equal(latent.latent, example['latent'])
      np.testing.assert_array_equal(latent.noise['b8.conv0'], example['noise']['b8.conv0'])


def test_what_pictures_show_is_put_back(configure, tmp_path):
  spec = 'mask(missing=0.5) | grayscale'
  assert (
    main.run(
      configure(f'--degradation={spec}', '--degrade_first', '--export=npz,png', '--previews=1')
    )
    == 2
  )
  folder = tmp_path / 'out'
  examples = tfds.builder_from_directory(folder).as_data_source()['train']
  lines = [json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines()]
  for i, example, line in zip(GOOD[:3], examples, lines[:3], strict=False):
    degradation, key = drawn(ganjax.parse_degradation(spec), str(i), 0)
    target = degradation.true(to_float(noise(16, i)), key)
    whole = completed(degradation, target, example['image'])
    np.testing.assert_allclose(example['completed'].astype(int), whole, atol=1)
    np.testing.assert_array_equal(data.decode(folder / 'png' / f'{i}.png'), example['completed'])
    for name in ('psnr_completed', 'ssim_completed'):
      assert example['metrics'][name] == pytest.approx(line['metrics'][name], abs=1e-4)
    assert example['metrics']['psnr_completed'] > example['metrics']['psnr']
    assert not {'image', 'completed'} & set(np.load(folder / 'npz' / f'{i}.npz').files)
  shown = data.decode(folder / lines[0]['files']['completed'])
  np.testing.assert_array_equal(shown, examples[0]['completed'])


def test_what_is_done_is_not_done_again(configure, tmp_path, capsys):
  assert main.run(configure()) == 2
  before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').glob('*00*')}
  assert 'complete' in capsys.readouterr().out
  assert main.run(configure('--overwrite', '--batch_size=8', '--threads=1')) == 2
  assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').glob('*00*')} == before


def test_every_bad_file_is_one_failure_and_does_no_harm(configure, tmp_path):
  folder = tmp_path / 'bad'
  folder.mkdir()
  for name, content in bad_files().items():
    (folder / name).write_bytes(content)
  faceless = Image.fromarray(noise(64))
  faceless.save(folder / 'faceless.png')
  (folder / 'gone.png').symlink_to(folder / 'nowhere.png')
  (folder / 'circle.png').symlink_to(folder / 'circle.png')
  os.mkfifo(folder / 'pipe.png')
  (folder / 'huge.png').touch()
  os.truncate(folder / 'huge.png', 2**33)
  (folder / 'too_many_pixels.png').write_bytes(png_header(100_000, 100_000))
  bad = sorted(path.name for path in folder.iterdir())
  assert len(bad) >= 40
  photo = Image.open(ASTRONAUT).convert('RGB')
  photo.save(folder / 'good.png')
  both = Image.new('RGB', (2 * photo.width, photo.height))
  both.paste(photo, (0, 0))
  both.paste(photo, (photo.width, 0))
  both.save(folder / 'two\nfaces.png')
  config = configure(f'--input={folder}', '--align=auto')
  assert main.run(config) == len(bad)
  _, results, failures = data.read_results(config.output)
  assert sorted(pathlib.Path(failure['source']).name for failure in failures) == bad
  assert all(failure['reason'] and '\n' not in failure['reason'] for failure in failures)
  names = {result['name'] for result in results}
  assert 'good' in names
  assert sum(name.endswith(('_0', '_1')) for name in names) == 2
  assert len(finalize.read(pathlib.Path(config.output))) == 3


@pytest.mark.parametrize('degradation', ['identity()', 'noise(sigma=0.1)'])
def test_transparent_parts_are_holes_as_in_other_tasks(
  configure, tmp_path, weights_file, degradation
):
  """Among photos that have none, in one batch."""
  folder = tmp_path / 'mixed'
  folder.mkdir()
  alpha = np.full((16, 16), 255, np.uint8)
  alpha[:6, :5] = 0
  # Four of each: a batch of both tasks, so that one program serves both.
  for i in range(8):
    photo = noise(16, i)
    Image.fromarray(np.dstack([photo, alpha]) if i % 2 else photo).save(folder / f'{i}.png')
  flags = f'--input={folder}', f'--degradation={degradation}', '--export=pasted'
  assert main.run(configure(*flags)) == 0
  examples = finalize.read(tmp_path / 'out')
  found = ganjax.restore_photos(
    folder,
    degradation,
    weights.load(weights_file),
    task='invert',
    align='never',
    num_steps=4,
    batch_size=8,
  )
  for photo, example in zip(found, examples, strict=True):
    (face,) = photo.faces
    np.testing.assert_allclose(face.restoration.latent, example['latent'], atol=1e-4)
    pasted = data.decode(tmp_path / f'out/pasted/{photo.name}.png').astype(int)
    np.testing.assert_allclose(pasted, photo.image, atol=1)
  opaque, holed = (data.read_results(tmp_path / 'out')[1][i] for i in (0, 1))
  assert 'hidden' not in opaque
  assert holed['hidden'] == pytest.approx(30 / 256, abs=1e-3)


def test_faces_are_called_as_in_all_tasks_and_no_file_hides_another(
  configure, tmp_path, weights_file
):
  folder = tmp_path / 'several'
  folder.mkdir()
  photo = data.decode(ASTRONAUT)
  Image.fromarray(np.concatenate([photo, photo], axis=1)).save(folder / 'x.png')
  Image.fromarray(photo).save(folder / 'x_1.png')
  spec = 'mask(missing=0.5) | grayscale'
  config = configure(
    f'--input={folder}',
    '--align=auto',
    f'--degradation={spec}',
    '--degrade_first',
    '--export=npz,png,pasted',
  )
  assert main.run(config) == 0
  examples = finalize.read(tmp_path / 'out')
  assert [example['name'] for example in examples] == [b'x_0', b'x_1', b'x_1']
  (several,) = ganjax.restore_photos(
    folder / 'x.png',
    spec,
    weights.load(weights_file),
    task='invert',
    degrade_first=True,
    num_steps=4,
    batch_size=4,
  )
  assert [face.name for face in several.faces] == ['x_0', 'x_1']
  for face, example in zip(several.faces, examples, strict=False):  # one name, one random key
    np.testing.assert_allclose(face.restoration.latent, example['latent'], atol=1e-4)
  pasted = data.decode(tmp_path / 'out/pasted/x.png')
  difference = np.abs(pasted.astype(int) - several.image).max(axis=2)
  assert np.mean(difference > 2) < 1e-4  # pasted alike, holes drawn alike
  names = [result['name'] for result in data.read_results(tmp_path / 'out')[1]]
  assert names[:2] == ['x_0', 'x_1']
  assert names[2].startswith('x_1-')
  for kind in ('npz', 'png'):
    written = {path.name for path in (tmp_path / 'out' / kind).iterdir()}
    assert written == {f'{name}.{kind}' for name in names}
  shown = data.decode(tmp_path / 'out/png' / f'{names[2]}.png')
  np.testing.assert_array_equal(shown, examples[2]['completed'])
  assert [latent.name for latent in data.find_latents(str(tmp_path / 'out'))] == names


def test_failures_are_tried_again_when_asked(configure, tmp_path, photos):
  assert main.run(configure()) == 2
  (photos / '4.png').write_bytes(file_of(Image.fromarray(noise(16, 4))))
  assert main.run(configure()) == 2
  before = parts(tmp_path / 'out')
  assert main.run(configure('--retry_failures')) == 1
  after = parts(tmp_path / 'out')
  assert {name for name in after if after[name] != before[name]} == {
    'ganjax-train.array_record-00000-of-00003',
    '00000-of-00003.jsonl',
  }
  assert len(finalize.read(tmp_path / 'out')) == 12


def test_another_configuration_is_refused_or_replaced(configure, tmp_path):
  main.run(configure())
  (tmp_path / 'out' / 'mine.txt').write_text('mine')
  before = parts(tmp_path / 'out')
  with pytest.raises(data.StoreError, match='--num_steps'):
    main.run(configure('--num_steps=3'))
  assert parts(tmp_path / 'out') == before
  with (
    output.shard_lock(tmp_path / 'out', Shard(1, 2)),
    pytest.raises(data.StoreError, match='another run is at work'),
  ):
    main.run(configure('--num_steps=3', '--overwrite', '--shard_index=0', '--shard_count=2'))
  assert parts(tmp_path / 'out') == before
  assert main.run(configure('--block_size=7', '--overwrite')) == 2
  assert len(parts(tmp_path / 'out')) == 4
  assert (tmp_path / 'out' / 'mine.txt').read_text() == 'mine'


def test_folders_of_other_people_are_left_alone(configure, tmp_path):
  (tmp_path / 'out' / 'blocks').mkdir(parents=True)
  with pytest.raises(data.StoreError, match='not written by ganjax'):
    main.run(configure())


def test_the_number_of_shards_may_change(configure, tmp_path, capsys):
  main.run(configure(output='whole'))
  main.run(configure('--shard_index=1', '--shard_count=2'))
  assert '2 of 3 blocks are not done' in capsys.readouterr().out
  with pytest.raises(finalize.IncompleteError, match='2 of 3 blocks'):
    main.run(configure('--finalize'))
  config = ReportConfig(task='report', input=str(tmp_path / 'out'))
  assert main.run(config) == 0  # at any time
  page = (tmp_path / 'out' / 'report.html').read_text()
  assert '4 faces restored' in page
  assert main.run(configure()) == 2
  assert parts(tmp_path / 'out') == parts(tmp_path / 'whole')
  assert main.run(configure('--finalize', '--input=')) == 2


def test_a_stop_keeps_what_is_finished(configure, tmp_path, monkeypatch):
  main.run(configure('--block_size=3', output='whole'))
  chunks = []
  show = Status.show

  def stop(self):
    show(self)
    chunks.append(self._tally.faces)
    if len(chunks) == 1:
      os.kill(os.getpid(), signal.SIGTERM)

  handler = signal.getsignal(signal.SIGTERM)
  monkeypatch.setattr(Status, 'show', stop)
  with pytest.raises(KeyboardInterrupt):
    main.run(configure('--block_size=3'))
  assert signal.getsignal(signal.SIGTERM) is handler
  assert chunks[-1] == 4
  status = json.loads((tmp_path / 'out/status/00000-of-00001.json').read_text())
  assert status['state'] == 'interrupted'
  assert len((tmp_path / 'out/results.jsonl').read_text().splitlines()) == 3  # of whole blocks
  chunks.clear()
  monkeypatch.setattr(Status, 'show', lambda self: (show(self), chunks.append(self._tally.faces)))
  assert main.run(configure('--block_size=3')) == 2
  assert chunks[-1] == 7  # 11 faces less those 4
  assert parts(tmp_path / 'out') == parts(tmp_path / 'whole')
  status = json.loads((tmp_path / 'out/status/00000-of-00001.json').read_text())
  assert status['state'] == 'complete'
  assert status['done'] == status['pictures'] == 13


def test_a_stop_keeps_how_far_the_others_are(configure, tmp_path, monkeypatch):
  monkeypatch.setattr(inversion, 'even_chunk', lambda preset, num_steps: 2)
  main.run(configure(output='whole'))
  with monkeypatch.context() as patch:
    patch.setattr(Status, 'show', lambda self: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
      main.run(configure())
  paused = sorted((tmp_path / 'out/.ganjax/partial').glob('*.npz'))
  assert [path.name for path in paused] == ['0-0.npz', '1-0.npz', '2-0.npz', '3-0.npz']
  paused[1].write_bytes(b'damaged')
  begun = []
  start = continuous._start
  monkeypatch.setattr(continuous, '_start', lambda *given: begun.append(given) or start(*given))
  assert main.run(configure()) == 2
  assert len(begun) == 11 - 3
  assert parts(tmp_path / 'out') == parts(tmp_path / 'whole')
  assert list((tmp_path / 'out/.ganjax/partial').glob('*')) == []


def test_a_picture_that_vanishes_is_one_failure(configure, photos, tmp_path):
  main.run(configure('--shard_index=0', '--shard_count=3'))
  (photos / '12.png').unlink()
  assert main.run(configure()) == 3
  failures = data.read_results(tmp_path / 'out')[2]
  assert 'cannot be read' in {failure['name']: failure['reason'] for failure in failures}['12']


def test_images_need_not_be_kept(configure, tmp_path):
  config = configure('--nosave_image', '--previews=0')
  assert main.run(config) == 2
  assert 'image' not in finalize.read(tmp_path / 'out')[0]
  assert not (tmp_path / 'out' / 'restored').exists()
  with pytest.raises(data.StoreError, match='--nosave_image'):
    main.run(configure('--nosave_image', '--previews=0', '--finalize', '--export=png'))


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--input='], '--input is missing'),
    (['--shard_index=2', '--shard_count=2'], 'less than --shard_count'),
    (['--restarts=2'], '--restarts'),
    (['--preset=pivotal'], '--preset'),
    (['--latent_dist_reg_weight=auto'], '--latent_dist_reg_weight'),
    (['--degradation=blur(variance=?)', '--already_degraded'], '--degradation'),
    (['--export=gif'], '--export: gif is none of npz, png, pasted'),
    (['--engine=ray', '--batch_size=auto'], '--dry_run'),
    (['--engine=ray', '--shard_count=2'], '--engine=ray'),
    (['--task=invert', '--batch_size=auto'], 'only --task=bulk'),
  ],
)
def test_flags_that_make_no_sense(configure, flags, message):
  with pytest.raises(ConfigError, match=message):
    configure(*flags)


@pytest.mark.parametrize('flag', ['--weights=none.safetensors', '--perceptual=none.safetensors'])
def test_weights_are_looked_at_before_anything_is_written(configure, tmp_path, flag):
  with pytest.raises(weights.WeightsError, match='no such weights file'):
    main.run(configure(flag))
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_dry_run_tells_and_writes_nothing(configure, tmp_path, capsys):
  main.run(configure('--dry_run', '--batch_size=auto', '--shard_index=1', '--shard_count=2'))
  said = capsys.readouterr().out
  for part in (
    'plan: 13 pictures in 3 blocks of 5; 0 blocks are done',
    'shard 1 of 2: 1 blocks to do, 5 pictures, 4 steps each',
    'memory: a batch of 16 needs',
    'ms per step of the batch',
    'expected: ',
  ):
    assert part in said
  assert not (tmp_path / 'out').exists()
