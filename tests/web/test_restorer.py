"""What a visitor does, without a browser: photo, faces, strokes, restoration, stop, waiting."""

import pathlib
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageOps

from ganjax import data
from ganjax.web import damages
from ganjax.web.restorer import BUNDLED, Order, Restorer
from ganjax.web.session import Session, State
from ganjax.web.uploads import SHOWN_SIDE, box_around, painted

ASTRONAUT = pathlib.Path('scripts/demo/astronaut.png').resolve()
GROUP = pathlib.Path('tests/photographs/group.jpg').resolve()


@pytest.fixture(scope='module')
def restorer(weights_file):
  return Restorer({'tiny': weights_file, BUNDLED: None}, 'discriminator', 'float32')


@pytest.fixture
def session(tmp_path):
  begun = Session.begin(tmp_path)
  yield begun
  begun.close()
  assert not begun.folder.exists()


def strokes(session, box):
  """A layer of the size of what is shown, painted in left, top, right, bottom (shares)."""
  height, width = session.upload.shown.shape[:2]
  left, top, right, bottom = (
    round(share * side) for share, side in zip(box, (width, height) * 2, strict=True)
  )
  layer = np.zeros((height, width, 4), np.uint8)
  layer[top:bottom, left:right, 3] = 140
  return layer


def run(restorer, session, **order):
  updates = list(restorer.restore(session, Order(num_steps=20, **order)))
  assert session.state is updates[-1].state
  return updates


def test_a_photo_is_restored_under_the_brush_alone(restorer, session):
  assert session.state is State.EMPTY
  restorer.open(session, ASTRONAUT)
  assert session.state is State.FOUND
  assert session.told().startswith('1 face found (')
  layer = strokes(session, (0.4, 0.2, 0.45, 0.25))
  assert session.paint([layer]) == pytest.approx(0.0025, rel=0.2)
  assert session.state is State.PAINTED
  updates = run(restorer, session, layers=(layer,))
  states = [update.state for update in updates]
  assert states[0] is State.COMPILING
  assert states[-1] is State.DONE
  running = [update for update in updates if update.state is State.RUNNING]
  assert [update.step for update in running] == [8, 14, 20]  # the phases, in steps of ten at most
  assert all(update.num_steps == 20 and update.faces.shape == (16, 16, 3) for update in running)
  assert all(update.curve.startswith(b'\x89PNG') for update in running)
  photo, result = data.decode(ASTRONAUT), data.decode(session.outcome.picture)
  changed = np.argwhere(np.any(photo != result, axis=2))
  assert len(changed)
  side = len(photo)
  assert changed.min(0) == pytest.approx((0.2 * side, 0.4 * side), abs=8)
  assert changed.max(0) == pytest.approx((0.25 * side, 0.45 * side), abs=8)
  with zipfile.ZipFile(session.outcome.archive) as archive:
    names = set(archive.namelist())
  assert {'report.html', 'latents/astronaut.npz', 'pasted/astronaut.png'} <= names
  (face,) = session.faces
  assert (face.name, face.weights) == ('astronaut', 'tiny')


def test_all_faces_of_a_photo_are_found_and_restored(restorer, session):
  restorer.open(session, GROUP)
  count = len(session.upload.crops)
  assert count > 1
  assert session.told().startswith(f'{count} faces found')
  assert session.upload.outlined.shape == session.upload.shown.shape
  assert not np.array_equal(session.upload.outlined, session.upload.shown)
  updates = run(restorer, session, wrong=(damages.GREY,))
  assert updates[-1].text.startswith(f'{count} faces restored')
  assert session.outcome.before.shape == session.outcome.after.shape
  assert len(session.faces) == count


@pytest.mark.parametrize(
  ('order', 'message'),
  [
    ({}, 'Say what is wrong'),
    ({'wrong': (damages.HOLES,)}, 'Paint over the holes'),
    ({'degradation': 'blurr()'}, 'did you mean blur'),
    ({'degradation': "mask(file='x.png')"}, 'paint the holes here'),
    ({'wrong': (damages.GREY,), 'weights': 'other'}, 'choose tiny, bundled'),
    ({'wrong': (damages.GREY,), 'preset': 'pivotal', 'fidelity': 0.9}, 'leave it at 0.5'),
  ],
)
def test_errors_are_one_sentence_with_the_remedy(restorer, session, order, message):
  restorer.open(session, ASTRONAUT)
  (*_, last) = restorer.restore(session, Order(num_steps=20, **order))
  assert last.state is State.FAILED
  assert message in last.text
  assert last.text[0].isupper()
  assert last.text[-1] in '.!?'
  assert '\n' not in last.text


def test_steps_are_bounded(restorer, session):
  restorer.open(session, ASTRONAUT)
  (*_, last) = restorer.restore(session, Order((damages.GREY,), num_steps=10**6))
  assert 'from 1 to 2000' in last.text


