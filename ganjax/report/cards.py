"""One photo's card in the report: before and after, its faces, their figures and files.

A card is plain data, which `card.html` lays out; escaping is the template's part, links are checked
in `pictures.Files`.
"""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ganjax.report.measures import Figures, figures
from ganjax.report.pictures import Files, Picture, Slider
from ganjax.report.runs import by_kind, number, section

MAX_FACES = 100  # of one photo; see `page.MAX_CARDS`

_RESTORED_NAMES = {
  'generate': 'generated',
  'invert': 'inverted',
  **dict.fromkeys(('interpolate', 'direction', 'traverse'), 'measured'),
}
_PHOTOS = {'photo': 'photo', 'pasted': 'pasted back'}
_MAPS = {  # what a run of several inversions shows: label, CSS class
  'deviation': ('where restarts disagree', 'map'),
  'heatmap': ('heat map', 'map'),
  'sweep': ('all combinations, the best framed', 'sweep'),
  'sheet': ('step by step', 'sweep'),
}


class Face(NamedTuple):
  """What is shown of one record."""

  name: str
  facts: dict[str, Any]  # kind, as `card.html` lists them -> what it says
  notes: list[str]
  pictures: list[Picture]
  compare: Slider | None
  evidence: list[Picture]
  figures: Figures
  curve: Picture | None
  progress: Picture | None
  links: dict[str, str]  # text -> URL


class Card(NamedTuple):
  """What is shown of one photo, or of a record that is about none."""

  name: str
  source: str  # '' where it would only repeat the name
  hero: Slider | None  # before and after
  subject: str  # whom the hero shows: the photo, or one face
  photos: list[Picture]  # of the whole photo, as far as the hero does not show them
  failures: list[dict]  # of faces that were left as they were
  faces: list[Face]
  left_out: int  # faces beyond `MAX_FACES`
  links: dict[str, str]  # of the whole photo


def by_photo(results: Iterable[dict]) -> list[list[dict]]:
  """Records of faces by their photo, in order of first appearance; others each by itself."""
  groups: dict[object, list[dict]] = {}
  for i, record in enumerate(results):
    groups.setdefault(photo_of(record) or i, []).append(record)
  return list(groups.values())


def photo_of(record: dict) -> str | None:
  """The photo that a record's face is from; None for what is no face of a photo."""
  source = record.get('source')
  is_face = number(record.get('num_results')) is not None or 'photo' in section(record, 'files')
  return source if is_face and isinstance(source, str) and source else None


def card(records: Sequence[dict], failures: list[dict], files: Files) -> Card:
  """The card of one photo's records; absent parts are left out, missing files named.

  Args:
    records: of results.jsonl, as `by_photo` groups them.
    failures: of failures.jsonl, with the same source.
    files: of the run.
  """
  name, source = _name(records), str(records[0].get('source') or '')
  photos = _shared_photos(records, files)
  faces = [_face(record, photos, files) for record in records[:MAX_FACES]]
  hero = whole = _photo_hero(records, photos, files)
  subject = name
  if whole is None and (first := next((face for face in faces if face.compare), None)):
    hero, subject = first.compare, first.name
    faces[faces.index(first)] = first._replace(compare=None)
  return Card(
    name=name,
    source='' if source == name else source,
    hero=hero,
    subject=subject,
    photos=[] if whole else list(photos.values()),
    failures=failures,
    faces=faces,
    left_out=len(records) - len(faces),
    links=files.links({kind: photo.path for kind, photo in photos.items()}),
  )


def _name(records: Sequence[dict]) -> str:
  """The photo's name: NAME, where its faces are NAME_0, NAME_1, …"""
  names = [str(record.get('name', 'without a name')) for record in records]
  if len(records) == 1 and (number(records[0].get('num_results')) or 1) <= 1:
    return names[0]
  stems = {re.sub(r'_\d+$', '', name) for name in names}
  source = str(records[0].get('source') or '')
  return stems.pop() if len(stems) == 1 else pathlib.PurePath(source).name or names[0]


def _paths(record: dict) -> dict[str, str]:
  """Kind -> path, of a record's files."""
  return {k: v for k, v in section(record, 'files').items() if isinstance(v, str) and v}


