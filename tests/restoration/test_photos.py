"""Photos in, photos out, in Python: as the command does it."""

import json
import pathlib

import numpy as np
import PIL.Image
import pytest
from absl import flags

import ganjax
from ganjax import data, faces, weights
from ganjax.pixels import to_float
from ganjax.tasks import main

ASTRONAUT = 'scripts/demo/astronaut.png'
STEPS = 3


def command(*given):
  """Runs what `python -m ganjax` runs with these flags; returns the number of failures."""
  if 'task' not in flags.FLAGS:
    main.define_flags()
  flags.FLAGS.unparse_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(['ganjax', *given])
  return main.run(main.from_flags())


def line(folder):
  (only,) = (json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines())
  return {key: value for key, value in only.items() if key != 'seconds'}


def test_the_function_does_what_the_command_does(tmp_path, weights_file):
  output = tmp_path / 'command'
  told = []
  common = [f'--input={ASTRONAUT}', f'--output={output}', f'--weights={weights_file}']
  assert (
    command('--task=colorize', f'--num_steps={STEPS}', '--save_every=2', '--degrade_first', *common)
    == 0
  )
  (photo,) = ganjax.restore_photos(
    ASTRONAUT,
    networks=weights.load(weights_file),
    task='colorize',
    degrade_first=True,
    num_steps=STEPS,
    save_every=2,
    output=tmp_path / 'function',
    on_progress=lambda names, progress: told.append((names, progress.step)),
  )
  assert told == [(['astronaut'], 2), (['astronaut'], 3)]
  (face,) = photo.faces
  assert (photo.name, photo.source, photo.failure) == ('astronaut', ASTRONAUT, None)
  expected = line(output)
  assert line(tmp_path / 'function') == expected
  kinds = {'restored', 'aligned', 'degraded', 'completed'}
  assert face.images.keys() == kinds
  for kind in kinds:
    np.testing.assert_array_equal(face.images[kind], data.decode(output / expected['files'][kind]))
  np.testing.assert_array_equal(photo.image, data.decode(output / 'pasted/astronaut.png'))
  saved = np.load(output / 'latents/astronaut.npz')
  np.testing.assert_array_equal(face.restoration.latent, saved['latent'])
  for name, noise in face.restoration.noise.items():
    np.testing.assert_array_equal(noise, saved[f'noise.{name}'])
  files = {path.relative_to(output) for path in output.rglob('*.*') if path.is_file()}
  written = {path for path in files if path.suffix in ('.png', '.webp')}
  assert pathlib.Path('grid.png') in written
  for path in written:
    assert (tmp_path / 'function' / path).read_bytes() == (output / path).read_bytes()
  assert (tmp_path / 'function/report.html').is_file()


def test_pixels_several_faces_and_failures(networks):
  photo = np.array(PIL.Image.open(ASTRONAUT).convert('L').convert('RGB'))
  both = np.concatenate([photo, photo], axis=1)
  given = [both, np.full_like(photo, 9), to_float(photo)]
  found = ganjax.restore_photos(
    given, 'grayscale', networks, names=['both', 'nobody', 'one'], num_steps=STEPS, batch_size=4
  )
  assert [photo.name for photo in found] == ['both', 'nobody', 'one']
  assert [face.name for face in found[0].faces] == ['both_0', 'both_1']
  assert [face.num_results for face in found[0].faces] == [2, 2]
  assert 'shows no face' in found[1].failure
  assert found[1].image is None
  colours = np.ptp(found[0].image.astype(int), axis=2) > 2  # of both faces, in one picture
  half = photo.shape[1]
  for side in (colours[:, :half], colours[:, half:]):
    assert 0.01 < side.mean() < 0.2
  outside = ~faces.covers([face.quad for face in found[0].faces], *both.shape[:2])
  np.testing.assert_array_equal(found[0].image[outside], both[outside])
  (face,) = found[2].faces
  assert face.metrics.keys() == {'fidelity'}
  assert 'notes' not in face.record  # it is grey, as is said
  assert found[2].image.shape == photo.shape


