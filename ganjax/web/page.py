"""The page's widgets, in Gradio; what they do is in `restorer`, `session` and `latents`."""

import functools
import html
import io
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

# Read when Gradio is imported: nothing of what visitors do is told to anybody.
os.environ.update(GRADIO_ANALYTICS_ENABLED='False', HF_HUB_OFFLINE='1')

import gradio as gr

from ganjax.data import formats
from ganjax.editing.files import Direction
from ganjax.errors import GanjaxError
from ganjax.inversion.presets import BALANCED, PRESETS
from ganjax.web import damages, latents
from ganjax.web.latents import Edit, Point
from ganjax.web.restorer import MOST_STEPS, Order, Restorer
from ganjax.web.session import ASKED, Session, State, Update
from ganjax.weights import Networks

TITLE = 'ganjax'
STYLE = pathlib.Path(__file__).with_name('page.css')
OWN_PRESET = "the task's own"
DRAWN = 'drawn at random'
_BRUSH = ('#d55e00', 0.55)
_MOST_SEED = 2**31 - 1
_IDLE_SECONDS = 3600  # after which a visitor's photo and results are deleted

_HEAD = """
# ganjax
Restores the faces of your photo with StyleGAN2. Everything stays on this machine.
"""
_FOOT = (
  'Restored detail is invented: it is likely, not true. Do not use it to tell who somebody is.'
)
_DRAWN_NOTE = 'These faces are drawn by a network; nobody looks like this.'


def theme() -> gr.themes.Base:
  """Colours and fonts; fonts of the visitor's own machine, none is fetched."""
  return gr.themes.Base(
    primary_hue=gr.themes.colors.blue,
    neutral_hue=gr.themes.colors.gray,
    radius_size=gr.themes.sizes.radius_lg,
    font=('system-ui', '-apple-system', 'Segoe UI', 'Roboto', 'sans-serif'),
    font_mono=('ui-monospace', 'Menlo', 'Consolas', 'monospace'),
  )


def build(restorer: Restorer, folder: pathlib.Path) -> gr.Blocks:
  """The page.

  Args:
    restorer: what does the work.
    folder: below which visitors' files lie.
  """
  with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, _IDLE_SECONDS)) as page:
    session = gr.State(None, time_to_live=_IDLE_SECONDS, delete_callback=_close)
    gr.Markdown(_HEAD)
    with gr.Tab('Restore a photo'):
      restored = _restoration(restorer, session)
    with gr.Tab('Latent space'):
      face = _latent_space(page, restorer, session)
    page.load(functools.partial(_begin, folder), None, session, show_progress='hidden')
    listed = functools.partial(_listed, restorer)
    restored.then(listed, [session, face], face, show_progress='hidden')
  return page


def _begin(folder: pathlib.Path) -> Session:
  return Session.begin(folder)


def _close(session: Session | None) -> None:
  if session is not None:
    session.close()