def _shared_photos(records: Sequence[dict], files: Files) -> dict[str, Picture]:
  """Pictures of the whole photo, by kind.

  Earlier versions kept them once for each face, with that face alone restored; those are the
  face's.
  """
  found = {}
  for kind, label in _PHOTOS.items():
    paths = {path for record in records if (path := _paths(record).get(kind))}
    if len(paths) == 1:
      found[kind] = files.picture(label, paths.pop(), 'photo')
  return found


def _photo_hero(records: Sequence[dict], photos: dict[str, Picture], files: Files) -> Slider | None:
  """The whole photo before and after.

  None where the run damaged the faces itself: the photo as it came is then the truth, and no
  'before'.
  """
  if len(photos) < len(_PHOTOS) or any(map(_is_damaged_on_purpose, records)):
    return None
  before, after = photos['photo'], photos['pasted']
  return files.slider(before._replace(label='as it came'), after._replace(label='restored'))


def _is_damaged_on_purpose(record: dict) -> bool:
  measured = by_kind(section(record, 'metrics'), 'psnr')['restored'] is not None
  return measured and 'degraded' in _paths(record)


def _face(record: dict, photos: dict[str, Picture], files: Files) -> Face:
  """What is shown of one record; without `photos`, which are shown once for all faces."""
  own = {kind: path for kind, path in _paths(record).items() if kind not in photos}
  task = record.get('task')
  restored = _RESTORED_NAMES.get(task, 'restored') if isinstance(task, str) else 'restored'
  pictures = _pictures(restored, own, files)
  whole = [files.picture(_PHOTOS[kind], own[kind], 'photo') for kind in _PHOTOS if kind in own]
  compare = _compare(pictures, files)
  return Face(
    name=str(record.get('name', 'without a name')),
    facts=_facts(record),
    notes=_notes(record),
    pictures=_faces(pictures) + whole,
    compare=compare,
    evidence=[files.picture(label, own[k], css) for k, (label, css) in _MAPS.items() if k in own],
    figures=figures(record, restored),
    curve=_curve(record, own, files),
    progress=files.picture('progress', own['progress'], 'moving') if 'progress' in own else None,
    links=files.links(own),
  )


def _facts(record: dict) -> dict[str, Any]:
  facts = {'estimate': record['estimate']} if 'estimate' in record else {}
  if best := section(record, 'best'):
    facts['best'] = ', '.join(f'{key}={value}' for key, value in best.items())
  if 'class' in record:
    facts['class'] = record['class'], _share(record)
  return facts


def _share(record: dict) -> str:
  probability = number(record.get('probability'))
  return 'of unknown probability' if probability is None else f'{probability:.0%}'


def _notes(record: dict) -> list[str]:
  notes = record.get('notes')
  return [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def _pictures(restored: str, paths: dict[str, str], files: Files) -> dict[str, Picture]:
  """The aligned pictures by kind, in order; the restored one by what it is called."""
  full = files.size(paths.get('restored')) or (0, 0)
  labels = {
    'degraded': 'degraded',
    'outlined': 'outlined',
    'completed': 'completed',
    'restored': restored,
    'aligned': 'truth' if 'restored' in paths else 'aligned',
  }
  return {
    kind: files.picture(label, paths[kind], 'face', _is_low(files.size(paths[kind]), full))
    for kind, label in labels.items()
    if kind in paths
  }


def _is_low(size: tuple[int, int] | None, full: tuple[int, int]) -> bool:
  return size is not None and size[0] < full[0]


def _faces(pictures: dict[str, Picture]) -> list[Picture]:
  """Side by side; the degraded one with its holes outlined, where that was drawn."""
  hides = 'outlined' in pictures and pictures['outlined'].link
  return [
    picture for kind, picture in pictures.items() if kind != ('degraded' if hides else 'outlined')
  ]


def _compare(pictures: dict[str, Picture], files: Files) -> Slider | None:
  """The face before and after: the completed one, if there is one."""
  after = pictures.get('completed') or pictures.get('restored')
  return files.slider(pictures['degraded'], after) if after and 'degraded' in pictures else None


def _curve(record: dict, paths: dict[str, str], files: Files) -> Picture | None:
  if 'curve' not in paths:
    return None
  settled = number(record.get('settled_at'))
  label = 'loss curve' if settled is None else f'loss curve, settled at step {settled:g}'
  return files.picture(label, paths['curve'], 'curve')
