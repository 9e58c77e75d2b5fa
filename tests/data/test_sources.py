"""Pictures of every kind of source: each under its index and its name, and always the same."""

import io
import json
import pathlib
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from etils.epath.backend import fsspec_backend
from fsspec.implementations.memory import MemoryFileSystem
from pictures import file_of, noise
from PIL import Image

from ganjax import data
from ganjax.bulk import plan
from ganjax.data import records, sources
from ganjax.training import Pictures


def write(path, seed=0):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(file_of(Image.fromarray(noise(16, seed))))


@pytest.fixture
def tree(tmp_path):
  folder = tmp_path / 'photos'
  for i, name in enumerate(['10.png', '2.png', 'b/x.png', 'b/x.jpg', 'a/c/1.png', '.hidden.png']):
    write(folder / name, i)
  (folder / 'notes.txt').write_text('no picture')
  (folder / 'folder.png').mkdir()
  (folder / 'link').symlink_to(folder / 'b')
  return folder


def entries_of(tmp_path, spec, block_size=2):
  made = plan.make(str(spec), block_size, tmp_path / 'listing')
  source = plan.open_source(made, tmp_path / 'listing')
  found = [entry for b in range(made.num_blocks) for entry in source.entries(*made.bounds(b))]
  assert [entry.index for entry in found] == list(range(made.num_pictures))
  return source, found


def test_folders_are_walked_as_other_tasks_find_them(tmp_path, tree):
  _, found = entries_of(tmp_path, tree)
  assert [entry.name for entry in found[:2]] == ['2', '10']
  assert {(entry.name, entry.source) for entry in found} == {
    (item.name, str(item.path)) for item in data.find(tree)
  }


@pytest.mark.parametrize('pattern', ['**/*.png', 'b/*', '*', 'b*', '[ab]/**/*.*', '*/', '**/'])
def test_globs_are_what_other_tasks_make_of_them(tmp_path, tree, pattern):
  _, found = entries_of(tmp_path, tree / pattern)
  assert {(entry.name, entry.source) for entry in found} == {
    (item.name, str(item.path)) for item in data.find(tree / pattern)
  }
  assert len({entry.name for entry in found}) == len(found)


def test_a_single_file(tmp_path, tree):
  source, found = entries_of(tmp_path, tree / '2.png')
  assert [entry.name for entry in found] == ['2']
  np.testing.assert_array_equal(source.read(found[0]), noise(16, 1))


def test_walking_is_lazy(tree):
  _, pictures = sources.walk(str(tree))
  assert next(pictures) == ('2', '2.png')
  write(tree / 'b' / 'late.png')
  assert ('b__late', 'b/late.png') in list(pictures)


def listed(pattern):
  return [name for name, _ in sources.walk(str(pattern)).photos]


def test_photographs_that_cannot_be_decoded_are_listed(tmp_path, tree):
  for name in ('a.HEIC', 'a.CR2', 'b.psd', '10.arw', '10.avif'):
    (tree / name).write_bytes(b'whatever')
  for name in ('a.aae', 'a.xmp', 'a.mov', 'list.json', '.c.heic', 'drawing.svg'):
    (tree / name).write_bytes(b'whatever')
  found = [item.path.name for item in data.find(tree / '*.*')]
  assert found == ['2.png', '10.arw', '10.avif', '10.png', 'a.CR2', 'a.HEIC', 'b.psd']
  names = listed(tree)
  assert names[:2] == ['2', '10']  # of the PNG
  assert 'a' in names  # of the HEIC
  assert len(set(names)) == len(names) == 10


def test_linked_folders_are_followed_once(tmp_path, tree):
  album = tmp_path / 'album'
  write(album / 'z.png')
  write(album / 'deep' / 'y.png')
  before = listed(tree)
  (tree / '0').symlink_to(album)
  (tree / 'a' / 'same').symlink_to(album / 'deep')
  (album / 'back').symlink_to(tree)
  (album / 'self').symlink_to(album)
  (tree / 'loop').symlink_to('loop')
  assert listed(tree) == [*before, '0__z', '0__deep__y']
  assert sorted(item.name for item in data.find(tree)) == sorted(listed(tree))


@pytest.mark.parametrize('pattern', ['**/*.png', '**/', '**', '*/**/*.p*g', '0/**/y.png'])
def test_globs_come_back_from_links_that_lead_in_a_circle(tmp_path, tree, pattern):
  write(tree / '0' / 'deep' / 'y.png')
  for name in ('one', 'two', 'three'):
    (tree / '0' / name).symlink_to(tree)
  found = data.find(tree / pattern)
  assert tree / '0' / 'deep' / 'y.png' in [item.path for item in found]
  assert len({item.path.resolve() for item in found}) == len(found)