def test_without_a_photo_nothing_is_restored(restorer, session):
  (last,) = restorer.restore(session, Order((damages.GREY,)))
  assert (last.state, last.text) == (State.FAILED, 'Choose a photo first.')


def test_a_face_that_is_not_found_is_painted(restorer, session, tmp_path):
  photo = np.full((300, 240, 3), 128, np.uint8)
  photo[100:220, 60:180] = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
  path = tmp_path / 'nobody.png'
  path.write_bytes(data.encode_png(photo))
  restorer.open(session, path)
  assert session.upload.problem
  assert 'No face was found' in session.told()
  (*_, last) = restorer.restore(session, Order((damages.GREY,)))
  assert last.state is State.FAILED
  with pytest.raises(damages.VisitorError, match='Paint roughly over the face'):
    restorer.locate(session, [])
  restorer.locate(session, [strokes(session, (0.25, 1 / 3, 0.75, 0.73))])
  assert session.told().startswith('1 face found')
  centre = session.upload.crops[0].quad.mean(axis=0)
  assert centre == pytest.approx((120, 160), abs=40)


def test_a_photo_that_cannot_be_decoded_is_refused_and_the_next_one_taken(
  restorer, session, tmp_path
):
  (tmp_path / 'broken.jpg').write_bytes(b'\xff\xd8\xff no photo')
  with pytest.raises(data.ImageError, match=r'broken\.jpg'):
    restorer.open(session, tmp_path / 'broken.jpg')
  assert session.state is State.EMPTY
  restorer.open(session, ASTRONAUT)
  assert session.state is State.FOUND


def test_stop_ends_a_run_and_the_next_one_goes_through(restorer, session):
  restorer.open(session, ASTRONAUT)
  updates = restorer.restore(session, Order((damages.GREY,), num_steps=2000))
  for update in updates:
    if update.state is State.RUNNING:
      session.stop()
  assert update.state is State.STOPPED
  assert run(restorer, session, wrong=(damages.GREY,))[-1].state is State.DONE


def test_one_photo_is_restored_at_a_time_and_others_wait(restorer, session, tmp_path):
  other = Session.begin(tmp_path)
  for one in (session, other):
    restorer.open(one, ASTRONAUT)
  first = restorer.restore(session, Order((damages.GREY,), num_steps=2000))
  while next(first).state is not State.RUNNING:
    pass
  second = restorer.restore(other, Order((damages.GREY,), num_steps=20))
  assert next(second).text.startswith('Waiting for its turn')
  ended = threading.Thread(target=lambda: list(first))
  session.stop()
  ended.start()
  assert list(second)[-1].state is State.DONE
  ended.join()
  assert session.state is State.STOPPED
  other.close()


def test_another_photo_stops_what_runs(restorer, session, tmp_path):
  another = tmp_path / 'mirrored.png'  # of a face that is found quickly
  ImageOps.mirror(Image.open(ASTRONAUT)).save(another)
  restorer.open(session, ASTRONAUT)
  updates = restorer.restore(session, Order((damages.GREY,), num_steps=2000))
  while next(updates).state is not State.RUNNING:
    pass
  restorer.open(session, another)
  assert list(updates)[-1].state is State.STOPPED


def test_transparent_pixels_are_holes(restorer, session, tmp_path):
  pixels = np.dstack([data.decode(ASTRONAUT), np.full((512, 512), 255, np.uint8)])
  pixels[110:130, 220:260, 3] = 0
  path = tmp_path / 'cut.png'
  Image.fromarray(pixels).save(path)
  restorer.open(session, path)
  assert run(restorer, session, wrong=(damages.HOLES,))[-1].state is State.DONE


def test_large_photos_are_shown_small_and_painted_at_their_own_size(restorer, session, tmp_path):
  photo = Image.open(ASTRONAUT).convert('RGB').resize((2400, 2400))
  photo.save(tmp_path / 'large.png', compress_level=1)
  restorer.open(session, tmp_path / 'large.png')
  assert max(session.upload.shown.shape) == SHOWN_SIDE
  layer = np.zeros((SHOWN_SIDE, SHOWN_SIDE, 4), np.uint8)
  layer[800:900, 400:600, 3] = 255
  found = painted([layer], session.upload)
  assert found.shape == (2400, 2400)
  assert box_around(found) == pytest.approx((600, 1200, 900, 1350), abs=2)
  assert painted([np.zeros_like(layer)], session.upload) is None


def test_who_comes_while_it_warms_up_is_told_so(restorer, session, monkeypatch):
  restorer.open(session, ASTRONAUT)
  monkeypatch.setattr(restorer, '_is_warming', True)
  with restorer._running:
    updates = restorer.restore(session, Order((damages.GREY,), num_steps=20))
    assert 'what is compiled as the page starts ends first' in next(updates).text
    updates.close()


def test_warming_up_gives_way_and_compiles_what_visitors_ask_for(restorer):
  restorer._waiting = 1
  restorer.warm_up()  # ends after a chunk of each
  restorer._waiting = 0