def _restoration(restorer: Restorer, session: gr.State) -> Any:
  """The tab that restores; returns the event of a restoration."""
  with gr.Row():
    with gr.Column(min_width=320):
      upload = gr.File(
        label='Photo', file_types=_file_types(), height=120, elem_id='upload', show_label=False
      )
      with gr.Accordion('Use the camera', open=False):
        camera = gr.Image(sources=['webcam'], type='filepath', show_label=False, format='png')
      told = gr.HTML(_status(State.EMPTY, ASKED), elem_id='told')
      editor = gr.ImageEditor(
        type='numpy',
        image_mode='RGBA',
        format='png',
        sources=[],
        transforms=[],
        layers=False,
        brush=_brush(10),
        buttons=[],
        label='Paint over holes and scratches',
        visible=False,
        elem_id='editor',
      )
      there = gr.Button('The face is there', visible=False, elem_id='there')
      wrong = gr.CheckboxGroup(
        damages.CHOICES, label='What is wrong with the photo?', elem_id='wrong'
      )
      with gr.Accordion('Advanced', open=False):
        degradation = gr.Textbox(
          label='Degradation',
          info='In place of the above.',
          placeholder='blur(variance=?) | jpeg(quality=20)',
        )
        with gr.Row():
          steps = gr.Number(
            label='Steps',
            info="Empty: the preset's own.",
            value=None,
            precision=0,
            minimum=1,
            maximum=MOST_STEPS,
          )
          seed = gr.Number(label='Seed', value=0, precision=0, minimum=0, maximum=_MOST_SEED)
        fidelity = gr.Slider(
          0,
          1,
          BALANCED,
          step=0.05,
          label='Fidelity',
          info='Left: more face-like. Right: closer to the photo.',
        )
        preset = gr.Dropdown([OWN_PRESET, *PRESETS], value=OWN_PRESET, label='Preset')
        weights = gr.Dropdown(
          list(restorer.files), label='Weights', visible=len(restorer.files) > 1
        )
      with gr.Row():
        start = gr.Button('Restore', variant='primary', elem_id='restore')
        stop = gr.Button('Stop', variant='stop', interactive=False, elem_id='stop')
    with gr.Column(min_width=320):
      status = gr.HTML(_status(State.EMPTY, 'The restored photo appears here.'), elem_id='status')
      with gr.Row(visible=False) as progress:
        faces = _picture(elem_id='faces')
        curve = _picture()
      slider = gr.ImageSlider(
        label='Before and after',
        format='png',
        buttons=['fullscreen'],
        visible=False,
        elem_id='slider',
      )
      with gr.Row():
        picture = gr.DownloadButton('Save the photo (PNG)', visible=False, elem_id='picture')
        archive = gr.DownloadButton('Save all of it (ZIP)', visible=False, elem_id='archive')
      notes = gr.HTML(visible=False, elem_id='notes')
      gr.Markdown(_FOOT, elem_classes='foot')

  looked = [told, editor, there, wrong]
  right = [status, progress, faces, curve, slider, picture, archive, notes]
  opened = functools.partial(_opened, restorer)
  for source in (upload, camera):
    source.change(_looking, source, [told, *right], show_progress='hidden').then(
      opened, [session, source], looked, show_progress='hidden'
    )
  located = functools.partial(_located, restorer)
  there.click(located, [session, editor], looked, show_progress='hidden')
  gr.on(
    [editor.change, editor.input],
    _painted,
    [session, editor],
    told,
    show_progress='hidden',
    trigger_mode='always_last',
  )
  stop.click(_stop, session, stop, show_progress='hidden', queue=False)
  return start.click(
    functools.partial(_restored, restorer),
    [session, editor, wrong, degradation, steps, fidelity, preset, seed, weights],
    [start, stop, *right],
    show_progress='hidden',
    concurrency_limit=None,
  )


def _picture(buttons: list[Any] | None = None, elem_id: str | None = None) -> gr.Image:
  """A picture that is only shown, as wide as there is room."""
  return gr.Image(
    format='png',
    show_label=False,
    interactive=False,
    buttons=buttons or [],
    elem_id=elem_id,
    elem_classes='enlarged',
  )


def _brush(size: int) -> gr.Brush:
  """A brush of some size, px, through which the photo can be seen."""
  return gr.Brush(default_size=size, colors=[_BRUSH], default_color=_BRUSH, color_mode='fixed')


def _file_types() -> list[str]:
  """What a browser lets a visitor choose; 'image' makes phones offer their camera, too."""
  return ['image', *(f'.{extension}' for extension in sorted(formats.READABLE))]


def _looking(source: str | None) -> list[Any]:
  """While faces are looked for; what was on the right is no longer of this photo."""
  text = 'Looking for faces …' if source else ASKED
  hidden = gr.update(visible=False)
  right = [_status(State.EMPTY, 'The restored photo appears here.'), hidden, None, None]
  return [_status(State.EMPTY, text), *right, gr.update(value=None, visible=False), *[hidden] * 3]


def _opened(restorer: Restorer, session: Session, source: str | None) -> list[Any]:
  """A photo has been chosen, or taken away."""
  try:
    restorer.open(session, source)
  except GanjaxError as error:
    return _looked(session, _status(State.FAILED, str(error)))
  return _looked(session)