PHOTO = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
  ('photos', 'options', 'message'),
  [
    (PHOTO.astype(np.int32), {}, 'int32'),
    (PHOTO[..., 0], {}, r'photos\[0\] has shape \[16, 16\]'),
    ([PHOTO, np.zeros((16, 16, 2), np.uint8)], {}, r'photos\[1\] has shape'),
    (np.float32(PHOTO) + 255, {}, r'\[255, 255\]'),
    (np.float32(PHOTO) * np.nan, {}, 'nan'),
    ([PHOTO], {'names': ['a', 'b']}, '2 names for 1'),
    ([PHOTO, PHOTO], {'names': ['a', 'a']}, 'two photos'),
    ([PHOTO], {'names': ['a/b']}, 'no safe file name'),
    ([ASTRONAUT, ASTRONAUT], {}, 'two photos'),
    (ASTRONAUT, {'names': ['a']}, 'leave it out'),
    ('nowhere', {}, 'no such file'),
    (PHOTO, {'degradation': None, 'degrade_first': True}, 'say what is done to them'),
    (PHOTO, {'degradation': 'blur(variance=?)', 'degrade_first': True}, "leave the '\\?'"),
    (PHOTO, {'task': 'deblurr'}, 'none of invert, deblur'),
    (PHOTO, {'preset': 'robust', 'space': 'w'}, "unknown \\['space'\\]"),
    (PHOTO, {'align': 'sometimes'}, 'none of auto'),
    (PHOTO, {'noise_maps': 'loud'}, 'none of optimised'),
    (PHOTO, {'batch_size': 0}, 'give 1 or more'),
    (PHOTO, {'fidelity': 1.5}, 'not within 0 to 1'),
    (PHOTO, {'fidelity': 0.2, 'preset': 'pivotal'}, 'no weight that it turns'),
    (PHOTO, {'steps': 3}, "unknown \\['steps'\\]"),
    (PHOTO, {'restarts': 2, 'latent_dist_reg_weight': 'auto'}, 'restarts'),
    (PHOTO, {'degradation': 'blur()', 'assumed_degradation': 'grayscale | downsample'}, 'size'),
  ],
)
def test_what_cannot_be_used_is_refused_before_the_work(networks, photos, options, message):
  options = {'degradation': 'grayscale()', **options}
  with pytest.raises(ValueError, match=message):
    ganjax.restore_photos(photos, networks=networks, **options)


@pytest.mark.parametrize(('quality', 'is_told'), [(6, True), (95, False)])
def test_a_jpeg_tells_its_quality_itself_unless_it_was_stored_again(
  tmp_path, networks, quality, is_told
):
  photo = faces.align(data.decode(ASTRONAUT), networks.template, 128)[0].image
  PIL.Image.fromarray(photo).resize((16, 16)).save(tmp_path / 'small.jpg', quality=quality)
  (restored,) = ganjax.restore_photos(
    tmp_path / 'small.jpg',
    networks=networks,
    task='dejpeg',
    align='never',
    preset='projector',
    num_steps=STEPS,
  )
  (face,) = restored.faces
  assert face.record['degradation'] == f'jpeg(quality={quality if is_told else "?"})'
  assert ('race' in face.record) == (not is_told)


def test_a_scratch_is_gone_from_the_whole_photo(networks, tmp_path):
  """In the face it is drawn, and outside of it filled from around."""
  y, x = np.mgrid[:96, :96]
  clean = np.stack([60 + y, 40 + x, 90 + (x + y) // 2], axis=2).astype(np.uint8)
  scratched, mask = clean.copy(), np.full((96, 96), 255, np.uint8)
  scratched[:, 40:43] = 255
  mask[:, 39:44] = 0
  PIL.Image.fromarray(mask).save(tmp_path / 'mask.png')
  (photo,) = ganjax.restore_photos(
    scratched,
    networks=networks,
    task='inpaint',
    mask=tmp_path / 'mask.png',
    box=(24, 24, 72, 72),
    preset='projector',
    num_steps=STEPS,
  )
  quad = photo.faces[0].quad
  outside = ~faces.covers([quad], 96, 96)
  shown = outside & (mask == 255)
  np.testing.assert_array_equal(photo.image[shown], scratched[shown])
  away = np.abs(photo.image[outside].astype(int) - clean[outside])
  assert outside[:, 40].any()
  assert away.max() <= 4
