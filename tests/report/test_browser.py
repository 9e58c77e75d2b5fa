"""The report in a real browser: it opens offline, slides, zooms, and fits a phone."""

import pathlib

import numpy as np
import pytest

from ganjax import data, report


@pytest.fixture(scope='module')
def page_path(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  rng = np.random.default_rng(0)

  def picture(height=64, width=64):
    return rng.integers(0, 256, (height, width, 3), np.uint8)

  with data.Store.open(folder, {'task': 'deblur'}) as store:
    whole = {
      'photo': store.write_image('photos', 'group', picture(60, 40)),
      'pasted': store.write_image('pasted', 'group', picture(600, 400)),
    }
    for i in range(2):
      kinds = ('degraded', 'restored', 'completed')
      files = {kind: store.write_image(kind, f'group_{i}', picture()) for kind in kinds}
      face = {'name': f'group_{i}', 'source': 'group.png', 'num_results': 3}
      store.add_result({**face, 'files': files | whole, 'metrics': {'fidelity': 30.0}})
    store.add_failure('group.png', 'group_2', 'the hole covers both eyes')
    for name in ('anna', 'bert & <b>'):
      files = {
        kind: store.write_image(kind, name.split()[0], picture())
        for kind in ('photo', 'degraded', 'restored', 'completed', 'aligned')
      }
      values = {'fidelity': 31.0, 'psnr': 24.0, 'psnr_degraded': 20.0, 'psnr_completed': 26.0}
      store.add_result({'name': name, 'source': f'{name}.png', 'files': files, 'metrics': values})
    store.add_failure('c.png', 'c', 'no face found')
  return report.write_report(pathlib.Path(folder))


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
  assert len(texts) == 26  # three heroes, two sliders of faces, three and five pictures
  assert all(texts)
  assert page.locator('h2', has_text='bert & <b>').count() == 1


def cut(page):
  stack = page.locator('.hero .stack').first
  return float(stack.evaluate("s => getComputedStyle(s).getPropertyValue('--cut')").rstrip('%'))


def test_the_slider_moves_the_cut_by_keyboard(page):
  page.locator('input[type=range]').first.focus()
  for _ in range(10):
    page.keyboard.press('ArrowRight')
  assert cut(page) == 60


def test_the_slider_follows_the_mouse_from_anywhere(page):
  box = page.locator('.hero .stack').first.bounding_box()

  def at(share):
    return box['x'] + share * box['width'], box['y'] + 0.2 * box['height']

  page.mouse.move(*at(0.9))
  assert cut(page) == 50
  page.mouse.down()
  assert cut(page) == pytest.approx(90, abs=0.5)
  page.mouse.move(*at(0.25))
  assert cut(page) == pytest.approx(25, abs=0.5)
  page.mouse.move(*at(-0.5))
  assert cut(page) == 0
  page.mouse.up()
  page.mouse.move(*at(0.7))
  assert cut(page) == 0
  page.keyboard.press('ArrowRight')  # the slider has the focus
  assert cut(page) == 1


def test_a_finger_moves_the_cut(browser, page_path):
  context = browser.new_context(viewport={'width': 390, 'height': 844}, has_touch=True)
  page = context.new_page()
  page.goto(page_path.as_uri())
  box = page.locator('.hero .stack').first.bounding_box()
  page.touchscreen.tap(box['x'] + 0.75 * box['width'], box['y'] + 0.5 * box['height'])
  assert cut(page) == pytest.approx(75, abs=0.5)
  context.close()


@pytest.mark.parametrize(('width', 'height'), [(390, 844), (1280, 800)])
def test_the_first_screen_is_the_photo_and_a_way_to_save_it(page, width, height):
  page.set_viewport_size({'width': width, 'height': height})
  stack = page.locator('.hero .stack').first.bounding_box()
  save = page.locator('a.save').first.bounding_box()
  assert stack['y'] + stack['height'] < save['y'] + save['height'] <= height
  assert stack['height'] > 0.55 * height
  assert stack['width'] / stack['height'] == pytest.approx(2 / 3, abs=0.01)
  # The small copy and the full picture lie over one another.
  boxes = [
    image.bounding_box() for image in page.locator('.hero .stack').first.locator('img').all()
  ]
  assert boxes[0] == boxes[1] == stack


def test_the_words_are_explained_where_the_link_leads(page):
  page.locator('details.figures summary').first.click()
  assert page.locator('#glossary').is_hidden()
  page.locator('a[href="#glossary"]').first.click()
  assert page.locator('#glossary').is_visible()


def test_without_its_script_the_page_shows_half_of_each(browser, page_path):
  context = browser.new_context(java_script_enabled=False)
  page = context.new_page()
  page.goto(page_path.as_uri())
  assert page.locator('.stack input').first.is_hidden()
  assert page.locator('.hero .tag').first.is_visible()
  assert page.locator('a.save').first.is_visible()
  context.close()


def test_a_picture_opens_steps_and_zooms_by_keyboard(page):
  link = page.locator('a.zoom').first
  link.focus()
  page.keyboard.press('Enter')
  box = page.locator('dialog#lightbox')
  assert box.is_visible()
  first = page.locator('#lightbox-caption').inner_text()
  assert first == 'group, as it came'
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
  boxes = [box.bounding_box() for box in page.locator('.card').last.locator('.face').all()]
  assert [box['x'] for box in boxes] == [boxes[0]['x'], boxes[1]['x']] * 2
  assert boxes[0]['y'] == boxes[1]['y'] < boxes[2]['y'] == boxes[3]['y']


def test_failures_are_shown(page):
  assert page.locator('.card').first.get_by_text('the hole covers both eyes').is_visible()
  page.locator('.counts a').click()
  assert page.get_by_text('no face found').is_visible()
