"""What the examples share: flags, faces of photos, and sheets of images."""

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

import ganjax
from ganjax import data, faces
from ganjax.pixels import to_bytes, to_float

PHOTO = pathlib.Path(__file__).resolve().parents[1] / 'scripts' / 'demo' / 'astronaut.png'
CELL = 256  # px


def parser(description: str, num_steps: int = 200) -> argparse.ArgumentParser:
  """Flags that all examples have."""
  made = argparse.ArgumentParser(description=description)
  made.add_argument('--input', nargs='+', type=pathlib.Path, default=[PHOTO], help='photos')
  made.add_argument('--output', type=pathlib.Path, default=pathlib.Path('examples_output'))
  made.add_argument('--weights', help='a generator; the bundled one unless given')
  made.add_argument('--align', default='auto', choices=['auto', 'always', 'never'])
  made.add_argument('--num_steps', type=int, default=num_steps)
  return made


def load_faces(paths: Sequence[pathlib.Path], networks: ganjax.Networks, align: faces.Mode):
  """The faces of photos, cropped as the generator knows them; float32 [N, H, W, 3] in [-1, 1]."""
  found = [
    crop.image
    for path in paths
    for crop in faces.align(data.decode(path), networks.template, networks.resolution, align)
  ]
  return to_float(np.stack(found))


def write_sheet(path: pathlib.Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
  """Writes rows of images in [-1, 1]; small ones are enlarged, pixel by pixel."""
  cells = [[_cell(image) for image in row] for row in rows]
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in cells])).save(path)
  print(f'wrote {path}')


def _cell(image: np.ndarray) -> np.ndarray:
  picture = Image.fromarray(to_bytes(np.asarray(image)))
  return np.asarray(picture.resize((CELL, CELL), Image.Resampling.NEAREST))
