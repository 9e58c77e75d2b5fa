"""Photos given back whole, each with all its restored faces: what --export=pasted writes.

A data set holds the faces alone. The photos and their masks are read once more from where they
came, and the faces are put back as the restoration tasks do it.
"""

import functools
import itertools
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ganjax import data, degradations, faces
from ganjax.bulk import finalize, plan, prefetch, tf_examples
from ganjax.bulk.parts import Parts
from ganjax.data import claim, journal
from ganjax.data.sources import Entry, Source
from ganjax.degradations import Pipeline
from ganjax.restoration.degrade import drawn
from ganjax.restoration.faces import UNUSABLE, Face, Search, faces_at, reduced
from ganjax.restoration.result import Result
from ganjax.restoration.whole_photos import WholePhotos

KIND = 'pasted'
_COPIES = 'photos'  # small ones of the photos as they came, for the report


class _Photo(NamedTuple):
  """A photo of which faces were restored."""

  entry: Entry
  faces: list[str]  # their names, from the left
  rows: list[int]  # theirs in the data set
  is_shown: bool  # in the report

  @property
  def files(self) -> list[str]:
    """What is written of it, below the output folder; the last one only when all others are."""
    files = paths(self.entry.name)
    return [files[KIND], files['photo']] if self.is_shown else [files[KIND]]


def paths(photo: str) -> dict[str, str]:
  """Where a photo and its small copy are written, by kind, as the report has them."""
  return {'photo': f'{_COPIES}/{photo}.png', KIND: f'{KIND}/{photo}.png'}


def shown(folder: pathlib.Path) -> set[str]:
  """The names of the photos that the report can show whole; at most --previews."""
  copies = (folder / _COPIES).glob('*.png')
  return {path.stem for path in copies if (folder / KIND / path.name).exists()}


def export(folder: pathlib.Path, scratch: pathlib.Path, threads: int) -> tuple[int, list[dict]]:
  """Writes each photo with its restored faces in it to `folder`/pasted, under its own name.

  What is there already is not made again. A photo none of whose faces was restored has no file. The
  data set keeps quads in single precision, so that pixels may differ by one level from those that a
  restoration task writes.

  Args:
    folder: a finished data set.
    scratch: a folder for temporary files.
    threads: that decode, paste and encode.

  Returns:
    How many photos are there, and a line for failures.jsonl of each that is not.

  Raises:
    StoreError: there are no images to paste; the folder cannot be written.
    SourceError: the pictures cannot be opened any more, or are not as many as they were.
    DegradationError: a mask cannot be read any more.
  """
  made = plan.read(folder)
  assert made is not None  # the data set is finished
  source = plan.open_source(made, plan.listing_of(folder))
  paster = _Paster(folder, source, scratch)
  photos = functools.partial(_photos, folder, made, source, scratch, paster.previews)
  files = [path for photo in photos() for path in photo.files]
  finalize.claim_files(folder, files, scratch)
  count = sum(path.startswith(f'{KIND}/') for path in files)
  failures = []
  with tqdm(total=count, unit='photo', desc=KIND, file=sys.stdout) as bar:
    work = map(paster.work, _missing(folder, photos(), bar))
    for (photo, _), reason in prefetch.ahead(paster, work, threads, 2 * threads):
      bar.update()
      if reason is not None:
        failures.append(_failure(photo.entry, reason))
  return count - len(failures), failures


def _missing(folder: pathlib.Path, photos: Iterable[_Photo], bar: tqdm) -> Iterator[_Photo]:
  """The photos that are still to be written; the others count as done."""
  for photo in photos:
    if all((folder / path).exists() for path in photo.files):
      bar.update()
    else:
      yield photo


def _failure(entry: Entry, reason: str) -> dict[str, Any]:
  return {
    'name': entry.name,
    'source': entry.source,
    'index': entry.index,
    'export': KIND,
    'reason': reason,
  }


def _photos(
  folder: pathlib.Path, made: plan.BlockPlan, source: Source, scratch: pathlib.Path, previews: int
) -> Iterator[_Photo]:
  """The photos that have results, in the data set's order."""
  parts, rows = Parts(folder, made.num_blocks, scratch), itertools.count()
  for block in range(made.num_blocks):
    entries = {entry.index: entry for entry in source.entries(*made.bounds(block))}
    lines = (line for line in parts.read_lines(block) if 'reason' not in line)
    for index, group in itertools.groupby(lines, lambda line: line['index']):
      names = [line['name'] for line in group]
      own = list(itertools.islice(rows, len(names)))
      yield _Photo(entries[index], names, own, index < previews)


_Work = tuple[_Photo, list[dict[str, Any]]]  # and the records of its faces


class _Paster:
  """Puts faces back into their photos; called by several threads."""

  def __init__(self, folder: pathlib.Path, source: Source, scratch: pathlib.Path):
    """Reads how the faces were made from the folder's configuration, whatever the flags say now."""
    config = claim.read_config(folder)
    assert config is not None  # it is an output folder
    self._examples = finalize.read(folder)
    finalize.require_images(folder, self._examples)
    self.previews: int = config['previews']
    self._folder, self._source, self._scratch = folder, source, scratch
    self._degradation, self._seed = degradations.parse(config['degradation']), config['seed']
    self._search = Search(
      faces.FFHQ,  # or any other: no face is looked for
      self._examples.dataset_info.features['image'].shape[0],
      degradations=(self._degradation,),
      as_is=not config['degrade_first'],
    )

  def work(self, photo: _Photo) -> _Work:
    """What a call takes; not for several threads."""
    return photo, [self._examples[row] for row in photo.rows]

  def __call__(self, work: _Work) -> str | None:
    """Writes a photo; returns why that cannot be."""
    photo, examples = work
    try:
      before, after = self._whole(photo, examples)
    except UNUSABLE as error:
      return prefetch.reason_of(error, photo.entry)
    for path, image in zip(photo.files, (after, reduced(before)), strict=False):
      journal.replace(self._folder / path, data.encode_png(image), self._scratch)
    return None

  def _whole(self, photo: _Photo, examples: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The photo as it came, and with its restored faces; uint8."""
    quads = {
      name: example['quad'].astype(np.float64)
      for name, example in zip(photo.faces, examples, strict=True)
    }
    found = faces_at(prefetch.photo_of(self._source, photo.entry), quads, self._search)
    whole = WholePhotos()
    *_, image = [
      whole.add(face, self._result(face, example))
      for face, example in zip(found, examples, strict=True)
    ]
    before = found[0].photo
    assert before is not None
    assert image is not None  # that was the last face
    return before, image

  def _result(self, face: Face, example: dict[str, Any]) -> Result:
    images = {
      kind: example[feature] for kind, feature in tf_examples.IMAGES.items() if feature in example
    }
    return Result(face.name, face.source, images, degradation=self._assumed(face))

  def _assumed(self, face: Face) -> Pipeline:
    """The degradation of a face, as it was when the face was restored."""
    located = face.located(self._degradation, self._search.side)
    return drawn(located, face.name, self._seed)[0]
