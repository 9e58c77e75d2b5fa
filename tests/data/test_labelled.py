"""Pictures with classes, from folders and CSVs."""

import numpy as np
import pytest
from PIL import Image

from ganjax.data import SourceError
from ganjax.data.labelled import find_labelled, read_scores


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
    ('filename,label,split\na.png,1,test\n', "line 2: split 'test'"),
    ('filename,label\na.png,1\nb.png,0\nx/../a.png,0\n', 'lines 2 and 4 contradict .* on x/../a'),
    ('filename,label,split\na.png,1,train\nb.png,0,\na.png,1,\n', 'lines 2 and 4 contradict'),
    ('filename,label\n,1\nb.png,0\n', 'line 2: names no file'),
    ('filename,label\na,b.png,1\nb.png,0\n', 'line 2: 3 fields, but 2 columns'),
  ],
)
def test_a_wrong_csv_is_named(tmp_path, text, message):
  (tmp_path / 'labels.csv').write_text(text)
  with pytest.raises(SourceError, match=message):
    find_labelled(tmp_path / 'labels.csv')


def test_wrong_folders_are_named(tmp_path):
  with pytest.raises(SourceError, match='no such folder or CSV'):
    find_labelled(tmp_path / 'missing.csv')
  picture(tmp_path / 'one/a.png')
  with pytest.raises(SourceError, match="only the class 'one'"):
    find_labelled(tmp_path)
  picture(tmp_path / 'b.png')
  with pytest.raises(SourceError, match='lies in no class folder'):
    find_labelled(tmp_path)


PLAIN = 'Filename, Label ,SPLIT\np 1.png, Yes,Train\n\nß.png,no ,\nc.png,YES,\nc.png,yes,\n,,\n'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'cp1252'])
@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
@pytest.mark.parametrize('line_end', ['\n', '\r\n', '\r'])
def test_csvs_as_spreadsheet_programs_write_them(tmp_path, encoding, delimiter, line_end):
  text = PLAIN.replace(',', delimiter).replace('\n', line_end)
  path = tmp_path / 'labels.csv'
  path.write_bytes(text.encode(encoding))
  assert [(one.item.path.name, one.label, one.split) for one in find_labelled(path)] == [
    ('p 1.png', 'Yes', 'train'),
    ('ß.png', 'no', ''),
    ('c.png', 'Yes', ''),
  ]


def test_csvs_that_name_their_delimiter_or_quote_it(tmp_path):
  path = tmp_path / 'labels.csv'
  path.write_text('sep=;\n"filename";"label"\n"a;b.png";1\n"c,d.png"; "0"\n')
  found = find_labelled(path)
  assert [(one.item.path.name, one.label) for one in found] == [('a;b.png', '1'), ('c,d.png', '0')]


@pytest.mark.parametrize(
  'content',
  [b'PK\x03\x04 xlsx', b'\xd0\xcf\x11\xe0 xls', 'filename'.encode('utf-16-be'), b'\x81\xff'],
)
def test_what_is_no_csv_says_how_to_get_one(tmp_path, content):
  (tmp_path / 'labels.csv').write_bytes(content)
  with pytest.raises(SourceError, match=r'labels\.csv: .*save it as CSV \(UTF-8\)'):
    find_labelled(tmp_path / 'labels.csv')


@pytest.mark.parametrize(
  'text',
  [
    '\ufeffname,label\n1,yes\n2,no\n1,YES\n',
    'Name;Score\n1;0,5\n2;-1,25\n',
    'name\tscore\n1\t.5\n2\t-1\n3\t\n',
  ],
)
def test_scores_by_name(tmp_path, text):
  path = tmp_path / 'scores.csv'
  path.write_text(text, 'utf-8')
  scores = read_scores(str(path), ['2', '1', '3'], None)
  np.testing.assert_array_equal(np.sign(scores), [-1, 1, np.nan])


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('name,label\n1,yes\n2,no\n1,no\n', 'lines 2 and 4 contradict each other on 1'),
    ('name,score\n1,much\n', "line 2: 'much' is no score"),
    ('label\nyes\n', 'no column name'),
    ('name,note\n1,x\n', 'needs the columns name and label'),
    ('name,label\n1,yes\n', 'needs two classes'),
    ('name,score\n7,1\n', 'names none of the latents'),
  ],
)
def test_wrong_scores_are_named(tmp_path, text, message):
  path = tmp_path / 'scores.csv'
  path.write_text(text)
  with pytest.raises(SourceError, match=message):
    read_scores(str(path), ['1'], None)
