"""Damages whole photographs, restores them, and measures what is put back into them.

  python scripts/photographs_table.py --input=photos --output=out/photographs

`evaluate` measures crops; this, the photos that one gets in pasted/. Each photograph with one face
is reduced until the face's crop is --side px wide, and damaged as a whole; where a JPEG comes last,
it is a JPEG file. How strong the damage is, is not told. Measured, in the photo's own pixels, over
the middle of the crop: PSNR and SSIM of luma, PSNR of colours, and dlib's identity distance, of the
damaged photo and of the restored one; the gains with their standard errors. Pictures are kept in
--output, and compared in sheet_….jpg: as they came, as they are given back, and the truth.
"""

import pathlib
import sys
from typing import NamedTuple

import jax
import numpy as np
from absl import app, flags, logging
from PIL import Image

import ganjax
from ganjax import data, degradations, faces, metrics, report
from ganjax.pixels import LUMA, to_bytes, to_float
from ganjax.runtime import compile_cache, devices

FLAGS = flags.FLAGS
DAMAGES = {  # what is done -> what is told of it
  'blur(kernel_size=41, variance=6)': 'blur(variance=?)',
  'noise(sigma=0.1)': 'noise(sigma=?)',
  'jpeg(quality=15)': 'jpeg(quality=?)',
  'grayscale()': 'grayscale()',
  'noise(sigma=0.15) | grayscale()': 'grayscale() | noise(sigma=?)',  # a film's grain has no colour
  'noise(sigma=0.1) | jpeg(quality=40)': 'noise(sigma=?) | jpeg(quality=?)',
  'blur(kernel_size=41, variance=4) | jpeg(quality=40)': 'blur(variance=?) | jpeg(quality=?)',
  'noise(sigma=0.05) | jpeg(quality=85)': 'noise(sigma=?)',  # a telephone's file at night
}
MIDDLE = 0.8  # of the crop's side: what lies outside fades into the photo
SHOWN = 8  # photographs in a sheet

if __name__ == '__main__':
  flags.DEFINE_string('input', None, 'Folder of clean photographs.', required=True)
  flags.DEFINE_string('output', None, 'Folder.', required=True)
  flags.DEFINE_list('damages', None, 'Of DAMAGES, by their places from 0; all by default.')
  flags.DEFINE_integer('side', 256, 'Of the crops in the photos, px.', 16)
  flags.DEFINE_integer('num_steps', 0, "Of each restoration; 0 for the task's.", 0)
  flags.DEFINE_boolean('auto', False, 'Nor is it told what the damage is.')
  flags.DEFINE_string('weights', '', 'Of the generator; by default the bundled ones.')


class Photograph(NamedTuple):
  """A clean photo with one face."""

  name: str
  pixels: np.ndarray  # uint8 [H, W, 3]
  quad: np.ndarray  # [4, 2], of its face's crop


class Figures(NamedTuple):
  """How near a photo's face is to the truth."""

  luma: float  # PSNR, dB
  ssim: float  # of luma
  colour: float  # PSNR, dB
  identity: float


def photographs(networks):
  """Those of --input that show one face, large enough, at the size that is wanted."""
  for path in sorted(pathlib.Path(FLAGS.input).iterdir()):
    pixels = data.decode(path)
    try:
      found = faces.align(pixels, networks.template, networks.resolution, 'always')
    except faces.FaceError:
      continue
    scale = FLAGS.side / faces.side_of(found[0].quad)
    if len(found) == 1 and scale <= 1:
      size = [round(scale * length) for length in pixels.shape[1::-1]]
      reduced = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
      yield Photograph(path.stem, reduced, scale * found[0].quad)


def damage(photograph, spec, seed, folder):
  """Writes the damaged photo; returns its path."""
  pipeline = degradations.parse(spec)
  last = pipeline.operators[-1]
  quality = int(last.quality) if isinstance(last, degradations.Jpeg) else None
  before = degradations.Pipeline(pipeline.operators[:-1]) if quality else pipeline
  damaged = before.true(to_float(photograph.pixels), jax.random.key(seed))
  path = folder / f'{photograph.name}.{"jpg" if quality else "png"}'
  Image.fromarray(to_bytes(damaged)).save(path, quality=quality or 100)  # which a PNG ignores
  return path


