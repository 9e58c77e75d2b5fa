import html.parser
import json
import pathlib
import re
import urllib.parse

import numpy as np
import pytest
from PIL import Image

import ganjax.report.cards
import ganjax.report.page
from ganjax.data.claim import FORMAT
from ganjax.report import ReportError, write_report

HOSTILE = '<script>alert(1)</script>"\' onerror=x & ü %2e#?'
VOID = {'meta', 'img', 'input', 'br', 'link'}


class Page(html.parser.HTMLParser):
  """Parses strictly: every element must be closed in order."""

  def __init__(self, path: pathlib.Path):
    super().__init__()
    self.elements: list[tuple[str, dict[str, str | None]]] = []
    self.text = ''
    self._open: list[str] = []
    self.source = path.read_text('utf-8')
    self.feed(self.source)
    self.close()
    assert self._open == []

  def handle_starttag(self, tag, attrs):
    assert len({name for name, _ in attrs}) == len(attrs)
    self.elements.append((tag, dict(attrs)))
    if tag not in VOID:
      self._open.append(tag)

  def handle_endtag(self, tag):
    assert self._open.pop() == tag

  def handle_data(self, data):
    if self._open and self._open[-1] not in ('style', 'script'):
      self.text += data

  def all(self, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in self.elements if name == tag]

  def links(self) -> list[str]:
    return [
      value
      for _, attributes in self.elements
      for key in ('src', 'href')
      if (value := attributes.get(key))
    ]


TRUE = {'psnr': 24.0, 'ssim': 0.8, 'psnr_degraded': 20.0, 'ssim_degraded': 0.5}


def make_run(folder: pathlib.Path, names=('one',), *, drop=(), more=(), metrics=TRUE, **config):
  """A run folder with tiny pictures; records lack the kinds in `drop`, and have those in `more`."""
  folder.mkdir(parents=True)
  header = {'format': FORMAT, 'hash': '', 'config': {'task': 'deblur', 'seed': 7, **config}}
  (folder / 'config.json').write_text(json.dumps(header))
  lines = []
  for name in names:
    files = {
      kind: f'{kind}/{name.replace("/", "_")}.{end}'
      for kind, end in {
        'photo': 'png',
        'aligned': 'png',
        'degraded': 'png',
        'restored': 'png',
        'pasted': 'png',
        'latent': 'npz',
        'curve': 'png',
        'progress': 'webp',
        **dict.fromkeys(more, 'png'),
      }.items()
      if kind not in drop
    }
    for kind, path in files.items():
      target = folder / path
      target.parent.mkdir(exist_ok=True)
      side = 4 if kind == 'degraded' else 16
      if kind == 'latent':
        target.write_bytes(b'npz')
      else:
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(target)
    lines.append(json.dumps({
      'name': name, 'source': f'in/{name}.jpg', 'num_results': 1,
      'task': config.get('task', 'deblur'),
      'files': files, 'metrics': metrics, 'loss': 0.12, 'settled_at': 312, 'num_steps': 500,
      'seconds': 4.1,
    }))  # fmt: skip
  (folder / 'results.jsonl').write_text(''.join(f'{line}\n' for line in lines))
  return folder


def change(run: pathlib.Path, *changes: dict):
  """Changes the records of a run, one by one; 'files' are added to those that are there."""
  path = run / 'results.jsonl'
  records = [json.loads(line) for line in path.read_text().splitlines()]
  for record, new in zip(records, changes, strict=True):
    files = record['files'] | new.get('files', {})
    record.update({**new, 'files': {k: v for k, v in files.items() if v}})
  path.write_text(''.join(json.dumps(record) + '\n' for record in records))


def make_group(folder: pathlib.Path, count=3, failed=0, **options):
  """A photo of several faces that came damaged, and whose picture has all of them restored."""
  names = [f'group_{i}' for i in range(count)]
  run = make_run(folder, names[: count - failed], metrics={'fidelity': 31.0}, **options)
  Image.new('RGB', (20, 30)).save(run / 'photo/group.png')
  Image.new('RGB', (200, 300)).save(run / 'pasted/group.png')
  whole = {
    'source': 'in/group.jpg',
    'num_results': count,
    'files': {'photo': 'photo/group.png', 'pasted': 'pasted/group.png'},
  }
  change(run, *[whole] * (count - failed))
  for name in names[count - failed :]:
    fail(run, name=name, source='in/group.jpg', reason='the hole covers both eyes')
  return run


