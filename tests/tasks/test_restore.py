"""Whole runs with a tiny network: files, failures, resuming, several faces."""

import dataclasses
import json
import pathlib

import command_line
import numpy as np
import pytest
import tiny
from PIL import Image

from ganjax import data, inversion, weights
from ganjax.errors import GanjaxError
from ganjax.inversion import selection
from ganjax.inversion.presets import PRESETS, Tuning
from ganjax.pixels import to_bytes
from ganjax.tasks import main
from ganjax.tasks.config import FacesConfig
from ganjax.tasks.generate import GenerateConfig
from ganjax.tasks.report import ReportConfig
from ganjax.tasks.restore_config import RestoreConfig

ASTRONAUT = 'scripts/demo/astronaut.png'


@pytest.fixture(scope='module')
def weights_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
  tiny.write(path)
  return str(path)


@pytest.fixture
def config(tmp_path, weights_file):
  return RestoreConfig(
    task='restore',
    input=ASTRONAUT,
    output=str(tmp_path / 'out'),
    weights=weights_file,
    perceptual='discriminator',
    degradation='mask(box=4:8:4:8)',
    assumed_degradation=None,
    degrade_first=True,
    restarts=1,
    space='w_plus',
    preset='projector',
    noise_maps='zero',
    num_steps=4,
    learning_rate=0.05,
    latent_dist_reg_weight=0.1,
    noise_reg_weight=1.0,
    pixel_weight=1.0,
    w_noise=0.05,
    seed=0,
    batch_size=2,
    precision='float32',
    align='auto',
    stop_when_settled=False,
    save_every=2,
    overwrite=False,
  )