def _located(restorer: Restorer, session: Session, editor: Any) -> list[Any]:
  """The visitor says that the painted place is the face."""
  try:
    restorer.locate(session, _layers(editor))
  except GanjaxError as error:
    return [
      _status(State.FAILED, str(error)),
      *[gr.skip()] * 3,
    ]  # an overlay would take the strokes
  return _looked(session)


def _looked(session: Session, told: str | None = None) -> list[Any]:
  """What the left side shows of a session's photo."""
  upload = session.upload
  if upload is None:
    hidden = gr.update(visible=False)
    return [
      told or _status(State.EMPTY, session.told()),
      gr.update(value=None, visible=False),
      hidden,
      [],
    ]
  state = State.FAILED if upload.problem else State.FOUND
  wrong = [damages.HOLES] if upload.hidden is not None else []
  height, width = upload.shown.shape[:2]
  editor = gr.ImageEditor(
    value=_for_editor(upload.outlined),
    visible=True,
    canvas_size=(width, height),
    brush=_brush(max(3, max(height, width) // 50)),
  )
  return [_status(state, session.told()), editor, gr.update(visible=bool(upload.problem)), wrong]


def _for_editor(image: np.ndarray) -> Any:
  return {'background': image, 'layers': [], 'composite': None}


def _layers(editor: Any) -> tuple[np.ndarray, ...]:
  """The strokes in an editor's value, uint8 [h, w, 4] each."""
  return tuple(layer for layer in (editor or {}).get('layers', ()) if layer is not None)


def _painted(session: Session | None, editor: Any) -> Any:
  """How much is painted."""
  if session is None or session.upload is None:
    return gr.skip()
  share = session.paint(_layers(editor))
  state = State.FAILED if session.upload.problem else State.PAINTED if share else State.FOUND
  return _status(state, session.told() + (f' {share:.1%} is painted over.' if share else ''))


def _stop(session: Session) -> Any:
  session.stop()
  return gr.update(value='Stopping …', interactive=False)


def _restored(
  restorer: Restorer,
  session: Session,
  editor: Any,
  wrong: list[str],
  degradation: str,
  steps: float | None,
  fidelity: float,
  preset: str,
  seed: float | None,
  weights: str,
) -> Iterator[list[Any]]:
  """Restores, and shows how far it has come."""
  order = Order(
    wrong=tuple(wrong),
    layers=_layers(editor),
    degradation=degradation or '',
    num_steps=None if steps is None else int(steps),
    fidelity=None if fidelity == BALANCED else fidelity,
    preset=None if preset == OWN_PRESET else preset,
    seed=int(seed or 0),
    weights=weights,
  )
  for update in restorer.restore(session, order):
    is_over = update.state in (State.DONE, State.STOPPED, State.FAILED)
    buttons = [
      gr.update(interactive=is_over),
      gr.update(value='Stop', interactive=not is_over),
    ]
    yield [*buttons, *_right(session, update)]


def _right(session: Session, update: Update) -> list[Any]:
  """The right side."""
  text = _status(update.state, update.text, update.step, update.num_steps)
  hidden = gr.update(visible=False)
  if update.state is State.DONE and session.outcome is not None:
    done = session.outcome
    return [
      text,
      hidden,
      gr.skip(),
      gr.skip(),
      gr.update(value=(done.before, done.after), visible=True),
      gr.update(value=str(done.picture), visible=True),
      gr.update(value=str(done.archive), visible=True),
      gr.update(value=_listed_notes(done.notes), visible=bool(done.notes)),
    ]
  if update.faces is None or update.curve is None:
    progress = hidden if update.state is State.FAILED else gr.skip()
    return [text, progress, gr.skip(), gr.skip(), *[hidden] * 4]
  curve = np.asarray(Image.open(io.BytesIO(update.curve)).convert('RGB'))
  return [text, gr.update(visible=True), update.faces, curve, *[hidden] * 4]


def _listed_notes(notes: tuple[str, ...]) -> str:
  items = ''.join(f'<li>{html.escape(note)}</li>' for note in notes)
  return f'<ul>{items}</ul>'


def _status(state: State, text: str, step: int = 0, num_steps: int = 0) -> str:
  """A sentence, and a bar while something runs."""
  share = step / num_steps if num_steps else 0
  bar = ''
  if state in (State.COMPILING, State.RUNNING):
    bar = f'<div class="bar{"" if num_steps else " waiting"}" style="--share: {share:.1%}"></div>'
  return f'<div class="state {state}" role="status">{html.escape(text)}{bar}</div>'


def _latent_space(page: gr.Blocks, restorer: Restorer, session: gr.State) -> gr.Dropdown:
  """The tab of latents; returns the choice of faces, whose names change."""
  networks = restorer.networks()
  along = latents.directions(networks)
  with gr.Row(elem_classes='seen_first'):
    with gr.Column(min_width=320):
      face = gr.Dropdown(
        [DRAWN], value=DRAWN, label='Face', info='Restored faces are listed here, too.'
      )
      with gr.Row():
        seed = gr.Number(0, label='Seed', precision=0, minimum=0, maximum=_MOST_SEED)
        another = gr.Button('Another face', elem_id='another')
      psi = gr.Slider(
        0, 1, 0.7, step=0.05, label='Truncation', info='0: the average face. 1: all variety.'
      )
      amounts = [
        gr.Slider(-latents.MOST, latents.MOST, 0, step=0.25, label=latents.label(one))
        for one in along
      ]
      reset = gr.Button('Undo all edits', size='sm')
      with gr.Accordion('With a second face', open=True):
        with gr.Row():
          second = gr.Number(1, label='Its seed', precision=0, minimum=0, maximum=_MOST_SEED)
          other = gr.Button('Another second face')
        share = gr.Slider(
          0, 1, 0, step=0.05, label='Interpolation', info='0: the first. 1: the second.'
        )
        styles = gr.CheckboxGroup(list(latents.STYLES), label='Taken from the second face')
    with gr.Column(min_width=320):
      shown = _picture(buttons=['download', 'fullscreen'], elem_id='edited')
      with gr.Row():
        with gr.Column(min_width=120):
          first_shown = _picture()
          gr.Markdown('Before the edits', elem_classes='foot')
        with gr.Column(min_width=120):
          second_shown = _picture()
          gr.Markdown('The second face', elem_classes='foot')
      gr.Markdown(_DRAWN_NOTE, elem_classes='foot')

  controls: list[Any] = [face, seed, psi, second, share, styles, *amounts]
  edited = functools.partial(_edited, networks, along)
  outputs = [shown, first_shown, second_shown]
  gr.on(
    [page.load, *(control.change for control in controls)],
    edited,
    [session, *controls],
    outputs,
    show_progress='hidden',
    trigger_mode='always_last',
  )
  another.click(_random_seed, None, seed, show_progress='hidden')
  other.click(_random_seed, None, second, show_progress='hidden')
  reset.click(lambda: [0.0] * (len(along) + 1) + [[]], None, [*amounts, share, styles])
  return face


def _random_seed() -> int:
  return int(np.random.default_rng().integers(_MOST_SEED))


def _listed(restorer: Restorer, session: Session | None, chosen: str) -> Any:
  """The faces that can be edited; one that there no longer is, is not chosen."""
  names = (
    [] if session is None else [face.name for face in session.faces if face.weights == restorer.own]
  )
  return gr.update(choices=[DRAWN, *names], value=chosen if chosen in names else DRAWN)


def _edited(
  networks: Networks,
  along: list[Direction],
  session: Session | None,
  face: str,
  seed: float | None,
  psi: float,
  second: float | None,
  share: float,
  styles: list[str],
  *amounts: float,
) -> list[Any]:
  """The edited face, the face itself, and the second one."""
  point = _point(session, face) or latents.drawn(networks, int(seed or 0), psi)
  other = latents.drawn(networks, int(second or 0), psi)
  edit = Edit(amounts, share, tuple(styles))
  drawn = functools.partial(latents.image, networks)
  return [
    drawn(point, other, along, edit),
    drawn(point, other, (), Edit()),
    drawn(other, other, (), Edit()),
  ]


def _point(session: Session | None, name: str) -> Point | None:
  """A restored face by its name."""
  faces = [] if session is None else [face for face in session.faces if face.name == name]
  if not faces or faces[0].restoration.latent is None:
    return None
  return Point(faces[0].restoration.latent, faces[0].restoration.noise)