def fail(run: pathlib.Path, **failure):
  with open(run / 'failures.jsonl', 'a') as file:
    file.write(json.dumps({'name': 'failed', **failure}) + '\n')


def assert_links_lead_to_files(page: Page, folder: pathlib.Path):
  for link in page.links():
    if link.startswith('#'):
      assert link[1:] in {attributes.get('id') for _, attributes in page.elements}
      continue
    parts = urllib.parse.urlsplit(link)
    assert not any((parts.scheme, parts.netloc, parts.query, parts.fragment))
    assert (folder / urllib.parse.unquote(parts.path)).is_file()


def test_a_run_gives_a_page_with_all_its_parts(tmp_path):
  run = make_run(tmp_path / 'out', ['one', 'two'], degradation='blur(kernel_size=25)')
  path = write_report(run)
  assert path == run / 'report.html'
  page = Page(path)
  assert_links_lead_to_files(page, run)
  assert len(page.all('article')) == 2
  for kind in ('photo', 'pasted', 'degraded', 'restored', 'aligned', 'curve', 'progress'):
    assert any(f'/{kind}/two.' in img['src'] for img in page.all('img') if img.get('src'))
  assert './latent/one.npz' in page.links()
  assert 'blur(kernel_size=25)' in page.text
  assert 'settled at step 312 of 500' in page.text
  assert '4.1 s' in page.text
  assert 'mean PSNR over 2: 20.0 → 24.0 dB (+4.0 dB)' in page.text
  assert not list(run.glob('.*tmp'))


def test_the_headline_counts_and_averages_over_all_runs(tmp_path):
  make_run(tmp_path / 'a', ['one', 'two'])
  make_run(
    tmp_path / 'b', ['three'], metrics={'psnr': 30.0, 'psnr_degraded': 17.0}, task='colorize'
  )
  fail(tmp_path / 'a', source='x.jpg', reason='no face found')
  make_run(tmp_path / 'deep' / 'er', ['unseen'])
  page = Page(write_report(tmp_path))
  text = ' '.join(page.text.split())
  assert 'deblur, colorize' in text
  assert '3 photos, 3 faces restored, 1 failed' in text
  assert 'mean PSNR over 3: 19.0 → 26.0 dB (+7.0 dB)' in text
  assert 'mean SSIM over 2: 0.50 → 0.80 (+0.30)' in text
  assert 'unseen' not in text
  assert [s['id'] for s in page.all('section') if 'id' in s] == ['run-1', 'run-2']
  assert {'#run-1', '#run-2'} <= set(page.links())
  assert_links_lead_to_files(page, tmp_path)


def test_runs_may_be_named(tmp_path):
  for name in 'abc':
    make_run(tmp_path / name, [f'picture {name}'])
  text = Page(write_report(tmp_path, [tmp_path / 'c', tmp_path / 'a'])).text
  assert text.index('picture c') < text.index('picture a')
  assert 'picture b' not in text


def test_a_mean_compares_the_same_pictures(tmp_path):
  """A picture without a degraded figure must not lift the mean after."""
  run = make_run(tmp_path / 'out', ['one'], metrics={'psnr': 24.0, 'psnr_degraded': 20.0})
  other = json.dumps({'name': 'two', 'source': 'two.jpg', 'metrics': {'psnr': 60.0}})
  with open(run / 'results.jsonl', 'a') as file:
    file.write(other + '\n')
  assert '20.0 → 24.0 dB' in Page(write_report(run)).text


def test_opens_offline(tmp_path):
  source = Page(write_report(make_run(tmp_path / 'out'))).source
  assert not re.search(r'https?:|//[a-z]|@import|url\(', source)
  assert "script-src 'sha256-" in source


