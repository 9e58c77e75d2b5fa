"""Pictures with classes, from folders and CSVs."""

import numpy as np
import pytest
from PIL import Image

from ganjax.data import SourceError
from ganjax.data.labelled import find_labelled


def picture(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


def test_folders_are_classes(tmp_path):
  for name in ('cat/a.png', 'cat/b.png', 'dog/deep/a.png'):
    picture(tmp_path / name)
  found = find_labelled(tmp_path)
  assert [(one.item.name, one.label, one.split) for one in found] == [
    ('cat__a', 'cat', ''),
    ('cat__b', 'cat', ''),
    ('dog__deep__a', 'dog', ''),
  ]


def test_a_csv_names_files_beside_it(tmp_path):
  path = tmp_path / 'labels.csv'
  path.write_text('filename,label,split\nx/a.png,1,train\nb.png,0,validation\nc.png,,train\n')
  found = find_labelled(path)
  assert [(one.item.path, one.label, one.split) for one in found] == [
    (tmp_path / 'x/a.png', '1', 'train'),
    (tmp_path / 'b.png', '0', 'validation'),
  ]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('file,label\na.png,1\n', 'no column filename'),
    ('filename,label\na.png,1\nb.png,1\n', "only the class '1'"),
    ('filename,label\n', 'no labels'),
    ('filename,label,split\na.png,1,test\n', "split 'test'"),
  ],
)
def test_a_wrong_csv_is_named(tmp_path, text, message):
  (tmp_path / 'labels.csv').write_text(text)
  with pytest.raises(SourceError, match=message):
    find_labelled(tmp_path / 'labels.csv')


def test_wrong_folders_are_named(tmp_path):
  with pytest.raises(SourceError, match='cannot be read as a folder or a CSV'):
    find_labelled(tmp_path / 'missing.csv')
  picture(tmp_path / 'one/a.png')
  with pytest.raises(SourceError, match="only the class 'one'"):
    find_labelled(tmp_path)
  picture(tmp_path / 'b.png')
  with pytest.raises(SourceError, match='lies in no class folder'):
    find_labelled(tmp_path)
