"""Compares ways of filling holes, on the pictures of a run of `--task=pix2pix_predict`.

  python -m ganjax --task=pix2pix_predict --input=photos --output=out/filled --degrade_first
  python scripts/holes_table.py --run=out/filled

Every method sees the same pictures with the same boxes; its squared error is measured in the boxes
alone, of values in [0, 1]. Slow methods may be measured on the first few pictures (--pictures);
pix2pix's figure is then given for the same ones. Lines of the table are printed as they are ready.
Needs `pip install opencv-python-headless` for Telea's method and Navier–Stokes.
"""

import pathlib
import sys
import time
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from absl import app, flags
from PIL import Image

import ganjax
from ganjax import data, degradations
from ganjax.inversion import batch, deep_prior, image_key, stack
from ganjax.models.hourglass import PAPER
from ganjax.pix2pix import masks
from ganjax.pixels import to_bytes, to_float
from ganjax.tasks.restore_config import RestoreConfig

FLAGS = flags.FLAGS
flags.DEFINE_string('run', None, 'The --output of the run.', required=True)
flags.DEFINE_list(
  'methods',
  ['mean', 'telea', 'navier_stokes', 'pix2pix', 'stylegan2', 'deep_prior'],
  'What is measured.',
)
flags.DEFINE_integer('pictures', 0, 'So many, from the first; 0 for all.', 0)
flags.DEFINE_integer('steps', 0, 'Of stylegan2 and deep_prior; 0 for their own numbers.', 0)

RADIUS = 3  # px, of OpenCV's methods


class Holes(NamedTuple):
  """One picture and what is missing in it."""

  name: str
  truth: np.ndarray  # uint8 [H, W, 3]
  known: np.ndarray  # uint8 [H, W, 1]
  corners: list
  size: int
  pix2pix: np.ndarray  # float32 [boxes, size, size, 3] in [0, 1]


def read(folder, count):
  """The pictures of a run."""
  _, records, _ = data.read_results(folder)
  found = []
  for record in sorted(records, key=lambda record: record['order'])[: count or None]:
    boxes = np.load(folder / record['files']['boxes'])['values']
    truth = data.decode(folder / record['files']['aligned'])
    size = boxes.shape[1]
    known = masks.known(record['corners'], size, *truth.shape[:2])
    found.append(Holes(record['name'], truth, known, record['corners'], size, boxes))
  return found


def error(holes, filled):
  """Mean squared error in the boxes; `filled` is [H, W, 3] in [0, 1]."""
  return box_error(holes, masks.cut(filled, holes.corners, holes.size))


def box_error(holes, boxes):
  truth = masks.cut(holes.truth, holes.corners, holes.size) / 255
  return float(np.mean(np.square(boxes - truth)))


def mean(all_holes):
  """The mean colour of what is left of the picture."""
  for holes in all_holes:
    colour = holes.truth[holes.known[:, :, 0] > 0].mean(axis=0) / 255
    yield error(holes, np.broadcast_to(colour, holes.truth.shape))


def opencv(name):
  def fill(all_holes):
    import cv2

    kind = {'telea': cv2.INPAINT_TELEA, 'navier_stokes': cv2.INPAINT_NS}[name]
    for holes in all_holes:
      damaged = holes.truth * holes.known
      filled = cv2.inpaint(damaged, 1 - holes.known[:, :, 0], RADIUS, kind)
      yield error(holes, filled / 255)

  return fill


def pix2pix(all_holes):
  for holes in all_holes:
    yield box_error(holes, holes.pix2pix)


def masked(all_holes, side):
  """What restorations take: pictures of a square side, and the boxes as a degradation of each."""
  for holes in all_holes:
    height, width = holes.truth.shape[:2]
    if height != width:
      sys.exit(f'{holes.name}: {width}×{height}; stylegan2 and deep_prior take squares here')
    picture = np.asarray(Image.fromarray(holes.truth).resize((side, side)))
    boxes = [
      f'box={y / height:.6f}:{(y + holes.size) / height:.6f}:'
      f'{x / width:.6f}:{(x + holes.size) / width:.6f}'
      for x, y in holes.corners
    ]
    yield picture, degradations.parse(f'mask({", ".join(boxes)})')


def at(picture, side):
  """[-1, 1] -> [0, 1], at the side of the run's pictures."""
  return np.asarray(Image.fromarray(to_bytes(picture)).resize((side, side))) / 255


def stylegan2(all_holes):
  """As `--task=inpaint` does it; aligned faces."""
  networks = ganjax.load()
  defaults = RestoreConfig.defaults('inpaint')
  preset = ganjax.inversion.PRESETS['projector'].within(defaults['space'], defaults['noise_maps'])
  names = ('num_steps', 'learning_rate', 'latent_dist_reg_weight', 'noise_reg_weight')
  hyper = {name: defaults[name] for name in (*names, 'pixel_weight', 'w_noise')}
  hyper['num_steps'] = FLAGS.steps or hyper['num_steps']
  for start in range(0, len(all_holes), 4):
    part = all_holes[start : start + 4]
    pictures, masking = zip(*masked(part, networks.resolution), strict=True)
    result = ganjax.restore(
      networks,
      to_float(np.stack(pictures)),
      masking,
      names=[holes.name for holes in part],
      preset=preset,
      **hyper,
    )
    for holes, image in zip(part, np.asarray(result.image), strict=True):
      yield error(holes, at(image, holes.truth.shape[0]))


def prior(all_holes):
  """As `--task=deep_prior` does it."""
  for holes in all_holes:
    side = holes.truth.shape[0]
    ((picture, masking),) = masked([holes], side)
    hyper = deep_prior.DeepPriorHyper(
      num_steps=FLAGS.steps or deep_prior.DeepPriorHyper().num_steps
    )
    problem = deep_prior.DeepPriorProblem(
      jnp.asarray(to_float(picture)),
      masking.visible(side, side),
      jnp.zeros((side, side, 3)),  # the truth, which only a curve would need
      masking,
      deep_prior.DeepPriorHyper(*(jnp.asarray(value) for value in hyper)),
      image_key(0, holes.name),
    )
    solver = deep_prior.DeepImagePrior(PAPER, 'l2', side, side, 'last')
    fit = batch.run((), (solver,), stack([problem]))
    yield error(holes, np.asarray(fit.image[0]) / 2 + 0.5)


METHODS = {
  'mean': mean,
  'telea': opencv('telea'),
  'navier_stokes': opencv('navier_stokes'),
  'pix2pix': pix2pix,
  'stylegan2': stylegan2,
  'deep_prior': prior,
}


def main(argv):
  del argv
  all_holes = read(pathlib.Path(FLAGS.run), FLAGS.pictures)
  print(f'{len(all_holes)} pictures')
  print('| method | MSE in the boxes | seconds each |\n|---|---|---|', flush=True)
  for name in FLAGS.methods:
    started = time.monotonic()
    errors = list(METHODS[name](all_holes))
    seconds = (time.monotonic() - started) / len(all_holes)
    print(f'| {name} | {np.mean(errors):.4f} | {seconds:.2f} |', flush=True)


if __name__ == '__main__':
  app.run(main)