def test_every_picture_has_an_alternative_text_and_loads_lazily(tmp_path):
  page = Page(write_report(make_run(tmp_path / 'out', ['one'])))
  pictures = [img for img in page.all('img') if img.get('src')]
  assert len(pictures) == 9  # seven files, two of them again in the slider
  assert all(img['alt'].startswith('one, ') for img in pictures)
  # What the first screen shows is there at once.
  assert [img.get('loading') for img in pictures] == [None, None, *['lazy'] * 7]


def test_headings_descend_without_gaps(tmp_path):
  def levels():
    elements = Page(write_report(tmp_path)).elements
    return [int(tag[1]) for tag, _ in elements if re.fullmatch('h[1-6]', tag)]

  make_run(tmp_path / 'a')
  assert levels() == [1, 2]
  make_group(tmp_path / 'b', 2)
  assert levels() == [1, 2, 3, 2, 3, 4, 4, 2]


def test_a_low_resolution_picture_is_enlarged_by_pixels(tmp_path):
  page = Page(write_report(make_run(tmp_path / 'out')))
  blocky = {img['src'] for img in page.all('img') if img.get('class') == 'blocky'}
  assert blocky == {'./degraded/one.png'}


@pytest.mark.parametrize('name', [HOSTILE, '--><!--', '日本 ü', 'a:b', 'javascript:alert(1)'])
def test_hostile_names_stay_text(tmp_path, name):
  run = make_run(tmp_path / 'out & <b>', [name], degradation=name, **{name: name})
  fail(run, source=name, reason=f'{name}!')
  page = Page(write_report(tmp_path))
  assert len(page.all('script')) == 1
  assert not page.all('b')
  assert not any(key.startswith('on') for _, attributes in page.elements for key in attributes)
  assert f'{name}!' in page.text
  assert any(img['alt'] == f'{name}, restored' for img in page.all('img'))
  assert len([img for img in page.all('img') if img.get('src')]) == 9
  assert_links_lead_to_files(page, tmp_path)


@pytest.mark.parametrize(
  'path',
  ['../secret.png', '/etc/hostname', 'https://x.org/a.png', '//x.org/a', 'a\0b', '\ud800', '.', ''],
)
def test_paths_that_lead_elsewhere_are_not_followed(tmp_path, path):
  run = make_run(tmp_path / 'out', [])
  (tmp_path / 'secret.png').write_bytes(b'')
  record = {
    'name': 'one',
    'source': 'one',
    'files': {'restored': path, 'latent': path, 'aligned': path},
  }
  (run / 'results.jsonl').write_text(json.dumps(record) + '\n')
  page = Page(write_report(run))
  assert [link for link in page.links() if '.json' not in link] == []


def captions(page: Page) -> list[str]:
  """What stands below the pictures, without the links."""
  found = re.findall(
    '<figcaption>(.*?)(?:<a class="save".*?)?</figcaption>', page.source, re.DOTALL
  )
  return [' '.join(re.sub('<[^>]*>', '', said).split()) for said in found]


def saved(page: Page) -> list[tuple[str | None, str | None]]:
  """What is saved, and as what."""
  return [(a['href'], a['download']) for a in page.all('a') if a.get('class') == 'save']


def test_missing_files_leave_a_placeholder(tmp_path):
  run = make_run(tmp_path / 'out')
  (run / 'restored/one.png').unlink()
  (run / 'curve/one.png').unlink()
  (run / 'degraded/one.png').write_bytes(b'not a picture')
  page = Page(write_report(run))
  assert sum('missing' in div.get('class', '') for div in page.all('div')) == 2
  assert 'restored/one.png' in page.text
  assert not page.all('input')  # half a slider compares nothing
  assert_links_lead_to_files(page, run)