def middle(pixels, quad):
  """What lies in the middle of a face's crop, upright: float32 [s, s, 3], s = MIDDLE · --side."""
  centre = quad.mean(axis=0)
  return to_float(faces.cut(pixels, centre + MIDDLE * (quad - centre), round(MIDDLE * FLAGS.side)))


def figures(pixels, photograph):
  """Compares a photo with the truth."""
  ours, truth = (middle(x, photograph.quad) for x in (pixels, photograph.pixels))
  light = [np.sum(x * LUMA, axis=-1, keepdims=True, dtype=np.float32) for x in (ours, truth)]
  crops = [faces.cut(x, photograph.quad, FLAGS.side) for x in (pixels, photograph.pixels)]
  landmarks = faces.detect_largest(crops[1])
  assert landmarks is not None, f'{photograph.name} has lost its face'
  persons = [faces.descriptor(crop, landmarks) for crop in crops]
  return Figures(
    float(metrics.psnr(*light)),
    float(metrics.ssim(*light)),
    float(metrics.psnr(ours, truth)),
    float(np.linalg.norm(persons[0] - persons[1])),
  )


def restored(networks, told, paths):
  """The restored photos, and for each what was found to have happened."""
  settings = {'num_steps': FLAGS.num_steps} if FLAGS.num_steps else {}
  done = ganjax.restore_photos(list(map(str, paths)), told, networks, **settings)
  for photo in done:
    if photo.failure:
      sys.exit(f'{photo.name}: {photo.failure}')
  return [photo.image for photo in done], [photo.faces[0].record['degradation'] for photo in done]


def line(spec, came, given):
  """A row of the table."""
  before, after = np.array(came), np.array(given)
  gain = after - before
  error = gain.std(axis=0, ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else None
  cells = []
  for i, digits in enumerate((2, 3, 2, 3)):
    means = ' → '.join(f'{x[:, i].mean():.{digits}f}' for x in (before, after))
    spread = '' if error is None else f' ± {error[i]:.{digits}f}'
    cells.append(f'{means} ({gain[:, i].mean():+.{digits}f}{spread})')
  return f'| `{spec}` | ' + ' | '.join(cells) + ' |'


def draw(came, given, clean, path):
  """The faces of a few photographs, as they came, as they are given back, and in truth."""
  rows = [
    [
      report.Cell(to_bytes(middle(x, one.quad)), one.name)
      for one, x in zip(clean, images, strict=True)
    ]
    for images in (came, given, [one.pixels for one in clean])
  ]
  picture = report.sheet(
    [row[:SHOWN] for row in rows], labels=['came', 'given back', 'truth'], side=FLAGS.side
  )
  Image.fromarray(picture).save(path, quality=92)


def main(_):
  logging.set_verbosity(logging.WARNING)  # jax tells which backends it did not find
  devices.one_per_core()
  devices.disable_cpu_fusion_emitters()
  compile_cache.enable()
  networks = ganjax.load(FLAGS.weights or None)
  output = pathlib.Path(FLAGS.output)
  clean = list(photographs(networks))
  if not clean:
    sys.exit(f'--input={FLAGS.input}: no photo shows one face in {FLAGS.side} px or more')
  print(f'{len(clean)} photographs')
  print('| damage | luma, dB | SSIM | colours, dB | identity |')
  print('|---' * 5 + '|')
  for place in map(int, FLAGS.damages or range(len(DAMAGES))):
    spec, told = list(DAMAGES.items())[place]
    folder = output / f'{place}'
    folder.mkdir(parents=True, exist_ok=True)
    paths = [damage(one, spec, seed, folder) for seed, one in enumerate(clean)]
    came = [data.decode(path) for path in paths]
    given, found = restored(networks, 'auto' if FLAGS.auto else told, paths)
    for one, pixels in zip(clean, given, strict=True):
      Image.fromarray(pixels).save(folder / f'{one.name}_restored.png')
    (folder / 'found.txt').write_text(
      ''.join(f'{one.name}: {what}\n' for one, what in zip(clean, found, strict=True))
    )
    draw(came, given, clean, output / f'sheet_{place}.jpg')
    rows = [
      [figures(x, one) for x, one in zip(images, clean, strict=True)] for images in (came, given)
    ]
    print(line(spec, *rows), flush=True)


if __name__ == '__main__':
  app.run(main)
