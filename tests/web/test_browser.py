"""The page in a real browser, with a tiny network: from the photo to the saved picture."""

import contextlib
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import processes
import pytest

from ganjax import data

if importlib.util.find_spec('gradio') is None:  # to import it takes seconds
  pytest.skip('gradio is not installed: the page is NOT being checked', allow_module_level=True)
playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')

ASTRONAUT = pathlib.Path('scripts/demo/astronaut.png').resolve()
PATIENCE = 90_000  # ms, for programs to be compiled
# Left, top, right and bottom of the strokes, in shares of the photo.
STROKE = (0.36, 0.22, 0.44, 0.22)

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def address(weights_file, tmp_path_factory):
  """Where a server of the tiny network listens."""
  environment = {**os.environ, 'XLA_FLAGS': processes.QUICKLY_COMPILED}
  command = [sys.executable, '-m', 'ganjax', 'serve', f'--weights={weights_file}', '--port=0']
  folder = tmp_path_factory.mktemp('served')
  with (
    open(folder / 'errors.txt', 'w') as errors,
    subprocess.Popen(
      [*command, '--nowarm_up', f'--output={folder / "out"}'],
      stdout=subprocess.PIPE,
      stderr=errors,
      text=True,
      env=environment,
    ) as server,
  ):
    line = server.stdout.readline()
    found = re.search(r'http://127\.0\.0\.1:\d+', line)
    assert found, (folder / 'errors.txt').read_text()
    yield found[0]
    server.terminate()
    server.wait()


@pytest.fixture
def opened(browser, address):
  """Opens pages of any width; a request to elsewhere, or an error in a script, fails the test."""
  contexts, complaints = [], []

  def open_page(width=1200):
    context = browser.new_context(viewport={'width': width, 'height': 900}, accept_downloads=True)
    contexts.append(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on('request', lambda request: note(request.url))
    page.goto(address)
    page.wait_for_selector('#upload input[type=file]', state='attached')
    return page

  def note(url):
    if not url.startswith((address, 'data:', 'blob:', address.replace('http', 'ws'))):
      complaints.append(f'asked for {url}')

  yield open_page
  for context in contexts:
    context.close()
  assert complaints == []


def choose(page, path, told='face found'):
  page.set_input_files('#upload input[type=file]', path)
  page.locator('#told', has_text=told).wait_for()


def paint(page, stroke=STROKE):
  """Draws a line in the photo, which is square, and in the middle of the canvas."""
  told = page.locator('#told', has_text='is painted over')
  for _ in range(4):
    _wait_until_drawn(page)
    _draw(page, stroke)
    with contextlib.suppress(playwright.TimeoutError):
      told.wait_for(timeout=20_000)
      return
  raise AssertionError('the page takes no strokes')


def _wait_until_drawn(page):
  """The photo is drawn a while after its canvas is there; a stroke before that lies elsewhere."""
  shown = b''
  for _ in range(8):
    page.wait_for_timeout(1500)
    before, shown = shown, page.locator('#editor').screenshot()
    if shown == before and np.std(data.decode(shown)) > 30:  # an empty editor is nearly white
      return


def _draw(page, stroke):
  whole = page.locator('#editor canvas').first.bounding_box()
  side = 0.9 * min(whole['width'], whole['height'])  # the editor leaves a margin
  left, top = whole['x'] + (whole['width'] - side) / 2, whole['y'] + (whole['height'] - side) / 2
  start, end = zip(stroke[::2], stroke[1::2], strict=True)
  page.mouse.move(left + start[0] * side, top + start[1] * side)
  page.mouse.down()
  page.mouse.move(left + end[0] * side, top + end[1] * side, steps=6)
  page.mouse.up()


def set_steps(page, count):
  page.get_by_text('Advanced').click()
  page.get_by_label('Steps').fill(str(count))
  page.get_by_text('Advanced').click()


def status(page, text):
  page.locator('#status', has_text=text).wait_for()


def saved(page, button, tmp_path):
  with page.expect_download() as download:
    page.click(button)
  path = tmp_path / download.value.suggested_filename
  download.value.save_as(path)
  return path


def test_a_scratch_is_painted_over_and_restored_and_nothing_else_changes(opened, tmp_path):
  page = opened()
  choose(page, ASTRONAUT)
  paint(page)
  set_steps(page, 150)
  page.click('#restore')
  status(page, 'of 150')
  page.locator('#faces img').wait_for()
  status(page, '1 face restored')
  page.locator('#slider img').nth(1).wait_for(state='attached')
  path = saved(page, '#picture', tmp_path)
  assert path.name == 'astronaut-restored.png'
  photo, result = data.decode(ASTRONAUT), data.decode(path)
  changed = np.argwhere(np.any(photo != result, axis=2)) / len(photo)
  left, top, right, bottom = STROKE
  margin = 0.06  # half the brush, and what the editor's margin is not exactly
  assert len(changed)
  assert np.all(changed.min(0) > (top - margin, left - margin))
  assert np.all(changed.max(0) < (bottom + margin, right + margin))
  assert saved(page, '#archive', tmp_path).name == 'astronaut-ganjax.zip'
  # The restored face can be edited.
  page.get_by_role('tab', name='Latent space').click()
  page.get_by_label('Face', exact=True).click()
  page.get_by_role('option', name='astronaut').click()
  before = page.locator('#edited img').get_attribute('src')
  page.get_by_label('component 1').first.fill('3')
  page.wait_for_function(f"document.querySelector('#edited img').src !== {before!r}")


def test_a_phone_has_room_for_all_of_it(opened):
  page = opened(width=390)
  choose(page, ASTRONAUT)
  for tab in ('Latent space', 'Restore a photo'):
    page.get_by_role('tab', name=tab).click()
    page.wait_for_timeout(500)
    assert page.evaluate('document.documentElement.scrollWidth') <= 390


def test_stop_and_again_while_another_waits(opened):
  first, second = opened(), opened()
  for page, count in ((first, 2000), (second, 20)):
    choose(page, ASTRONAUT)
    page.get_by_text('grey or faded').click()
    set_steps(page, count)
  first.click('#restore')
  status(first, 'of 2000')
  second.click('#restore')
  status(second, 'Waiting for its turn')
  first.click('#stop')
  status(first, 'Stopped')
  status(second, '1 face restored')
  set_steps(first, 20)
  first.click('#restore')
  status(first, '1 face restored')


def test_errors_are_sentences(opened, tmp_path):
  page = opened()
  page.click('#restore')
  status(page, 'Choose a photo first.')
  (tmp_path / 'broken.png').write_bytes(b'no picture')
  choose(page, tmp_path / 'broken.png', 'broken.png')
  nobody = np.full((300, 300, 3), 128, np.uint8)
  (tmp_path / 'nobody.png').write_bytes(data.encode_png(nobody))
  page.locator('#upload').get_by_label('Clear').click()
  choose(page, tmp_path / 'nobody.png', 'No face was found')
  told = page.get_by_text('Paint roughly over the face first')
  for _ in range(4):  # a click while the page still takes in the photo is lost
    page.click('#there')
    with contextlib.suppress(playwright.TimeoutError):
      told.wait_for(timeout=20_000)
      break
  else:
    pytest.fail('nobody is told to paint')  # what was told may be gone by now
  paint(page, (0.3, 0.3, 0.7, 0.7))
  page.click('#there')
  page.locator('#told', has_text='1 face found').wait_for()
  page.wait_for_timeout(1500)  # the strokes go with the photo that they were painted on
  page.click('#restore')
  status(page, 'Say what is wrong with the photo')