@pytest.mark.parametrize(
  ('drop', 'metrics', 'labels'),
  [
    (('aligned', 'pasted'), {}, ['degraded ↔ restored', 'degraded', 'restored', 'photo']),
    (('degraded', 'photo', 'pasted'), {'psnr': 30.0}, ['restored', 'truth']),
    (('degraded', 'restored', 'photo', 'pasted'), {}, ['aligned']),
  ],
)
def test_absent_parts_are_left_out(tmp_path, drop, metrics, labels):
  run = make_run(tmp_path / 'out', drop=(*drop, 'curve', 'progress'), metrics=metrics)
  page = Page(write_report(run))
  assert captions(page) == labels
  assert 'missing' not in [div.get('class') for div in page.all('div')]
  assert len(page.all('table')) == 1 + bool(metrics)


def test_completed_pictures_have_a_column_and_lead_the_means(tmp_path):
  whole = {'fidelity': 31.0, 'psnr_completed': 28.0, 'psnr': 24.0, 'psnr_degraded': 20.0}
  page = Page(write_report(make_run(tmp_path / 'a', ['one', 'more'], metrics=whole)))
  text = ' '.join(page.text.split())
  assert 'mean PSNR over 2, completed: 20.0 → 28.0 dB (+8.0 dB)' in text
  table = re.search('<table class="metrics">(.*?)</table>', page.source)[1]
  rows = [re.findall('<t[hd][^>]*>([^<]*)</t', row) for row in table.split('<tr>')[1:]]
  assert rows == [
    ['', 'degraded', 'completed', 'restored'],
    ['fidelity over the crop, dB', '–', '–', '31.0'],
    ['PSNR over the crop, dB', '20.0', '28.0', '24.0'],
  ]
  make_run(tmp_path / 'b', ['two'], metrics={'psnr': 26.0, 'psnr_degraded': 17.0})
  text = ' '.join(Page(write_report(tmp_path)).text.split())
  assert 'mean PSNR over 3: 19.0 → 27.3 dB (+8.3 dB)' in text


def test_a_face_that_the_run_damaged_itself_is_its_own_before_and_after(tmp_path):
  """The photo as it came is the truth, and no 'before'."""
  page = Page(write_report(make_run(tmp_path / 'out', more=('completed',))))
  assert captions(page)[:5] == [
    'degraded ↔ completed', 'degraded', 'completed', 'restored', 'truth',
  ]  # fmt: skip
  assert saved(page) == [('./completed/one.png', 'one completed.png')]
  before, after = page.all('img')[:2]
  assert (before['alt'], after['alt']) == ('one, degraded', 'one, completed')
  assert len(page.all('input')) == 1


def test_the_whole_photo_before_and_after_comes_first(tmp_path):
  page = Page(write_report(make_group(tmp_path / 'out', 2, more=('completed',))))
  assert len(page.all('article')) == 1
  before, after = page.all('img')[:2]
  assert (before['src'], after['src']) == ('./photo/group.png', './pasted/group.png')
  assert saved(page) == [('./pasted/group.png', 'group restored.png')]
  assert page.all('figure')[0]['style'] == '--ratio: 0.6667'
  # Once for both faces, whose own sliders follow their pictures.
  assert sum('pasted' in (img.get('src') or '') for img in page.all('img')) == 1
  face = ['degraded', 'completed', 'restored', 'truth', 'degraded ↔ completed', 'loss curve']
  assert [re.sub(', settled.*', '', said) for said in captions(page)] == [
    'as it came ↔ restored', *[*face, 'progress'] * 2,
  ]  # fmt: skip
  assert '1 photo, 2 faces restored' in page.text


def test_faces_stand_under_their_photo_by_name(tmp_path):
  run = make_group(tmp_path / 'out')
  record = {'name': 'alone', 'source': 'in/alone.jpg', 'num_results': 1, 'task': 'deblur'}
  with open(run / 'results.jsonl', 'a') as file:
    file.write(json.dumps(record) + '\n')
  page = Page(write_report(run))
  titles = re.findall('<h[23] [^>]*>([^<]*)</h', page.source)
  assert titles == ['group', 'group_0', 'group_1', 'group_2', 'alone']
  assert '2 photos, 4 faces restored' in page.text
  assert_links_lead_to_files(page, run)


