"""Photos given back whole from a data set of their faces."""

import json

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from pictures import file_of, noise
from PIL import Image

from ganjax import data, faces
from ganjax.bulk import finalize, prefetch
from ganjax.tasks import main

ASTRONAUT = 'scripts/demo/astronaut.png'
pytestmark = pytest.mark.filterwarnings('ignore:.*OpenCV.*')


def files(folder):
  """When each pasted photo was written, by name."""
  return {path.name: path.stat().st_mtime_ns for path in (folder / 'pasted').iterdir()}


def test_a_photo_of_two_faces_has_both_and_is_made_once(configure, tmp_path, capsys):
  folder, out = tmp_path / 'several', tmp_path / 'out'
  folder.mkdir()
  photo = data.decode(ASTRONAUT)
  both = np.concatenate([photo, photo], axis=1)
  Image.fromarray(both).save(folder / 'both.png')
  Image.fromarray(photo).save(folder / 'both_1.png')
  (folder / 'broken.png').write_bytes(b'broken')
  flags = [f'--input={folder}', '--align=auto', '--previews=2']
  assert main.run(configure(*flags, '--export=pasted')) == 1
  assert 'bulk: 2 files in' in capsys.readouterr().out
  assert files(out).keys() == {'both.png', 'both_1.png'}

  examples = list(finalize.read(out))[:2]
  quads = [example['quad'].astype(np.float64) for example in examples]
  expected = both
  for example, quad in zip(examples, quads, strict=True):
    expected = faces.paste(expected, example['image'], quad)
  pasted = data.decode(out / 'pasted/both.png')
  np.testing.assert_array_equal(pasted, expected)
  changed = np.any(pasted != both, axis=2)
  for quad in quads:
    assert changed[faces.covers([quad], *changed.shape)].mean() > 0.9
  assert not changed[~faces.covers(quads, *changed.shape)].any()

  results = data.read_results(out)[1]
  assert [result['name'].partition('-')[0] for result in results] == ['both_0', 'both_1', 'both_1']
  for result, name in zip(results, ('both', 'both', 'both_1'), strict=True):
    assert result['files']['photo'] == f'photos/{name}.png'
    assert result['files']['pasted'] == f'pasted/{name}.png'
  assert 'as it came</a> ↔' in ' '.join((out / 'report.html').read_text().split())

  # What is there is not made again, even without the photo; what is not costs one failure.
  before = files(out)
  (folder / 'both.png').unlink()
  again = configure('--finalize', '--export=pasted', '--input=')
  assert main.run(again) == 1
  assert files(out) == before
  (out / 'pasted/both.png').unlink()
  (out / 'pasted/both_1.png').unlink()
  assert main.run(again) == 2
  assert files(out).keys() == {'both_1.png'}
  failures = {failure['name']: failure for failure in data.read_results(out)[2]}
  assert failures.keys() == {'both', 'broken'}
  assert 'cannot be read' in failures['both']['reason']
  assert failures['both']['source'] not in failures['both']['reason']
  assert 'Not pasted: cannot be read' in (out / 'report.html').read_text()
  Image.fromarray(both).save(folder / 'both.png')
  assert main.run(again) == 1
  np.testing.assert_array_equal(data.decode(out / 'pasted/both.png'), expected)


def test_masks_of_photos_are_filled_where_they_lie(configure, tmp_path):
  folder, masks = tmp_path / 'photographs', tmp_path / 'masks'
  for made in (folder, masks):
    made.mkdir()
  visible = {name: np.full((48, 48), 255, np.uint8) for name in ('a', 'b')}
  visible['a'][12:20, 14:22] = 0
  visible['b'][30:36, 8:16] = 0
  for i, (name, mask) in enumerate(visible.items()):
    Image.fromarray(noise(48, i)).save(folder / f'{name}.png')
    Image.fromarray(mask).save(masks / f'{name}.png')
  flags = [f'--input={folder}', f"--degradation=mask(file='{masks}')", '--previews=0']
  assert main.run(configure(*flags, '--export=pasted')) == 0
  for i, (name, mask) in enumerate(visible.items()):
    rows, columns = np.nonzero(
      np.any(data.decode(tmp_path / f'out/pasted/{name}.png') != noise(48, i), axis=2)
    )
    hidden_rows, hidden_columns = np.nonzero(mask == 0)
    for found, hidden in ((rows, hidden_rows), (columns, hidden_columns)):
      assert hidden.min() - 2 <= found.min() <= hidden.min()
      assert hidden.max() <= found.max() <= hidden.max() + 2
  assert not (tmp_path / 'out/photos').exists()
  (masks / 'a.png').unlink()
  for name in visible:
    (tmp_path / f'out/pasted/{name}.png').unlink()
  assert main.run(configure('--finalize', '--export=pasted', '--input=')) == 1
  (failure,) = data.read_results(tmp_path / 'out')[2]
  assert failure['name'] == 'a'
  assert 'has no mask called a' in failure['reason']


def test_photos_in_records(configure, tmp_path, monkeypatch):
  path = tmp_path / 'set.array_record'
  writer = ArrayRecordWriter(str(path), 'group_size:1')
  for i in range(7):
    writer.write(file_of(Image.fromarray(noise(24, i))))
  writer.close()
  assert main.run(configure(f'--input={path}', '--export=pasted,png')) == 0
  out = tmp_path / 'out'
  assert files(out).keys() == {f'set-{i:08d}.png' for i in range(7)}
  (out / 'pasted/set-00000003.png').unlink()
  read = []
  whole = prefetch.photo_of
  monkeypatch.setattr(
    prefetch, 'photo_of', lambda source, entry: read.append(entry.index) or whole(source, entry)
  )
  assert main.run(configure('--finalize', '--export=pasted', '--input=')) == 0
  assert read == [3]
  for example in finalize.read(out):
    pasted = data.decode(out / f'pasted/{example["name"].decode()}.png')
    large = Image.fromarray(example['image']).resize((24, 24), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(pasted, np.asarray(large))


def test_small_faces_enlarge_their_photo(configure, tmp_path):
  folder = tmp_path / 'small'
  folder.mkdir()
  Image.fromarray(noise(8, 1)).save(folder / 'small.png')
  config = configure(f'--input={folder}', '--degradation=downsample(factor=2)', '--export=pasted')
  assert main.run(config) == 0
  (example,) = finalize.read(tmp_path / 'out')
  pasted = data.decode(tmp_path / 'out/pasted/small.png')
  np.testing.assert_array_equal(pasted, example['completed'])


def test_a_file_of_somebody_else_is_not_replaced(configure, tmp_path):
  assert main.run(configure('--previews=0')) == 2
  (tmp_path / 'out/pasted').mkdir()
  (tmp_path / 'out/pasted/3.png').write_text('mine')
  with pytest.raises(data.StoreError, match=r'pasted/3\.png: not written by ganjax'):
    main.run(configure('--finalize', '--export=pasted', '--input='))
  assert [path.name for path in (tmp_path / 'out/pasted').iterdir()] == ['3.png']
  lines = (tmp_path / 'out/results.jsonl').read_text().splitlines()
  assert not any('files' in json.loads(line) for line in lines)
