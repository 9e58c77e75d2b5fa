"""Lowers or compiles a chunk of an inversion for accelerators that this machine does not have.

  python scripts/compile_ahead.py --lower_only --platform=cuda --configuration=256 --batch_size=3
  python scripts/compile_ahead.py --topology=v5e:2x2 --configuration=1024 --batch_size=4
  python scripts/compile_ahead.py --topology=h200 --configuration=1024 --batch_size=16

The first form runs on any machine and tells what the program does with its kernels. The others need
the compiler for TPUs (`pip install libtpu`) or for NVIDIA's GPUs (`pip install 'jax[cuda13]'`), and
tell what the program takes on one device, or, with --devices, on several that share the batch. For
a TPU 1024 px take minutes. For a GPU no kernels are tried, as they would be there: some may differ.
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
# Nor has that of GPUs one to look for, or to try kernels on.
os.environ.setdefault('JAX_SKIP_CUDA_CONSTRAINTS_CHECK', '1')
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} --xla_gpu_autotune_level=0'.strip()

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

# What the compiler must know of a GPU: NVIDIA's figures. name -> JAX's name, bytes per second of
# its memory, bytes of its second cache, bytes of its memory.
GPUS = {
  'h100': ('NVIDIA H100', 3_350_000_000_000, 50 << 20, 80_000_000_000),
  'h200': ('NVIDIA H200', 4_800_000_000_000, 60 << 20, 141_000_000_000),
}
HOPPER = """
gpu_device_info {{
  cuda_compute_capability {{ major: 9 }}
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  registers_per_block_limit: 65536
  registers_per_core_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: {cache}
  device_memory_size: {memory}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 13 }}
runtime_version {{ major: 13 }}
device_description_str: "{name}"
"""

flags.DEFINE_bool('lower_only', False, 'Stop before the compiler.')
flags.DEFINE_enum('platform', 'tpu', ['tpu', 'cuda'], 'With --lower_only: what for.')
flags.DEFINE_string(
  'topology', 'v5e:2x2', f'What to compile for: v5e:2x2, v6e:2x2, …, or one of {list(GPUS)}.'
)
flags.DEFINE_integer('devices', 1, 'So many of them share the batch.', lower_bound=1)
flags.DEFINE_enum('configuration', '256', list(configurations.INVERSION), 'Of the networks.')
flags.DEFINE_integer('batch_size', 4, 'Images on each device.', lower_bound=1)
flags.DEFINE_enum('preset', 'projector', list(inversion.PRESETS), 'Of the inversion.')
flags.DEFINE_integer('phase', 0, "Of the preset's phases.", lower_bound=0)
flags.DEFINE_string('degradation', 'identity()', 'Of the images.')
flags.DEFINE_string('precision', 'bfloat16', 'Of the convolutions.')
flags.DEFINE_string('dump', '', 'A file for the compiled program.')


def lower(platform, prior, preset, count):
  """A chunk of a batch of `count` images."""
  side = prior.generator.config.resolution
  damage = ganjax.parse_degradation(FLAGS.degradation)
  photo = np.zeros((*damage.output_shape(side, side), 3), np.float32)

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


def cost_of(compiled, platform, prior, preset):
  """What a run of a compiled program takes on one device."""
  if platform == 'tpu':
    return costs.Cost.of(compiled)
  # GPUs' compiler does not tell; the arithmetic is what is lowered for it.
  with platforms.traced_for(platform, jax.local_devices()[:1]):
    written = lower('cpu', prior, preset, FLAGS.batch_size)
  return costs.Cost.of(written)._replace(bytes=float(costs.traffic(compiled.as_text())))


def tell_compiled(compiled, cost, device):
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
  each = costs.Cost(*(x / FLAGS.batch_size for x in cost))
  print(f'per image-step: {each.flops / 1e9:.1f} GFLOP, {each.bytes / 1e9:.2f} GB', end='')
  print(f'; roofline {1000 * each.seconds(limits):.2f} ms' if limits else '')
  print(f'collectives {costs.collectives(text)}')
  arrays = costs.padded_arrays(text)  # of TPUs alone
  if not arrays:
    return
  worst = max(arrays, key=lambda a: a.factor)
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
    platform = 'cuda' if FLAGS.topology in GPUS else 'tpu'
    devices = topology_devices(platform)
  prior = jax.eval_shape(lambda: configurations.prior(FLAGS.configuration, FLAGS.precision))
  with platforms.traced_for(platform, devices):
    program = lower(platform, prior, preset, FLAGS.batch_size * FLAGS.devices)
  print(lowered.counts(program.as_text(), prior, FLAGS.batch_size), flush=True)
  if FLAGS.lower_only:
    return
  start = time.monotonic()
  try:
    compiled = program.compile()
  except jax.errors.JaxRuntimeError as error:  # above all: too little memory, and how much it is
    sys.exit(f'compile_ahead: {str(error).splitlines()[0]}')
  print(f'compiled for {devices[0].device_kind} in {time.monotonic() - start:.0f} s')
  tell_compiled(compiled, cost_of(compiled, platform, prior, preset), devices[0])


def topology_devices(platform):
  """The devices to compile for."""
  from jax.experimental import topologies

  options, package = {'topology_name': FLAGS.topology}, 'libtpu'
  if platform == 'cuda':
    name, bandwidth, cache, memory = GPUS[FLAGS.topology]
    target = HOPPER.format(name=name, bandwidth=bandwidth, cache=cache, memory=memory)
    # Hosts, and devices of each.
    options = {'target_config': target, 'topology': f'1x1x{FLAGS.devices}'}
    package = "'jax[cuda13]'"
  try:
    found = topologies.get_topology_desc(platform=platform, **options).devices
  except Exception as error:  # the plugin's own, of many kinds
    sys.exit(f'compile_ahead: --topology={FLAGS.topology}: {error} (pip install {package})')
  if len(found) < FLAGS.devices:
    sys.exit(f'compile_ahead: --devices={FLAGS.devices}: {FLAGS.topology} has {len(found)}')
  return found[: FLAGS.devices]


if __name__ == '__main__':
  app.run(run)