def test_a_face_that_failed_is_told_on_its_photos_card(tmp_path):
  run = make_group(tmp_path / 'out', 2, failed=1)
  page = Page(write_report(run))
  card = page.source.split('<article')[1].split('</article>')[0]
  assert 'One face left as it was (group_1): the hole covers both eyes' in card
  assert '>group</h2>' in card
  assert '1 photo, 1 face restored, 1 failed' in ' '.join(page.text.split())
  (listed,) = [details for details in page.all('details') if details.get('class') == 'failures']
  assert 'open' not in listed
  fail(run, name='dog', source='in/dog.jpg', reason='no face found')
  (listed,) = [d for d in Page(write_report(run)).all('details') if d.get('class') == 'failures']
  assert 'open' in listed


def test_pictures_of_earlier_versions_stay_with_their_faces(tmp_path):
  """They pasted one face back at a time."""
  run = make_run(tmp_path / 'out', ['group_0', 'group_1'], metrics={'fidelity': 30.0})
  change(run, *[{'source': 'in/group.jpg', 'num_results': 2}] * 2)
  page = Page(write_report(run))
  assert len(page.all('article')) == 1
  sources = [img.get('src') for img in page.all('img')]
  assert sources[:2] == ['./degraded/group_0.png', './restored/group_0.png']
  assert saved(page) == [('./restored/group_0.png', 'group_0 restored.png')]
  assert {'./pasted/group_0.png', './pasted/group_1.png'} <= set(sources)
  one = Page(write_report(make_run(tmp_path / 'single', metrics={})))
  assert saved(one) == [('./pasted/one.png', 'one restored.png')]


def test_a_photo_that_cannot_be_shown_leaves_the_face(tmp_path):
  run = make_group(tmp_path / 'out', 1)
  (run / 'pasted/group.png').unlink()
  page = Page(write_report(run))
  assert saved(page) == [('./restored/group_0.png', 'group_0 restored.png')]
  assert 'pasted/group.png' in page.text


def test_holes_are_outlined_beside_the_face_and_not_in_its_slider(tmp_path):
  run = make_run(tmp_path / 'out', more=('outlined', 'mask'))
  page = Page(write_report(run))
  assert captions(page)[:4] == ['degraded ↔ restored', 'outlined', 'restored', 'truth']
  assert './mask/one.png' in page.links()
  (run / 'outlined/one.png').unlink()
  assert captions(Page(write_report(run)))[1] == 'degraded'


def test_notes_are_told(tmp_path):
  run = make_run(tmp_path / 'out')
  change(run, {'notes': ['12 % of the face is hidden', HOSTILE, 7], 'hidden': 0.123})
  page = Page(write_report(run))
  assert '<li>12 % of the face is hidden</li>' in page.source
  assert HOSTILE in page.text
  assert '12.3 % hidden' in page.text
  change(run, {'notes': 'none', 'hidden': 'much'})
  assert len(Page(write_report(run)).all('li')) == 0


def test_figures_are_in_a_fold_and_explained_once(tmp_path):
  run = make_run(tmp_path / 'out', ['one', 'two'], metrics={'fidelity': 31.0, 'psnr': 24.0})
  change(run, {'hidden': 0.1}, {})
  page = Page(write_report(run))
  folds = re.findall('<details class="figures">.*?</details>', page.source, re.DOTALL)
  assert len(folds) == 2
  assert all('settled at step 312' in fold and '31.0' in fold for fold in folds)
  assert 'fidelity over what shows, dB' in folds[0]
  assert 'fidelity over the crop, dB' in folds[1]
  terms = re.findall('<dt>(.*?)</dt>', page.source)
  assert terms == [
    'degraded', 'restored', 'truth', 'fidelity', 'PSNR', 'hidden', 'loss', 'settled', 'seconds',
  ]  # fmt: skip
  assert 'Do not use it to find out' in page.text


