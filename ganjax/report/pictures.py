"""A run's files as the report's page sees them: links, sizes, and pictures over one another."""

import os
import pathlib
import urllib.parse
from typing import NamedTuple

from PIL import Image


class Picture(NamedTuple):
  """One picture on the page."""

  label: str
  path: str  # as the record names it
  link: str | None  # URL; None where there is no such file
  kind: str  # CSS class of its figure
  blocky: bool = False  # enlarge pixel by pixel: a low-resolution picture, shown as what it is

  @property
  def suffix(self) -> str:
    return pathlib.PurePath(self.path).suffix


class Slider(NamedTuple):
  """Two pictures over one another, with a cut between them that moves."""

  before: Picture
  after: Picture
  ratio: float  # width / height at which both are shown

  @property
  def caption(self) -> str:
    return f'{self.before.label} ↔ {self.after.label}'


class Files(NamedTuple):
  """The files of one run, as seen from the page."""

  run: pathlib.Path
  prefix: str  # from the page's folder to the run's; '' or ends in '/'

  def local(self, name: object) -> pathlib.Path | None:
    """The file, or None where it is absent or the name leads out of the run's folder."""
    if not isinstance(name, str) or not name or os.path.isabs(name):
      return None
    clean = os.path.normpath(name)
    path = self.run / clean
    # os.path.isfile, because it answers False, not an error, for a name no system can hold.
    return path if clean.split(os.sep)[0] != '..' and os.path.isfile(path) else None

  def link(self, name: object) -> str | None:
    """A URL relative to the page; None where `local` is None."""
    if self.local(name) is None:
      return None
    path = self.prefix + os.path.normpath(str(name))
    url = urllib.parse.quote(os.fsencode(path))
    # './' keeps a first part such as 'a:b' or '/' from being read as a scheme or a host.
    return f'./{url}'

  def links(self, paths: dict[str, str]) -> dict[str, str]:
    """The URLs of those files that are there."""
    return {shown: link for shown, path in paths.items() if (link := self.link(path))}

  def size(self, name: object) -> tuple[int, int] | None:
    """A picture's width and height in px; None where it cannot be read."""
    path = self.local(name)
    if path is None:
      return None
    try:
      with Image.open(path) as image:  # reads the header only
        return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
      return None

  def picture(self, label: str, path: str, kind: str, blocky: bool = False) -> Picture:
    """One of the run's pictures."""
    return Picture(label, path, self.link(path), kind, blocky)

  def slider(self, before: Picture, after: Picture) -> Slider | None:
    """Both over one another; None where one is missing: half a slider compares nothing."""
    if not (before.link and after.link):
      return None
    width, height = self.size(after.path) or self.size(before.path) or (1, 1)
    return Slider(before, after, width / height)
