"""Which pictures are found, and that their names are unique, safe and steady."""

import os
import re

import numpy as np
import pytest

from ganjax.data import claim, store
from ganjax.data.names import MAX_NAME_BYTES, DistinctNames, face_name, name_of
from ganjax.data.sources import SourceError, find


@pytest.fixture
def photos(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folder = tmp_path / 'photos'
  folder.mkdir()
  return folder


def touch(folder, *names):
  for name in names:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def names(pattern):
  return [item.name for item in find(pattern)]


def test_a_file(photos):
  touch(photos, 'astronaut.png', 'other.png')
  (item,) = find('photos/astronaut.png')
  assert item.name == 'astronaut'
  assert str(item.path) == 'photos/astronaut.png'


def test_a_named_file_is_tried_whatever_it_is_called(photos):
  touch(photos, 'scan', 'notes.txt', 'really[1].png')
  assert len(find('photos/scan')) == len(find('photos/notes.txt')) == 1
  assert find('photos/really[1].png')[0].path.name == 'really[1].png'


def test_a_folder_in_natural_order_and_without_what_is_no_picture(photos):
  touch(photos, 'x10.png', 'x2.png', 'x1.PNG', 'notes.txt', '.hidden.png', '.git/a.png', 'b/x1.png')
  paths = [item.path.relative_to('photos').as_posix() for item in find('photos')]
  assert paths == ['b/x1.png', 'x1.PNG', 'x2.png', 'x10.png']


def test_the_home_folder(photos, monkeypatch):
  monkeypatch.setenv('HOME', str(photos.parent))
  touch(photos, 'x.png')
  assert find('~/photos')[0].path == photos / 'x.png'


def test_globs(photos):
  touch(photos, 'x.png', 'y.jpg', 'notes.txt', 'b/z.png', 'b/c/x.png')
  assert names('photos/*.png') == ['x']
  assert names('photos/x*') == ['x']
  assert names('photos/**/*.png') == ['b__c__x', 'b__z', 'x']
  assert names('photos/*') == ['b__c__x', 'b__z', 'x', 'y']  # a matched folder gives its own
  assert names('photos/**') == ['b__c__x', 'b__z', 'x', 'y']  # each once
  assert names(f'{photos}/[xy].*') == names('photos/[xy].*') == ['x', 'y']


def test_own_output_is_no_input(photos):
  touch(photos, 'x.png')
  with store.Store.open(photos / 'out', {}) as output:
    output.write_image('restored', 'x', np.zeros((1, 1, 3), np.uint8))
  assert names('photos') == ['x']
  assert names('photos/*') == ['x']
  assert names('photos/out/restored') == ['x']  # unless it is asked for


@pytest.mark.parametrize('pattern', ['photos', 'photos/*.png', 'photos/nothing.png', ''])
def test_nothing_found_says_what_to_do(photos, pattern):
  touch(photos, 'notes.txt')
  with pytest.raises(
    SourceError, match=r'check the path|no pictures found; name|no input'
  ) as caught:
    find(pattern)
  assert str(caught.value).startswith(pattern)
  assert '\n' not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may list every folder')
def test_a_closed_folder_is_named(photos):
  touch(photos, 'closed/x.png')
  (photos / 'closed').chmod(0)
  try:
    with pytest.raises(SourceError, match='closed: cannot be listed'):
      find('photos')
  finally:
    (photos / 'closed').chmod(0o700)


def test_links_in_a_circle_end(photos):
  touch(photos, 'x.png')
  (photos / 'loop').symlink_to(photos)
  assert names('photos') == ['x']


CLASHING = [
  'x.png', 'X.png', 'x_0.png', 'x.jpg.png', 'a/x.png', 'b/x.png', 'a_x.png', 'a__x.png',
  'a/_x.png', 'a_/x.png', 'a b.png', 'a?b.png', 'a_b.png', 'ä.png', 'a\u0308.png', '人.png',
  '-rf.png', '_rf.png', 'a..b.png', 'a.b.png', 'a\nb.png', 'x' * 200 + '1.png',
  'x' * 200 + '2.png', '人' * 80 + '.png',
]  # fmt: skip


def test_names_are_unique_and_safe():
  given = [name_of(relative) for relative in CLASHING]
  given += [name_of(f'{name}.png') for name in given if '-' in name]  # a forged hash
  assert len(set(given)) == len(given)
  for name in given:
    assert re.fullmatch(r'\w[\w.-]*', name)
    assert '..' not in name
    assert len(name.encode()) <= MAX_NAME_BYTES + 17
    assert claim.is_safe(f'restored/{name}.png')


def test_plain_names_stay_plain():
  plain = {'x.png': 'x', 'x.jpg': 'x', 'a/x.jpg': 'a__x', 'a b.png': 'a_b-', 'ä.png': 'ä'}
  for relative, name in plain.items():
    assert re.fullmatch(f'{name}[0-9a-f]{{10}}' if name[-1] == '-' else name, name_of(relative))


def test_only_the_first_of_equal_stems_keeps_its_name(photos):
  touch(photos, 'x.jpg', 'x.png', 'x.webp', 'x_1.png')
  first, *others, plain = names('photos')
  assert (first, plain) == ('x', 'x_1')
  assert all(re.fullmatch(r'x-[0-9a-f]{10}', name) for name in others)
  assert len(set(others)) == 2


def test_faces_are_numbered():
  assert [face_name('two', i) for i in range(2)] == ['two_0', 'two_1']


def test_undecodable_names_are_escaped(photos):
  try:
    (photos / os.fsdecode(b'a\xff.png')).touch()
  except OSError:
    pytest.skip('this file system takes only UTF-8 names')
  assert re.fullmatch(r'a_-[0-9a-f]{10}', find('photos')[0].name)


def test_more_pictures_rename_none(photos):
  seen: dict = {}
  for relative in CLASHING:
    touch(photos, relative.replace('\n', '~') if relative != 'a_/x.png' else 'q/x.png')
    items = {item.path: item.name for item in find('photos')}
    assert seen.items() <= items.items()
    seen = items
  assert len(set(seen.values())) == len(seen)


def test_of_two_results_with_one_name_the_later_gets_a_hash():
  distinct = DistinctNames()
  given = [('me_0', 'me.jpg'), ('me_1', 'me.jpg'), ('me_1', 'me_1.jpg'), ('me', 'x/me.jpg')]
  names = [distinct(*one) for one in given]
  assert names[:2] == ['me_0', 'me_1']
  assert names[2].startswith('me_1-')
  assert names[3] == 'me'
  assert len(set(names)) == 4
