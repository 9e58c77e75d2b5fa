"""Lowers or compiles a chunk of an inversion for accelerators that this machine does not have.

  python scripts/compile_ahead.py --lower_only --platform=cuda --configuration=256 --batch_size=3
  python scripts/compile_ahead.py --topology=v5e:2x2 --configuration=1024 --batch_size=4

The first form runs on any machine and tells what the program does with its kernels. The second one
needs TPU's compiler (`pip install libtpu`) and tells what the program takes on one device of a
topology, or, with --devices, on several that share the batch; 1024 px take minutes.
"""

import os
import sys
import time

# TPU's compiler looks for a machine around it; there is none.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
os.environ.setdefault('TPU_ACCELERATOR_TYPE', 'v5litepod-4')
os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')

import configurations
import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

import ganjax
from ganjax import inversion
from ganjax.inversion import batch
from ganjax.runtime import costs, lowered, platforms, precision

FLAGS = flags.FLAGS
CHUNK_STEPS = 5  # any number: the loop's body is compiled once
SHOWN = 8  # arrays

flags.DEFINE_bool('lower_only', False, 'Stop before the compiler.')
flags.DEFINE_enum('platform', 'tpu', ['tpu', 'cuda'], 'With --lower_only: what for.')
flags.DEFINE_string('topology', 'v5e:2x2', 'What to compile for, such as v5e:2x2 or v6e:2x2.')
flags.DEFINE_integer('devices', 1, 'So many of them share the batch.', lower_bound=1)
flags.DEFINE_enum('configuration', '256', list(configurations.INVERSION), 'Of the networks.')
flags.DEFINE_integer('batch_size', 4, 'Images on each device.', lower_bound=1)
flags.DEFINE_enum('preset', 'projector', list(inversion.PRESETS), 'Of the inversion.')
flags.DEFINE_integer('phase', 0, "Of the preset's phases.", lower_bound=0)
flags.DEFINE_string('degradation', 'identity()', 'Of the images.')
flags.DEFINE_string('precision', 'bfloat16', 'Of the convolutions.')
flags.DEFINE_string('dump', '', 'A file for the compiled program.')


def lower(platform, prior, preset):
  """A chunk of a batch."""
  side = prior.generator.config.resolution
  damage = ganjax.parse_degradation(FLAGS.degradation)
  photo = np.zeros((*damage.output_shape(side, side), 3), np.float32)
  count = FLAGS.batch_size * FLAGS.devices

  def problems(prior):
    one = inversion.make_problem(prior, photo, damage, 'x', 0, preset.hyper)
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *jnp.shape(x))), one)

  shapes = jax.eval_shape(problems, prior)
  states = None
  for solver in inversion.stages_of(preset)[: FLAGS.phase + 1]:
    states = jax.eval_shape(
      lambda p, x, before, solver=solver: batch.start(p, solver, x, before), prior, shapes, states
    )
  active = jax.ShapeDtypeStruct((count,), bool)
  return lowered.lower(batch.advance, platform, prior, solver, CHUNK_STEPS, shapes, active, states)


def tell_compiled(compiled, device):
  """Prints what the program takes."""
  memory, text = compiled.memory_analysis(), compiled.as_text()
  if FLAGS.dump:
    with open(FLAGS.dump, 'w', encoding='utf-8') as file:
      file.write(text)
  gib = 2.0**30
  used = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
  used -= memory.alias_size_in_bytes
  limits = costs.SPECIFIED.get(device.device_kind)
  there = f' of {limits.memory / gib:.0f}' if limits else ''
  print(
    f'memory per device: {used / gib:.2f} GiB{there}, '
    f'temporary {memory.temp_size_in_bytes / gib:.2f} GiB'
  )
  cost = costs.Cost.of(compiled)
  each = costs.Cost(*(x / FLAGS.batch_size for x in cost))
  print(f'per image-step: {each.flops / 1e9:.1f} GFLOP, {each.bytes / 1e9:.2f} GB', end='')
  print(f'; roofline {1000 * each.seconds(limits):.2f} ms' if limits else '')
  print(f'collectives {costs.collectives(text)}')
  arrays = costs.padded_arrays(text)
  worst = max(arrays, key=lambda a: a.factor, default=None)
  if worst is not None:
    print(f'most padded: {worst.name} × {worst.factor:.1f}, {worst.bytes / 2**20:.0f} MiB')
  print('largest arrays: times written, MiB each, padding')
  for array in arrays[:SHOWN]:
    print(f'{array.times:>6} {array.bytes / 2**20:>8.1f} × {array.factor:<6.2f} {array.name}')


def run(argv):
  """Lowers, and compiles unless told not to."""
  del argv
  precision.set_default(FLAGS.precision)
  preset = inversion.PRESETS[FLAGS.preset]
  platform, devices = FLAGS.platform, jax.local_devices()[: FLAGS.devices]
  if not FLAGS.lower_only:
    platform, devices = 'tpu', topology_devices()
  prior = jax.eval_shape(lambda: configurations.prior(FLAGS.configuration, FLAGS.precision))
  with platforms.traced_for(platform, devices):
    program = lower(platform, prior, preset)
  print(lowered.counts(program.as_text(), prior, FLAGS.batch_size), flush=True)
  if FLAGS.lower_only:
    return
  start = time.monotonic()
  try:
    compiled = program.compile()
  except jax.errors.JaxRuntimeError as error:  # above all: too little memory, and how much it is
    sys.exit(f'compile_ahead: {str(error).splitlines()[0]}')
  print(f'compiled for {devices[0].device_kind} in {time.monotonic() - start:.0f} s')
  tell_compiled(compiled, devices[0])


def topology_devices():
  """The devices to compile for."""
  from jax.experimental import topologies

  try:
    found = topologies.get_topology_desc(platform='tpu', topology_name=FLAGS.topology).devices
  except Exception as error:  # the plugin's own, of many kinds
    sys.exit(f'compile_ahead: --topology={FLAGS.topology}: {error} (pip install libtpu)')
  if len(found) < FLAGS.devices:
    sys.exit(f'compile_ahead: --devices={FLAGS.devices}: {FLAGS.topology} has {len(found)}')
  return found[: FLAGS.devices]


if __name__ == '__main__':
  app.run(run)
