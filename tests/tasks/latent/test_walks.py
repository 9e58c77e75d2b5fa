"""The latent tasks from end to end, with a tiny generator and a classifier that knows nothing."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from flax import nnx

from ganjax import data, editing, weights
from ganjax.editing import rendering
from ganjax.models.classifier import Classifier, ClassifierConfig
from ganjax.tasks import main
from ganjax.tasks.config import ConfigError
from ganjax.training import attributes

SHARE = 0.4


@pytest.fixture(scope='module')
def files(weights_file, tmp_path_factory):
  """A generator, a classifier that halves its faces, and another generator."""
  folder = tmp_path_factory.mktemp('weights')
  shutil.copy(weights_file, folder / 'tiny.safetensors')
  networks = weights.load(folder / 'tiny.safetensors')
  judge = ClassifierConfig(('no', 'yes'), 'yes', side=16, widths=(8,))
  classifier = Classifier(judge, rngs=nnx.Rngs(1))
  points = rendering.sampled(networks.generator, 0, 48, 0.7, 'z')
  scores = attributes.log_odds(
    rendering.classifier_logits(networks.generator, classifier, points, 0.7, 'z'), 1
  )
  bias = np.float32([0, np.median(scores)])
  classifier.out.bias[...] = classifier.out.bias[...] - bias
  weights.save_classifier(folder / 'judge.safetensors', classifier, networks.template, {})
  tensors, header = weights.read(folder / 'tiny.safetensors')
  weights.save(
    folder / 'other.safetensors', {k: v * np.float32(1.01) for k, v in tensors.items()}, header
  )
  return folder


def config(files, output, *arguments):
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  known = [f'--weights={files / "tiny.safetensors"}', f'--classifier={files / "judge.safetensors"}']
  flags.FLAGS(['ganjax', f'--output={output}', *known, *arguments])
  return main.from_flags()


def run(files, output, *arguments):
  assert main.run(config(files, output, *arguments)) == 0
  return [json.loads(line) for line in (output / 'results.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def found(files, tmp_path_factory):
  """The output of a run of `direction` by all methods."""
  output = tmp_path_factory.mktemp('direction') / 'out'
  records = run(
    files,
    output,
    '--task=direction',
    '--num_samples=80',
    '--direction_methods=svm,sefa,pca',
    '--num_directions=1',
    '--seeds=0',
    f'--confident_share={SHARE}',
  )
  return output, records


@pytest.mark.slow
def test_directions_are_saved_with_where_they_come_from(found, files):
  output, records = found
  names = ['yes_z', 'yes_w', 'yes_w_plus', 'sefa_0', 'pca_0']
  assert [record['name'] for record in records] == names
  networks = weights.load(files / 'tiny.safetensors')
  own = networks.generator.config
  for record in records:
    path = output / record['files']['direction']
    direction = editing.load_direction(path, own, networks.sha256)
    assert np.linalg.norm(direction.normal) == pytest.approx(1.0, abs=1e-5)
    assert data.decode(output / record['files']['sheet']).size
  assert records[0]['kept'] == [32, 32]
  assert records[0]['samples'] == 80
  assert records[0]['train_accuracy'] > 0.6
  with np.load(output / 'directions/yes_w.npz') as file:  # the layout that is documented
    assert {k: v.shape for k, v in file.items()} == {
      **{'name': (), 'space': (), 'normal': (8,), 'intercept': (), 'deviation': ()},
      **{'weights_sha256': (), 'provenance': ()},
    }
  other = weights.load(files / 'other.safetensors')
  with pytest.raises(editing.EditingError, match='another generator'):
    editing.load_direction(output / 'directions/yes_w.npz', own, other.sha256)


@pytest.mark.slow
def test_a_conditional_direction_leaves_the_given_one_alone(found, files, tmp_path):
  given = found[0] / 'directions/sefa_0.npz'
  records = run(
    files,
    tmp_path / 'out',
    '--task=direction',
    '--num_samples=80',
    '--spaces=w',
    '--seeds=0',
    f'--conditional_on={given}',
  )
  assert [record['name'] for record in records] == ['yes_w', 'yes_w_conditional']
  with np.load(given) as a, np.load(tmp_path / 'out/directions/yes_w_conditional.npz') as b:
    assert abs(a['normal'] @ b['normal']) < 1e-5


@pytest.mark.slow
def test_faces_walk_along_directions(found, files, tmp_path):
  folder = found[0] / 'directions'
  arguments = (
    '--task=traverse',
    '--seeds=1,2',
    f'--directions={folder / "yes_z.npz"},{folder / "yes_w.npz"}',
    f'--others={folder / "sefa_0.npz"}',
    '--num_frames=3',
  )
  records = run(files, tmp_path / 'out', *arguments)
  assert len(records) == 4
  summary = json.loads((tmp_path / 'out/summary.json').read_text())
  assert summary['yes_w']['cosines'].keys() == {'sefa_0'}  # those of Z lie in another space
  assert summary['yes_w']['faces'] == 2
  for record in records:
    assert record['steps'] == [-3, 0, 3]
    assert len(record['scores']) == 3
    assert data.decode(tmp_path / 'out' / record['files']['sheet']).size
  # The centre of every walk is the face itself.
  same = {record['source']: set() for record in records}
  for record in records:
    same[record['source']].add(record['scores'][1])
  assert [len(scores) for scores in same.values()] == [1, 1]
  assert run(files, tmp_path / 'out', *arguments) == records  # nothing is left to do


@pytest.mark.slow
def test_saved_latents_walk_and_tell_directions_apart(found, files, tmp_path):
  networks = weights.load(files / 'tiny.safetensors')
  rows = rendering.sampled(networks.generator, 3, 40, 0.7, 'w_plus')
  noise = networks.generator.synthesis.noise_const()
  folder = tmp_path / 'latents'
  folder.mkdir()
  for i, latent in enumerate(rows):
    maps = {f'noise.{k}': 0 * np.asarray(v) for k, v in noise.items()}
    np.savez(folder / f'{i}.npz', latent=latent, weights_sha256=networks.sha256, **maps)
  lines = [
    f'{i},{"up" if row[0, 0] > np.median(rows[:, 0, 0]) else "down"}' for i, row in enumerate(rows)
  ]
  labels = tmp_path / 'side.csv'
  labels.write_text('\n'.join(['name,label', *lines]))
  (record,) = run(
    files, tmp_path / 'out', '--task=direction', f'--input={folder}', f'--labels={labels}'
  )
  assert record['name'] == 'side_w_plus'
  assert record['kept'] == [20, 20]
  own = tmp_path / 'out/directions/side_w_plus.npz'
  walks = run(
    files,
    tmp_path / 'walk',
    '--task=traverse',
    f'--input={folder / "3.npz"}',
    f'--directions={own},{found[0] / "directions/yes_w.npz"}',
    '--layers=0-2',
    '--num_frames=3',
    '--classifier=none',
  )
  assert [walk['space'] for walk in walks] == ['w_plus', 'w_plus']
  assert 'scores' not in walks[0]
  steps = config(
    files,
    tmp_path / 'z',
    '--task=traverse',
    f'--input={folder / "3.npz"}',
    f'--directions={found[0] / "directions/yes_z.npz"}',
  )
  assert main.run(steps) == 1  # nothing leads back to Z
  (failure,) = (tmp_path / 'z/failures.jsonl').read_text().splitlines()
  assert 'has no latent in Z' in json.loads(failure)['reason']


@pytest.mark.slow
def test_interpolations(files, tmp_path):
  (record,) = run(files, tmp_path / 'out', '--task=interpolate', '--seeds=4,7', '--num_frames=3')
  networks = weights.load(files / 'tiny.safetensors')
  assert [path['path'] for path in record['paths']] == ['z_linear', 'z_spherical', 'w']
  with np.load(tmp_path / 'out' / record['files']['points']) as points:
    for name in ('z_linear', 'z_spherical'):
      np.testing.assert_array_equal(points[name][0], editing.seeded(4, 8))
      np.testing.assert_array_equal(points[name][-1], editing.seeded(7, 8))
    end = networks.generator.mapping(jnp.asarray(editing.seeded(7, 8)), psi=0.7)
    np.testing.assert_array_equal(points['w'][-1], end[0])
  for path in record['paths']:
    assert path['perceptual_length'] == pytest.approx(sum(path['perceptual_steps']), abs=1e-3)
    # All paths begin and end with the same pictures, of which the classifier says the same.
    for at in (0, -1):
      assert path['scores'][at] == pytest.approx(record['paths'][0]['scores'][at], abs=1e-3)
  assert data.decode(tmp_path / 'out' / record['files']['sheet']).size
  assert (tmp_path / 'out/report.html').is_file()


@pytest.mark.slow
def test_photographs_are_inverted_first(files, tmp_path):
  photos = tmp_path / 'photos'
  photos.mkdir()
  for seed in (0, 1):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    (photos / f'{seed}.png').write_bytes(data.encode_png(pixels))
  (record,) = run(
    files,
    tmp_path / 'out',
    '--task=interpolate',
    f'--input={photos}',
    '--align=never',
    '--num_steps=2',
    '--num_frames=2',
    '--paths=w_plus',
  )
  with (
    np.load(tmp_path / 'out' / record['files']['points']) as points,
    np.load(tmp_path / 'out/inverted_w_plus/latents/0.npz') as latent,
  ):
    np.testing.assert_array_equal(points['w_plus'][0], latent['latent'])


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--task=interpolate', '--seeds=3'], 'needs two'),
    (['--task=interpolate', '--paths=w,x'], '--paths: x is none'),
    (['--task=interpolate', '--input=a', '--seeds=1,2'], '--seeds: not together'),
    (['--task=interpolate', '--input=a', '--preset=robust'], '--preset=robust'),
    (['--task=traverse'], '--directions is missing'),
    (['--task=traverse', '--directions=a.npz', '--num_frames=4'], 'odd number'),
    (['--task=traverse', '--directions=a.npz', '--layers=3-1'], '--layers'),
    (['--task=direction', '--spaces=v'], '--spaces: v is none'),
    (['--task=direction', '--labels=a.csv'], '--labels: name the latents'),
  ],
)
def test_wrong_flags_are_refused(files, tmp_path, arguments, message):
  with pytest.raises(ConfigError, match=message):
    config(files, tmp_path, *arguments)


def latents(folder, sha256, count=24):
  folder.mkdir()
  for i in range(count):
    latent = np.random.default_rng(i).normal(size=(6, 8)).astype(np.float32)
    np.savez(folder / f'{i}.npz', latent=latent, weights_sha256=sha256)
  return folder


def test_wrong_files_are_refused(files, tmp_path):
  sha256 = weights.load(files / 'tiny.safetensors').sha256
  strangers = latents(tmp_path / 'strangers', 'f' * 64)
  with pytest.raises(data.SourceError, match='another generator'):
    main.run(config(files, tmp_path / 'a', '--task=interpolate', f'--input={strangers}'))
  assert not (tmp_path / 'a').exists()
  own = latents(tmp_path / 'own', sha256)
  labels = tmp_path / 'labels.csv'
  task = ['--task=direction', f'--input={own}', f'--labels={labels}']
  for text, message in [
    ('name,label\n0,\n', 'two classes'),
    ('name,label\n0,a\n1,a\n', 'two classes'),
    ('name,label\nx,a\ny,b\n', 'names none'),
    ('file,label\n0,a\n', 'no column name'),
    ('name,score\n0,much\n', 'no score'),
    ('name,label\n0,a\n1,b\n', '1 latents have it'),
  ]:
    labels.write_text(text)
    with pytest.raises((data.SourceError, editing.EditingError), match=message):
      main.run(config(files, tmp_path / 'b', *task))
    assert (tmp_path / 'b').exists() == ('latents have it' in message)
  with pytest.raises(editing.EditingError, match='no direction'):
    main.run(config(files, tmp_path / 'c', '--task=traverse', f'--directions={own / "0.npz"}'))
  bundled = f'--classifier={weights.classifiers.DEFAULT_CLASSIFIER}'
  with pytest.raises(weights.WeightsError, match='another crop'):
    main.run(config(files, tmp_path / 'd', '--task=interpolate', '--seeds=1,2', bundled))


def test_layers_out_of_range_are_refused(files, tmp_path):
  networks = weights.load(files / 'tiny.safetensors')
  for space in ('z', 'w'):
    normal = np.eye(8, dtype=np.float32)[0]
    made = editing.Direction(space, space, normal, 0.0, 1.0, networks.sha256, {'method': 'svm'})
    np.savez(tmp_path / f'{space}.npz', **made.arrays())
  for space, layers, message in (('w', '6', 'layer 6'), ('z', '0', 'direction of Z')):
    chosen = [f'--directions={tmp_path / space}.npz', f'--layers={layers}']
    with pytest.raises(ConfigError, match=message):
      main.run(config(files, tmp_path / 'out', '--task=traverse', *chosen))


def test_sampling_does_not_depend_on_how_many(networks):
  few, many = (rendering.sampled(networks.generator, 0, n, 0.7, 'w') for n in (3, 20))
  # Of programs for batches of two sizes, which may round the last bits differently.
  few_ulps = 4 * np.finfo(np.float32).eps
  np.testing.assert_allclose(few, many[:3], rtol=few_ulps, atol=few_ulps * np.abs(many).max())
  ws = np.stack([np.asarray(jnp.broadcast_to(w, (6, 8))) for w in many])
  pictures = editing.draw(networks.generator, ws)  # in two blocks, the second of four
  assert pictures.shape == (20, 16, 16, 3)
  alone = np.asarray(jax.jit(lambda g, w: g.synthesis(w))(networks.generator, jnp.asarray(ws[18])))
  wanted = np.clip(np.round((alone + 1) * 127.5), 0, 255)
  assert np.abs(pictures[18].astype(int) - wanted).max() <= 1
