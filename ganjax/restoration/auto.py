"""Restoring photos of which nobody says what happened to them: by what each of them shows."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ganjax import inversion
from ganjax.degradations import DegradationError, parse
from ganjax.restoration.defaults import AS_IT_IS, AUTO
from ganjax.restoration.diagnosis import Diagnosed, diagnose_photos
from ganjax.restoration.faces import AddFailure, Face, Photo, Search, find_faces
from ganjax.restoration.result import Result
from ganjax.restoration.solve import Method, Watch, restore_faces
from ganjax.weights import Networks


class Automatic(NamedTuple):
  """A degradation that is found out for each photo, and masks that are known."""

  masks: str  # their spec; '' for none

  @classmethod
  def of(cls, degradation: str) -> 'Automatic | None':
    """What a spec says that begins with 'auto'; None for any other.

    Raises:
      DegradationError: more follows than masks.
    """
    first, _, masks = degradation.partition('|')
    if first.strip() != AUTO:
      return None
    if masks and not all(operator.is_mask for operator in parse(masks).operators):
      raise DegradationError(
        f'{degradation}: beside auto only masks can be given; leave the rest out'
      )
    return cls(masks.strip())

  def search(self, search: Search) -> Search:
    """How faces are found, with the masks' holes, for what their files tell."""
    masks = (parse(self.masks),) if self.masks else ()
    return dataclasses.replace(search, degradations=masks, with_coding=True)

  def spec(self, found: str) -> str:
    """A whole degradation, from what shows, if anything does."""
    return ' | '.join(filter(None, (found, self.masks))) or AS_IT_IS['inpaint']


def restore_diagnosed(
  networks: Networks,
  perceptual: inversion.Perceptual,
  photos: Iterable[Photo],
  search: Search,
  automatic: Automatic,
  method_of: Callable[[str], Method],
  batch_size: int,
  watch: Watch,
  add_failure: AddFailure,
  owners: dict[str, str] | None = None,
) -> Iterator[tuple[Face, Result]]:
  """Restores the faces of photos, each by what shows in its largest face.

  Args:
    networks, perceptual, watch: as `restore_faces` takes them.
    photos: the photos.
    search: how faces are found.
    automatic: the masks.
    method_of: a degradation's spec -> how such photos are restored.
    batch_size: photos that are looked at together, and faces that are restored together.
    add_failure, owners: as `find_faces` takes them.
  """
  owners = {} if owners is None else owners
  looked = diagnose_photos(photos, automatic.search(search), add_failure)
  while chunk := list(itertools.islice(looked, batch_size)):
    alike: dict[str, list[Diagnosed]] = {}
    for one in chunk:
      alike.setdefault(one.degradation, []).append(one)
    for degradation, group in alike.items():
      method = method_of(automatic.spec(degradation))
      method.check(networks.resolution)
      own = method.search(networks, search.align, search.box)
      found = _faces(group, own, add_failure, owners)
      yield from restore_faces(networks, perceptual, found, method, batch_size, watch)


def _faces(
  group: list[Diagnosed], search: Search, add_failure: AddFailure, owners: dict[str, str]
) -> Iterator[Face]:
  """The faces where they were found; the first of each photo says what shows."""
  for one in group:
    own = dataclasses.replace(search, quads=one.quads)
    for face in find_faces([one.photo], own, add_failure, owners):
      if face.number == 0 and one.evidence:
        face = face._replace(notes=(f'what shows: {one.evidence}', *face.notes))
      yield face