@pytest.mark.parametrize(
  ('task', 'said'),
  [
    ('generate', '2 pictures generated'),
    ('deep_prior', '2 pictures restored'),
    ('interpolate', '2 walks drawn'),
    ('direction', '2 directions found'),
    ('something', '2 pictures done'),
  ],
)
def test_what_is_no_face_of_a_photo_has_a_card_of_its_own(tmp_path, task, said):
  run = make_run(tmp_path / 'out', ['one_0', 'one_1'], drop=('photo', 'pasted'), task=task)
  lines = [json.loads(line) for line in (run / 'results.jsonl').read_text().splitlines()]
  for line in lines:
    del line['num_results']
    line['source'] = 'same'
  (run / 'results.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
  page = Page(write_report(run))
  assert said in page.text
  assert 'photo' not in page.text.split('one_0')[0]
  assert len(page.all('article')) == 2


def test_many_pictures_are_capped_and_counted(tmp_path, monkeypatch):
  monkeypatch.setattr(ganjax.report.page, 'MAX_CARDS', 3)
  run = make_run(tmp_path / 'out', [f'picture{i}' for i in range(8)])
  page = Page(write_report(run))
  assert len(page.all('article')) == 3
  assert 'The first 3 of 8 are shown' in page.text
  assert '8 photos, 8 faces restored' in page.text


def test_a_crowd_is_capped_and_counted(tmp_path, monkeypatch):
  monkeypatch.setattr(ganjax.report.cards, 'MAX_FACES', 2)
  page = Page(write_report(make_group(tmp_path / 'out', 5)))
  assert 'and 3 more faces' in page.text
  assert 'group_2' not in page.text


def test_failures_are_listed(tmp_path):
  run = make_run(tmp_path / 'out', [])
  fail(run, source='in/group.jpg', name='group', reason='no face found; pass --align=never')
  text = Page(write_report(run)).text
  assert 'in/group.jpg' in text
  assert 'no face found; pass --align=never' in text
  assert 'No picture was finished' in text


def test_half_written_and_strange_records_are_survived(tmp_path):
  run = make_run(tmp_path / 'out')
  strange: list[dict] = [
    {'name': 3, 'files': [], 'metrics': 4, 'loss': 'x', 'settled_at': True},
    {'name': 'b', 'metrics': {'psnr': np.nan, 'ssim': np.inf, 'mse': 10**400}, 'seconds': -np.inf},
    {'name': '\ud800', 'files': {'restored': None, 'curve': 7}, 'task': ['a']},
    {'name': None},
  ]
  with open(run / 'results.jsonl', 'ab') as file:
    for record in strange:
      file.write(json.dumps({'source': 'x', **record}).encode() + b'\n')
    file.write(b'{"name": "half\xff')
  page = Page(write_report(run))
  assert len(page.all('article')) == 5
  assert not re.search(r'\b(nan|inf)\b', page.text.lower())


def test_one_broken_run_does_not_cost_the_others(tmp_path):
  make_run(tmp_path / 'a')
  broken = make_run(tmp_path / 'b', ['lost'])
  (broken / 'results.jsonl').write_text('not JSON\n')
  page = Page(write_report(tmp_path))
  assert 'line 1 is broken' in page.text
  assert len(page.all('article')) == 1
  with pytest.raises(ReportError, match='line 1 is broken'):
    write_report(broken)


def test_a_second_report_replaces_the_first(tmp_path):
  run = make_run(tmp_path / 'out')
  first = write_report(run).read_text()
  fail(run, source='x', reason='y')
  assert write_report(run).read_text() != first


def test_a_failed_write_leaves_the_old_page(tmp_path, monkeypatch):
  run = make_run(tmp_path / 'out')
  before = write_report(run).read_bytes()

  def refuse(*_):
    raise OSError('disk full')

  monkeypatch.setattr('os.replace', refuse)
  fail(run, source='x', reason='y')
  with pytest.raises(OSError, match='disk full'):
    write_report(run)
  assert (run / 'report.html').read_bytes() == before
  assert not list(run.glob('.*'))


def test_a_folder_without_runs_is_refused(tmp_path):
  with pytest.raises(ReportError, match=re.escape(f'{tmp_path}: no run found')):
    write_report(tmp_path)
  with pytest.raises(ReportError, match='no such folder'):
    write_report(tmp_path / 'absent')