def test_a_glob_finds_a_linked_picture_under_its_own_path(tree):
  assert [path for _, path in sources.walk(str(tree / '*/x.png')).photos] == ['b/x.png']
  assert [path for _, path in sources.walk(str(tree / 'l*/x.png')).photos] == ['link/x.png']


def test_output_folders_are_no_input(tmp_path, tree):
  with data.Store.open(tree / 'out', {}) as store:
    store.write_image('restored', 'x', noise())
  assert len(entries_of(tmp_path, tree)[1]) == 5
  with pytest.raises(data.SourceError, match='out: is the output of a run'):
    data.find(tree / 'out')
  assert len(data.find(tree / 'out' / 'restored')) == 1  # but a folder in it is


@pytest.mark.parametrize(('spec', 'message'), [('none', 'no such file'), ('none/*', 'no pictures')])
def test_nothing_there(tmp_path, spec, message):
  with pytest.raises(data.SourceError, match=message):
    plan.make(str(tmp_path / spec), 2, tmp_path / 'listing')


def test_buckets_are_refused_where_files_are_needed():
  with pytest.raises(data.SourceError, match=r'gs://bucket/p: lies in a bucket'):
    data.find('gs://bucket/p')


def test_a_vanished_file_is_one_failure(tmp_path, tree):
  source, found = entries_of(tmp_path, tree)
  pathlib.Path(found[0].source).unlink()
  with pytest.raises(data.ImageError, match='cannot be read'):
    source.read(found[0])


def test_the_plan_is_made_once(tmp_path, tree):
  folder, scratch = tmp_path / 'out', tmp_path / 'scratch'
  (folder / '.ganjax').mkdir(parents=True)
  scratch.mkdir()
  first = plan.pin(folder, str(tree), 2, scratch)
  write(tree / '0.png')
  (tree / '2.png').unlink()
  assert plan.pin(folder, str(tree), 2, scratch) == first
  found = plan.open_source(first, plan.listing_of(folder)).entries(0, 2)
  assert [entry.name for entry in found] == ['2', '10']


@pytest.mark.parametrize('count', [1, 2, 3, 7])
def test_shards_share_all_blocks(count):
  made = plan.BlockPlan('x', 23, 5, None, [])
  blocks = [b for i in range(count) for b in made.blocks(plan.Shard(i, count))]
  assert sorted(blocks) == list(range(5))
  assert made.bounds(4) == (20, 23)


class Bucket(MemoryFileSystem):
  """What gcsfs would give, but in memory."""

  protocol = ('gs', 'gcs')
  store: ClassVar[dict] = {}
  pseudo_dirs: ClassVar[list] = ['']

  @classmethod
  def _strip_protocol(cls, path):
    return super()._strip_protocol(path.removeprefix('gs://'))


@pytest.fixture
def bucket(monkeypatch):
  memory = Bucket()
  monkeypatch.setattr(type(fsspec_backend), '_get_filesystem', lambda self, name: memory)
  return memory


def test_buckets(tmp_path, bucket):
  memory = bucket
  for i, name in enumerate(['bucket/p/2.png', 'bucket/p/10.png', 'bucket/p/a/1.png']):
    memory.pipe(name, file_of(Image.fromarray(noise(16, i))))
  source, found = entries_of(tmp_path, 'gs://bucket/p')
  assert [(entry.name, entry.source) for entry in found] == [
    ('2', 'gs://bucket/p/2.png'),
    ('10', 'gs://bucket/p/10.png'),
    ('a__1', 'gs://bucket/p/a/1.png'),
  ]
  np.testing.assert_array_equal(source.read(found[1]), noise(16, 1))
  memory.rm('bucket/p/2.png')
  with pytest.raises(data.ImageError, match=r'gs://bucket/p/2\.png: cannot be read'):
    source.read(found[0])


# TFDS and ArrayRecord.


def write_tfds(folder, images, split='train', kind='array_record', extra=None):
  """Writes a prepared TFDS data set of one split, without TensorFlow."""
  folder.mkdir(parents=True)
  features = tfds.features.FeaturesDict(
    {'image': tfds.features.Image(encoding_format='png'), 'label': np.int64, **(extra or {})}
  )
  name = f'things-{split}.{kind}-00000-of-00001'
  if kind == 'array_record':
    writer = ArrayRecordWriter(str(folder / name), 'group_size:1')
    for i, image in enumerate(images):
      writer.write(features.serialize_example({'image': io.BytesIO(image), 'label': i}))
    writer.close()
  else:
    (folder / name).write_bytes(b'')
  tfds.folder_dataset.write_metadata(
    data_dir=folder,
    features=features,
    split_infos=[
      tfds.core.SplitInfo(
        name=split, shard_lengths=[len(images)], num_bytes=0, filename_template=None
      )
    ],
    check_data=False,
  )


