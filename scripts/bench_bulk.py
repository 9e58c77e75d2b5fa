"""Measures bulk runs with a tiny network: what continuous batching brings, and what size costs.

  python scripts/bench_bulk.py --part=batching     fixed batches against continuous ones
  python scripts/bench_bulk.py --part=size         cost per picture, 100 to 10,000 pictures

Batching: the same pictures, with early stopping, in fixed batches and through slots, in turns; the
images of a batch are mapped by vmap, as on GPU and TPU, where a finished image costs as much as
one at work. (The loop over images that ganjax uses on a CPU has no such cost.) Size: whole runs of
`--task=bulk`, each in a process of its own; time is counted from the first block that is done.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLAGS = flags.FLAGS
flags.DEFINE_enum('part', 'batching', ['batching', 'size'], 'What is measured.')
flags.DEFINE_integer('pictures', 48, 'Of the batching part.', lower_bound=1)
flags.DEFINE_integer('batch_size', 8, 'Of the batching part.', lower_bound=1)
flags.DEFINE_integer('num_steps', 1500, 'At most, of the batching part.', lower_bound=1)
flags.DEFINE_integer('repeats', 3, 'Of the batching part.', lower_bound=1)
flags.DEFINE_list('sizes', ['100', '1000', '10000'], 'Of the size part, pictures.')


def tiny_weights(path):
  """Writes a 16 px network with random weights."""
  sys.path.insert(0, str(ROOT / 'tests'))
  import tiny

  tiny.write(path)


def targets(prior, count):
  """Pictures of all degrees of difficulty: what the generator makes, under more and more noise."""
  import jax
  import numpy as np

  from ganjax.pixels import to_bytes, to_float

  made = jax.jit(lambda g, z: g.synthesis(g.mapping(z)))
  pictures = []
  for i in range(count):
    rng = np.random.RandomState(i)
    z = rng.randn(prior.generator.config.z_dim).astype(np.float32)
    picture = np.asarray(made(prior.generator, z))
    grain = rng.uniform(-1, 1, picture.shape) * rng.uniform(0, 1)
    pictures.append(to_float(to_bytes(picture + grain)))
  return pictures


def batching():
  """Prints pictures per second of both, measured in turns."""
  import jax
  import numpy as np

  import ganjax
  from ganjax import inversion, weights
  from ganjax.inversion import batch

  def vmapped(function, *batched):
    return jax.vmap(function)(*batched)

  spent = []  # steps of the whole batch, each of which costs the same
  advance = batch.advance

  def counted(prior, solver, num_steps, *batched):
    spent.append(num_steps)
    return advance(prior, solver, num_steps, *batched)

  measured: Any = batch
  measured.map_images, measured.advance = vmapped, counted
  with tempfile.TemporaryDirectory() as folder:
    tiny_weights(pathlib.Path(folder) / 'tiny.safetensors')
    prior = inversion.make_prior(weights.load(pathlib.Path(folder) / 'tiny.safetensors'))
  preset = inversion.Preset().within('w_plus', 'free')
  hyper = preset.hyper._replace(
    num_steps=FLAGS.num_steps, pixel_weight=1.0, noise_reg_weight=1.0, settled_within=0.01
  )
  identity = ganjax.parse_degradation('identity()')
  problems = [
    (i, inversion.make_problem(prior, picture, identity, str(i), 0, hyper))
    for i, picture in enumerate(targets(prior, FLAGS.pictures))
  ]

  def fixed():
    steps = []
    for first in range(0, len(problems), FLAGS.batch_size):
      some = [problem for _, problem in problems[first : first + FLAGS.batch_size]]
      some += some[-1:] * (FLAGS.batch_size - len(some))
      result = batch.run(prior, inversion.stages_of(preset), inversion.stack(some))
      jax.block_until_ready(result.image)
      steps += result.num_steps.tolist()
    return steps[: len(problems)]

  def continuous():
    slots = inversion.ContinuousBatch(prior, inversion.stages_of(preset), FLAGS.batch_size)
    return [int(result.num_steps) for _, result in slots.solve(problems)]

  seconds: dict = {fixed: [], continuous: []}
  steps, batch_steps = {}, {}
  for repeat in range(FLAGS.repeats + 1):
    for way in seconds:
      spent.clear()
      started = time.perf_counter()
      steps[way] = way()
      batch_steps[way] = sum(spent)
      if repeat:  # the first one compiles
        seconds[way].append(time.perf_counter() - started)
  assert sorted(steps[fixed]) == sorted(steps[continuous])
  taken = steps[fixed]
  print(
    f'{len(problems)} pictures, batches of {FLAGS.batch_size}; steps taken: '
    f'{np.mean(taken):.0f} on average, {min(taken)}–{max(taken)}, at most {FLAGS.num_steps}'
  )
  report = {'steps': taken}
  for way, times in seconds.items():
    rates = sorted(len(problems) / t for t in times)
    print(
      f'{way.__name__:>11}: {batch_steps[way]} steps of the batch, '
      f'{statistics.median(rates):.1f} pictures/s [{rates[0]:.1f}–{rates[-1]:.1f}]'
    )
    report[way.__name__] = {'batch_steps': batch_steps[way], 'pictures_per_second': rates}
  print(json.dumps(report))


def size():
  """Prints milliseconds per picture and peak memory for data sets of several sizes."""
  import numpy as np
  from PIL import Image

  print(f'{"pictures":>9} {"ms each":>8} {"peak MiB":>9} {"whole run, s":>13}')
  with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    tiny_weights(folder / 'tiny.safetensors')
    for count in map(int, FLAGS.sizes):
      photos = folder / f'photos{count}'
      photos.mkdir()
      for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(photos / f'{i}.png')
      print(one_size(folder, photos, count), flush=True)


def one_size(folder, photos, count):
  """One line of the table."""
  output = folder / f'out{count}'
  started = time.perf_counter()
  process = subprocess.Popen(
    [
      *(sys.executable, '-m', 'ganjax', '--task=bulk', f'--input={photos}', f'--output={output}'),
      *(f'--weights={folder}/tiny.safetensors', '--num_steps=4', '--align=never'),
      *('--batch_size=16', '--block_size=50', '--previews=0', '--threads=2'),
    ],
    stdout=subprocess.DEVNULL,
  )
  peak = 0
  while process.poll() is None:
    status = pathlib.Path(f'/proc/{process.pid}/status')
    try:
      lines = status.read_text('utf-8').splitlines()
    except OSError:
      break
    peak = max([peak, *(int(x.split()[1]) for x in lines if x.startswith('VmHWM'))])
    time.sleep(0.2)
  if process.wait():
    sys.exit(f'bench_bulk: the run over {count} pictures failed')
  whole = time.perf_counter() - started
  report = json.loads((output / 'status' / '00000-of-00001.json').read_text('utf-8'))
  each = 1000 / report['pictures_per_second']
  return f'{count:>9,} {each:>8.1f} {peak / 1024:>9.0f} {whole:>13.1f}'


def run(argv):
  """Measures one part."""
  del argv
  {'batching': batching, 'size': size}[FLAGS.part]()


if __name__ == '__main__':
  app.run(run)
