"""Measures an iteration of the deep image prior on whatever device JAX has: a table, and JSON.

  python scripts/bench_deep_prior.py --sides=256,512 --batch_sizes=1,4

Each picture of a batch has a network of its own.
"""

import contextlib
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from ganjax import degradations
from ganjax.inversion import batch, deep_prior, stack
from ganjax.tasks.deep_prior_study import network

FLAGS = flags.FLAGS
flags.DEFINE_list('sides', ['256', '512'], 'Of square pictures, px.')
flags.DEFINE_list('batch_sizes', ['1', '4'], 'Networks that are fitted together.')
flags.DEFINE_string('network', 'paper', 'As --network of the task.')
flags.DEFINE_integer('num_steps', 5, 'Iterations per timed chunk.', lower_bound=1)
flags.DEFINE_integer('repeats', 3, 'Timed chunks, after one that compiles.', lower_bound=1)


def measured(side, batch_size):
  """Seconds per iteration of a whole batch, one for each chunk."""
  solver = deep_prior.DeepImagePrior(network(FLAGS.network), 'l2', side, side, 'last')
  picture = np.random.default_rng(0).uniform(-1, 1, (side, side, 3)).astype(np.float32)
  hyper = deep_prior.DeepPriorHyper(num_steps=10**6)
  problem = deep_prior.DeepPriorProblem(
    jnp.asarray(picture),
    jnp.ones((side, side, 1)),
    jnp.zeros((side, side, 3)),
    degradations.parse('identity()'),
    jax.tree.map(lambda x: jnp.asarray(x, jnp.int32 if isinstance(x, int) else None), hyper),
    jax.random.key(0),
  )
  problems = stack([problem] * batch_size)
  seconds = []

  def on_progress(progress):
    jax.block_until_ready(progress.terms.loss)
    seconds.append(time.perf_counter())
    if len(seconds) == FLAGS.repeats + 1:
      raise StopIteration

  with contextlib.suppress(StopIteration):
    batch.run((), (solver,), problems, on_progress, FLAGS.num_steps)
  return np.diff(seconds) / FLAGS.num_steps


def main(_):
  device = jax.devices()[0]
  print(f'{device.device_kind or device.platform}, jax {jax.__version__}, network {FLAGS.network}')
  lines = []
  for side in map(int, FLAGS.sides):
    for batch_size in map(int, FLAGS.batch_sizes):
      seconds = sorted(1000 * measured(side, batch_size))
      lines.append({'side': side, 'batch_size': batch_size, 'ms_per_iteration': seconds})
      print(
        f'{side} px, batch {batch_size}: {statistics.median(seconds):.0f} ms per iteration '
        f'[{seconds[0]:.0f}–{seconds[-1]:.0f}], '
        f'{statistics.median(seconds) / batch_size:.0f} ms per picture',
        flush=True,
      )
  print(json.dumps(lines))


if __name__ == '__main__':
  app.run(main)