def listed(output):
  lines = pathlib.Path(output, 'results.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def test_everything_is_written_and_the_latent_gives_the_picture_again(config):
  assert main.run(config) == 0
  (record,) = listed(config.output)
  assert record['name'] == 'astronaut'
  kinds = {'photo', 'aligned', 'degraded', 'restored', 'pasted', 'latent', 'curve', 'progress'}
  kinds |= {'completed', 'mask', 'outlined'}  # the degradation is a mask alone
  assert record['files'].keys() == kinds
  folder = config.output
  for path in [*record['files'].values(), 'grid.png', 'report.html', 'config.json']:
    assert (pathlib.Path(folder) / path).stat().st_size
  figures = {'psnr', 'ssim', 'psnr_degraded', 'ssim_degraded', 'fidelity'}
  assert record['metrics'].keys() == figures | {'psnr_completed', 'ssim_completed'}
  completed, degraded = (
    data.decode(f'{folder}/{record["files"][kind]}') for kind in ('completed', 'degraded')
  )
  np.testing.assert_array_equal(completed[0], degraded[0])  # far from the hole
  assert np.any(completed[4:8, 4:8] != degraded[4:8, 4:8])
  saved = np.load(f'{folder}/{record["files"]["latent"]}')
  networks = weights.load(config.weights)
  assert str(saved['weights_sha256']) == networks.sha256
  noise = {k.removeprefix('noise.'): saved[k] for k in saved.files if k.startswith('noise.')}
  image = networks.generator.synthesis(saved['latent'], noise)
  restored = data.decode(f'{folder}/restored/astronaut.png')
  assert np.abs(to_bytes(np.asarray(image)).astype(int) - restored).max() <= 1
  assert len(list(pathlib.Path(folder, 'progress/astronaut').iterdir())) == 2


def test_bad_pictures_cost_a_line_each_and_the_rest_goes_on(config, tmp_path):
  photo = data.decode(ASTRONAUT)
  folder = tmp_path / 'in'
  folder.mkdir()
  Image.fromarray(np.concatenate([photo, photo], axis=1)).save(folder / 'two.png')
  Image.new('RGB', (90, 90), 'navy').save(folder / 'faceless.jpg')
  (folder / 'broken.png').write_bytes(b'\x89PNG broken')
  config = dataclasses.replace(config, input=str(folder), save_every=0)
  assert main.run(config) == 2
  _, results, failures = data.read_results(config.output)
  assert [r['name'] for r in results] == ['two_0', 'two_1']
  reasons = {f['name']: f['reason'] for f in failures}
  assert 'shows no face' in reasons['faceless']
  assert reasons.keys() == {'faceless', 'broken'}
  # Again: what is done is left alone, what failed is tried again.
  before = (tmp_path / 'out/restored/two_0.png').stat().st_mtime_ns
  Image.fromarray(photo).save(folder / 'broken.png')
  assert main.run(config) == 1
  assert (tmp_path / 'out/restored/two_0.png').stat().st_mtime_ns == before
  assert [r['name'] for r in listed(config.output)] == ['two_0', 'two_1', 'broken']


def test_other_flags_need_another_folder_or_overwrite(config):
  main.run(config)
  other = dataclasses.replace(config, num_steps=2)
  with pytest.raises(data.StoreError, match='num_steps'):
    main.run(other)
  assert main.run(dataclasses.replace(other, overwrite=True)) == 0
  assert listed(config.output)[0]['num_steps'] == 2


@pytest.mark.parametrize(
  'degradation', ['downsample(factor=4)', 'mask(box=2:6:2:6)', 'jpeg(quality=20)']
)
def test_already_degraded_pictures_are_not_degraded_again(config, tmp_path, degradation):
  size = 4 if 'downsample' in degradation else 16
  picture = np.random.RandomState(0).randint(0, 256, (size, size, 3)).astype(np.uint8)
  path = tmp_path / 'small.png'
  Image.fromarray(picture).save(path)
  config = dataclasses.replace(
    config, input=str(path), degradation=degradation, degrade_first=False, align='never'
  )
  assert main.run(config) == 0
  (record,) = listed(config.output)
  assert record['metrics'].keys() == {'fidelity'}
  assert 'aligned' not in record['files']
  np.testing.assert_array_equal(data.decode(f'{config.output}/degraded/small.png'), picture)
  # A crop is its own photo.
  kind = 'completed' if 'completed' in record['files'] else 'restored'
  given_back, shown = (data.decode(f'{config.output}/{k}/small.png') for k in ('pasted', kind))
  assert given_back.shape == shown.shape
  away = np.s_[8:] if 'mask' in degradation else np.s_[:]  # in a hole its colours are matched
  assert np.abs(given_back.astype(int) - shown)[away].mean() < 4


def test_the_batch_a_picture_is_in_changes_nothing(config, tmp_path):
  photo = Image.open(ASTRONAUT).convert('RGB')
  folder = tmp_path / 'in'
  folder.mkdir()
  for name in 'abc':
    photo.save(folder / f'{name}.png')
  latents = []
  config = dataclasses.replace(config, input=str(folder), save_every=0)
  for size in (1, 2):
    output = str(tmp_path / f'out{size}')
    changed = dataclasses.replace(config, output=output, batch_size=size)
    assert main.run(changed) == 0
    latents.append(np.load(f'{output}/latents/b.npz')['latent'])
  np.testing.assert_allclose(latents[0], latents[1], atol=1e-4)


def test_bfloat16(config):
  assert main.run(dataclasses.replace(config, precision='bfloat16', num_steps=2)) == 0
  (record,) = listed(config.output)
  assert np.isfinite(record['loss'])


@pytest.mark.parametrize('degradation', ['identity()', 'downsample(factor=4)'])
def test_lpips_on_vgg16(config, tmp_path, degradation):
  tiny.write_vgg(tmp_path / 'vgg16.safetensors')
  changes = {'perceptual': str(tmp_path / 'vgg16.safetensors'), 'degradation': degradation}
  assert main.run(dataclasses.replace(config, num_steps=2, **changes)) == 0
  (record,) = listed(config.output)
  assert np.isfinite(record['loss'])


def test_weights_without_a_discriminator_need_vgg16(config, tmp_path):
  tensors, header = weights.read(config.weights)
  kept = {name: value for name, value in tensors.items() if name.startswith('generator')}
  weights.save(tmp_path / 'g.safetensors', kept, {**header, 'discriminator': None})
  with pytest.raises(weights.WeightsError, match='--perceptual'):
    main.run(dataclasses.replace(config, weights=str(tmp_path / 'g.safetensors')))


def test_two_faces_never_share_a_name(config, tmp_path):
  photo = data.decode(ASTRONAUT)
  folder = tmp_path / 'in'
  folder.mkdir()
  Image.fromarray(np.concatenate([photo, photo], axis=1)).save(folder / 'x.png')
  Image.fromarray(photo).save(folder / 'x_0.png')
  assert main.run(dataclasses.replace(config, input=str(folder), save_every=0)) == 1
  _, results, failures = data.read_results(config.output)
  assert [r['name'] for r in results] == ['x_0', 'x_1']
  assert 'rename this picture' in failures[0]['reason']


def test_align(config):
  read = FacesConfig(task='align', output=config.output, input=config.input, weights=config.weights)
  assert main.run(read) == 0
  assert data.decode(f'{config.output}/aligned/astronaut.png').shape == (16, 16, 3)


def test_generate(config):
  assert main.run(generate_config(config, config.output)) == 0
  assert [r['name'] for r in listed(config.output)] == ['seed0003', 'seed0004']
  assert data.decode(f'{config.output}/restored/seed0003.png').shape == (16, 16, 3)


def generate_config(config, output):
  return GenerateConfig(
    task='generate',
    output=output,
    weights=config.weights,
    precision='float32',
    seeds=(3, 4),
    truncations=(0.0, 0.7),
    mixed_rows=(0, 1),
  )


@pytest.fixture(scope='module')
def group(tmp_path_factory):
  """A photo of two faces, damaged on the right one alone, and its mask."""
  folder = tmp_path_factory.mktemp('group')
  photo = np.asarray(Image.open(ASTRONAUT).convert('RGB'))
  both = np.concatenate([photo, photo], axis=1)
  visible = np.full(both.shape[:2], 255, np.uint8)
  visible[110:125, photo.shape[1] + 215 : photo.shape[1] + 240] = 0
  both[visible == 0] = 255
  Image.fromarray(both).save(folder / 'both.png')
  Image.fromarray(visible).save(folder / 'mask.png')
  return folder


def test_a_photo_is_given_back_whole_and_resumed_so(config, group, tmp_path):
  config = dataclasses.replace(
    config, input=str(group / 'both.png'), degradation='grayscale', degrade_first=False
  )
  assert main.run(config) == 0
  first, second = listed(config.output)
  assert [first['name'], second['name']] == ['both_0', 'both_1']
  assert first['files']['pasted'] == second['files']['pasted'] == 'pasted/both.png'
  assert first['files']['photo'] == second['files']['photo'] == 'photos/both.png'
  assert 'colours of its own' in first['notes'][0]
  folder = pathlib.Path(config.output)
  whole = (folder / 'pasted/both.png').read_bytes()
  colours = np.ptp(data.decode(folder / 'pasted/both.png').astype(int), axis=2)
  photo = data.decode(group / 'both.png').astype(int)
  luma = np.rint(photo @ [0.299, 0.587, 0.114])
  for record in (first, second):
    quad = np.load(folder / record['files']['latent'])['quad']
    left, top = quad.min(axis=0).astype(int) + 20
    inside = np.s_[top : top + 60, left : left + 60]
    shown = data.decode(folder / 'pasted/both.png')[inside] @ [0.299, 0.587, 0.114]
    assert np.median(np.abs(shown - luma[inside])) < 1.5  # its own brightness, at its resolution
  assert colours.mean() > 0
  # A run that was killed between the two faces.
  lines = (folder / 'results.jsonl').read_text().splitlines()
  (folder / 'results.jsonl').write_text(lines[0] + '\n')
  (folder / 'pasted/both.png').unlink()
  assert main.run(config) == 0
  assert (folder / 'pasted/both.png').read_bytes() == whole
  assert [record['name'] for record in listed(config.output)] == ['both_0', 'both_1']


def test_a_mask_of_the_photo_is_filled_where_it_lies_and_nowhere_else(config, group, capsys):
  spec = f"mask(file='{group / 'mask.png'}')"
  config = dataclasses.replace(
    config, input=str(group / 'both.png'), degradation=spec, degrade_first=False
  )
  assert main.run(config) == 0
  (record,) = listed(config.output)  # the left face has no hole
  assert record['name'] == 'both_1'
  assert 0 < record['hidden'] < 0.1
  assert 'a face is left as it was: the mask hides nothing' in record['notes'][0]
  assert f'{record["hidden"]:.1%} of its crop is hidden' in capsys.readouterr().out
  folder = pathlib.Path(config.output)
  pasted, photo = data.decode(folder / 'pasted/both.png'), data.decode(group / 'both.png')
  changed = np.any(pasted != photo, axis=2)
  hidden = data.decode(group / 'mask.png')[..., 0] == 0
  assert changed[hidden].mean() > 0.95
  rows, columns = np.nonzero(changed)
  assert (rows.min(), rows.max()) == (109, 125)
  assert (columns.min(), columns.max()) == (512 + 214, 512 + 240)
  mask = data.decode(folder / 'masks/both_1.png')[..., 0]
  assert set(np.unique(mask)) == {0, 255}
  assert (mask == 0).mean() == pytest.approx(record['hidden'], abs=1e-3)
  assert data.decode(folder / 'outlined/both_1.png').shape[0] >= 256


@pytest.mark.parametrize(
  ('degradation', 'message'),
  [('mask()', '--mask='), ("mask(file='{other}')", 'is 20×30 px, the photo 512×512')],
)
def test_holes_that_nobody_located_cost_a_failure(config, tmp_path, degradation, message):
  other = np.full((30, 20), 255, np.uint8)
  other[3:9] = 0
  Image.fromarray(other).save(tmp_path / 'other.png')
  spec = degradation.format(other=tmp_path / 'other.png')
  assert main.run(dataclasses.replace(config, degradation=spec, degrade_first=False)) == 1
  (failure,) = data.read_results(config.output)[2]
  assert message in failure['reason']


def test_holes_at_random_are_refused_in_a_photo_that_has_its_own(config):
  changed = dataclasses.replace(config, degradation='mask(strokes=3)', degrade_first=False)
  with pytest.raises(GanjaxError, match=r'has its own holes, and .*--mask='):
    main.run(changed)
  assert not pathlib.Path(config.output).exists()


def test_a_small_face_is_enlarged_by_its_own_factor(config, tmp_path):
  small = Image.open(ASTRONAUT).convert('RGB').crop((180, 60, 270, 150)).resize((13, 13))
  small.save(tmp_path / 'small.png')
  changed = dataclasses.replace(
    config,
    input=str(tmp_path / 'small.png'),
    degradation='downsample(factor=?)',
    degrade_first=False,
    align='never',
  )
  assert main.run(changed) == 0
  (record,) = listed(config.output)
  assert record['degradation'] == 'downsample(size=13)'
  np.testing.assert_array_equal(
    data.decode(f'{config.output}/degraded/small.png'), np.asarray(small)
  )
  whole = data.decode(f'{config.output}/completed/small.png')
  np.testing.assert_array_equal(data.decode(f'{config.output}/pasted/small.png'), whole)
  again = Image.fromarray(whole).resize((13, 13), Image.Resampling.BOX)
  assert np.abs(np.asarray(again).astype(int) - np.asarray(small)).mean() < 2


def test_report_of_several_runs(config, tmp_path):
  runs = tmp_path / 'runs'
  main.run(dataclasses.replace(config, output=str(runs / 'restore')))
  main.run(generate_config(config, str(runs / 'generate')))
  assert main.run(ReportConfig(task='report', input=str(runs))) == 0
  assert (runs / 'report.html').stat().st_size


def test_unknown_parameters_are_found_and_told(config):
  changes = {'degradation': 'blur(kernel_size=5, variance=2)', 'save_every': 0}
  changes['assumed_degradation'] = 'blur(kernel_size=?, variance=?)'
  assert main.run(dataclasses.replace(config, **changes)) == 0
  (record,) = listed(config.output)
  assert record['degradation'] == 'blur(kernel_size=5, variance=2)'
  assert '?' not in record['estimate']
  assert record['estimate'] in record['race']
  assert len(record['race']) == 3  # kernels of 5, 9 and 15 fit pictures of 16 px
  assert record['estimate'] in pathlib.Path(config.output, 'report.html').read_text()


def test_restarts_keep_the_best_and_show_where_they_disagree(config):
  assert main.run(dataclasses.replace(config, restarts=2, save_every=0)) == 0
  (record,) = listed(config.output)
  assert record['loss'] == min(record['losses'])
  assert len(set(record['losses'])) == 2
  assert data.decode(f'{config.output}/{record["files"]["deviation"]}').shape == (400, 480, 3)


def test_the_weight_can_be_chosen_automatically(config):
  assert main.run(dataclasses.replace(config, latent_dist_reg_weight='auto')) == 0
  (record,) = listed(config.output)
  assert record['latent_dist_reg_weight'] in selection.WEIGHT_GRID


def test_a_preset_that_ends_in_w_plus_plus(config):
  spaces = {'space': 'w_plus_plus', 'noise_maps': 'const'}
  changes = {'preset': 'robust_published', **spaces, 'num_steps': 6}
  assert main.run(dataclasses.replace(config, **changes)) == 0
  (record,) = listed(config.output)
  saved = np.load(f'{config.output}/{record["files"]["latent"]}')
  assert saved['latent'].ndim == 3


def test_the_pivotal_preset_saves_what_it_tuned(config):
  preset = dataclasses.replace(inversion.PRESETS['pivotal'], tuning=Tuning(num_steps=2))
  changes = {'preset': 'pivotal', 'space': 'w', 'noise_maps': 'optimised', 'num_steps': 2}
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(inversion.PRESETS, 'pivotal', preset)
    assert main.run(dataclasses.replace(config, **changes, degradation='identity()')) == 0
  (record,) = listed(config.output)
  networks = weights.load(config.weights)
  tuned = weights.load_tuned(f'{config.output}/{record["files"]["tuned"]}', networks)
  assert tuned.sha256 == networks.sha256


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'assumed_degradation': 'downsample(factor=2)'}, 'another size'),
    ({'assumed_degradation': 'blurr()'}, 'blurr'),
  ],
)
def test_assumptions_that_do_not_fit_are_refused(config, changes, message):
  with pytest.raises(GanjaxError, match=message):
    main.run(dataclasses.replace(config, **changes))


@pytest.mark.parametrize('more', [[], [f'--weights={weights.DEFAULT}']])
def test_the_bundled_weights_are_those_of_no_flag_and_of_their_own_path(more):
  """Both begin with the encoder, and so with the numbers of such a start."""
  config = command_line.config('--task=denoise', '--input=face.png', *more)
  assert config.chosen_preset() == PRESETS['robust'].warm
  assert config.learning_rate == PRESETS['robust'].warm.hyper.learning_rate
