"""The report in a real browser: it opens offline, slides, zooms, and fits a phone."""

import pathlib
import shutil

import numpy as np
import pytest

from ganjax import data, report

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(scope='module')
def page_path(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  rng = np.random.default_rng(0)
  with data.Store.open(folder, {'task': 'deblur'}) as store:
    for name in ('anna', 'bert & <b>'):
      files = {
        kind: store.write_image(kind, name.split()[0], rng.integers(0, 256, (64, 64, 3), np.uint8))
        for kind in ('photo', 'degraded', 'restored', 'completed', 'aligned')
      }
      values = {'fidelity': 31.0, 'psnr': 24.0, 'psnr_degraded': 20.0, 'psnr_completed': 26.0}
      store.add_result({'name': name, 'source': f'{name}.png', 'files': files, 'metrics': values})
    store.add_failure('c.png', 'c', 'no face found')
  return report.write_report(pathlib.Path(folder))


@pytest.fixture(scope='module')
def browser():
  playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
  path = next(filter(None, map(shutil.which, BROWSERS)), None)
  if path is None:
    pytest.skip(
      f'none of {", ".join(BROWSERS)} found: the report is NOT being checked in a browser'
    )
  with playwright.sync_playwright() as running:
    started = running.chromium.launch(executable_path=path, args=['--no-sandbox'])
    yield started
    started.close()


@pytest.fixture
def page(browser, page_path):
  """The report without a network; whatever the browser complains of fails the test."""
  context = browser.new_context(offline=True, viewport={'width': 1200, 'height': 900})
  opened = context.new_page()
  complaints = []
  opened.on('console', lambda message: complaints.append(message.text))
  opened.on('pageerror', lambda error: complaints.append(str(error)))
  opened.goto(page_path.as_uri())
  yield opened
  context.close()
  assert complaints == []


def test_all_pictures_load_and_have_alternative_texts(page):
  page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
  page.wait_for_function(
    "[...document.querySelectorAll('main img')].every(i => i.complete && i.naturalWidth)"
  )
  texts = page.evaluate("[...document.querySelectorAll('main img')].map(i => i.alt)")
  assert len(texts) == 14
  assert all(texts)
  assert page.locator('h3', has_text='bert & <b>').count() == 1


def test_the_slider_moves_the_cut_by_keyboard(page):
  slider = page.locator('input[type=range]').first
  slider.focus()
  for _ in range(10):
    page.keyboard.press('ArrowRight')
  cut = slider.evaluate("s => s.parentElement.style.getPropertyValue('--cut')")
  assert cut == '60%'


def test_a_picture_opens_steps_and_zooms_by_keyboard(page):
  link = page.locator('a.zoom').first
  link.focus()
  page.keyboard.press('Enter')
  box = page.locator('dialog#lightbox')
  assert box.is_visible()
  first = page.locator('#lightbox-caption').inner_text()
  page.keyboard.press('ArrowRight')
  assert page.locator('#lightbox-caption').inner_text() != first
  page.keyboard.press('+')
  zoom = page.locator('.view img').evaluate("i => i.style.getPropertyValue('--zoom')")
  assert float(zoom) > 1
  page.keyboard.press('Escape')
  assert not box.is_visible()


def test_a_phone_needs_no_sideways_scrolling(page):
  page.set_viewport_size({'width': 360, 'height': 740})
  assert page.evaluate('document.documentElement.scrollWidth') <= 360
  # Cards cut off what leaves them, which would not make the page any wider.
  page.add_style_tag(content='.card { content-visibility: visible !important; }')
  assert page.evaluate("""[...document.querySelectorAll('.card')].every(
    card => [...card.querySelectorAll('*')].every(
      part => part.getBoundingClientRect().right <= card.getBoundingClientRect().right))""")


def test_four_faces_stand_in_pairs_on_a_phone(page):
  page.set_viewport_size({'width': 360, 'height': 740})
  boxes = [box.bounding_box() for box in page.locator('.card').first.locator('.face').all()]
  assert [box['x'] for box in boxes] == [boxes[0]['x'], boxes[1]['x']] * 2
  assert boxes[0]['y'] == boxes[1]['y'] < boxes[2]['y'] == boxes[3]['y']


def test_failures_are_shown(page):
  assert 'no face found' in page.content()