def images(count):
  return [file_of(Image.fromarray(noise(16, i))) for i in range(count)]


@pytest.mark.parametrize('spec', ['{}', 'tfds:{}:train', 'tfds:{}:train[1:]'])
def test_tfds_folders(tmp_path, spec):
  write_tfds(tmp_path / 'set', [*images(3), b'broken'])
  source, found = entries_of(tmp_path, spec.format(tmp_path / 'set'))
  skipped = 1 if '[' in spec else 0
  assert len(found) == 4 - skipped
  np.testing.assert_array_equal(source.read(found[1]), noise(16, 1 + skipped))
  with pytest.raises(data.ImageError, match='known format'):
    source.read(found[-1])


def test_tfds_parquet(tmp_path):
  write_tfds(tmp_path / 'set', images(2))
  import pyarrow
  import pyarrow.parquet

  features = tfds.features.FeatureConnector.from_config(str(tmp_path / 'set'))
  records = [
    features.serialize_example({'image': io.BytesIO(image), 'label': 0}) for image in images(2)
  ]
  table = pyarrow.table({'data': pyarrow.array(records, pyarrow.binary())})
  pyarrow.parquet.write_table(table, tmp_path / 'set' / 'things-train.parquet-00000-of-00001')
  info = tmp_path / 'set' / 'dataset_info.json'
  info.write_text(info.read_text().replace('"array_record"', '"parquet"'))
  source, found = entries_of(tmp_path, tmp_path / 'set')
  np.testing.assert_array_equal(source.read(found[1]), noise(16, 1))


def test_tfrecord_says_how_to_prepare_it_again(tmp_path):
  write_tfds(tmp_path / 'set', images(2), kind='tfrecord')
  with pytest.raises(data.SourceError, match='--file_format=array_record'):
    records.open_records(str(tmp_path / 'set'))


@pytest.mark.parametrize(
  ('spec', 'message'),
  [
    ('tfds:mnist', 'name a split'),
    ('tfds:no_such_data_set:train', 'TFDS cannot open it'),
    ('tfds:{}:test', 'its splits are train'),
    ('{}/nothing.array_record', 'no such file'),
  ],
)
def test_wrong_records_are_one_line(tmp_path, spec, message):
  write_tfds(tmp_path / 'set', images(1))
  with pytest.raises(data.SourceError, match=message) as caught:
    records.open_records(spec.format(tmp_path / 'set'))
  assert '\n' not in str(caught.value)


def test_array_records_of_pictures_and_of_examples(tmp_path):
  write_tfds(tmp_path / 'set', images(2))
  path = tmp_path / 'raw.array_record-00000-of-00001'
  writer = ArrayRecordWriter(str(path), 'group_size:1')
  for image in images(2):
    writer.write(image)
  writer.close()
  for spec in (path, tmp_path / 'set' / '*.array_record-*'):
    source, found = entries_of(tmp_path, spec)
    assert len({entry.name for entry in found}) == 2
    np.testing.assert_array_equal(source.read(found[1]), noise(16, 1))


@pytest.mark.parametrize('spec', ['{}/set', 'tfds:{}/set:train', '{}/set/*.array_record-*'])
def test_training_reads_records_by_index(tmp_path, spec):
  write_tfds(tmp_path / 'set', images(3))
  pictures = Pictures(spec.format(tmp_path))
  assert len(pictures) == 3
  for i in (2, 0):
    np.testing.assert_array_equal(pictures.read(i), data.decode(images(3)[i]))
  assert pictures.entry(1).source.endswith('#1')


def test_a_file_that_is_no_array_record(tmp_path):
  (tmp_path / 'x.array_record').write_bytes(b'junk' * 100)
  with pytest.raises(data.SourceError, match='no ArrayRecord file'):
    records.open_records(str(tmp_path / 'x.array_record'))


def test_a_data_set_that_changed_is_refused(tmp_path):
  write_tfds(tmp_path / 'set', images(2))
  made = plan.make(str(tmp_path / 'set'), 2, tmp_path / 'listing')
  with pytest.raises(data.SourceError, match='holds 2 pictures, but 3'):
    plan.open_source(made._replace(num_pictures=3), tmp_path / 'listing')


def test_a_broken_plan_is_named(tmp_path):
  (tmp_path / '.ganjax').mkdir()
  (tmp_path / '.ganjax' / 'plan.json').write_text(json.dumps({'x': 1}))
  with pytest.raises(data.StoreError, match=r'plan\.json: broken'):
    plan.read(tmp_path)
