"""Measures inversion and training on whatever device JAX has: a table, and JSON.

  python scripts/bench.py --configurations=default,256,1024 --batch_sizes=1,4,16
  python scripts/bench.py --configurations=train_64,train_128,train_256 --batch_sizes=16
  python scripts/bench.py --configurations=pix2pix_64,pix2pix_256 --batch_sizes=1

Times whole chunks of optimisation steps as users run them: noise maps optimised, the perceptual
distance of the configuration. Every line is measured in a process of its own, so that one's peak
memory does not show in another's. On a CPU the peak is the process's resident memory.

A step of training a generator (`train_…`) is the mean of sixteen: R1 once, path lengths four times,
augmentation with probability 0.2. Images per hour are then pictures shown, as they are of pix2pix.

GFLOP and GB are those of one step of one image, as the compiler counts them: every operation's
operands and results, whether a cache serves them or the memory, and what a chunk does once among
them. FLOP/s and GB/s are the shares of what this device does at best, measured beside it: a large
product of matrices in the type of the convolutions, and a sum of long vectors.
"""

import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

import configurations
from absl import app, flags

from ganjax.inversion.problem import stack

FLAGS = flags.FLAGS
# name -> resolution, channel_base, channel_max, latent size, mapping layers.
TRAINING = {
  'train_tiny': (8, 32, 4, 4, 1),
  'train_64': (64, 1024, 128, 128, 4),
  'train_128': (128, 4096, 256, 256, 4),  # the bundled networks
  'train_256': (256, 4096, 128, 128, 4),
}
# name -> resolution, U-Net's depth and width, widest layer, patch that a logit sees.
PIX2PIX = {
  'pix2pix_tiny': (16, 4, 2, 4, 16),
  'pix2pix_64': (64, 6, 16, 128, 34),
  'pix2pix_256': (256, 8, 64, 512, 70),  # the paper's
}
BFLOAT16_FROM = 32  # px, as `--task=train_generator` has it
CYCLE = 16  # steps of training after which R1 and path lengths are due again
PER_IMAGE = 1000  # steps that an image per hour is counted with

NAMES = [*configurations.INVERSION, *TRAINING, *PIX2PIX]

flags.DEFINE_list('configurations', ['default', '256', '1024'], f'Of {NAMES}.')
flags.DEFINE_list('batch_sizes', ['1', '4', '16'], 'Images that are optimised together.')
flags.DEFINE_integer('num_steps', 10, 'Steps per timed chunk.', lower_bound=1)
flags.DEFINE_integer('repeats', 5, 'Timed chunks, after one that compiles.', lower_bound=1)
flags.DEFINE_enum('precision', 'auto', ['auto', 'float32', 'tf32', 'bfloat16'], 'Of the networks.')
flags.DEFINE_string('output', 'bench.json', 'Where the JSON goes; empty for nowhere.')
flags.DEFINE_bool('worker', False, 'Measure one line in this process and print it as JSON.')


def measure(name, batch):
  """One line: milliseconds per step of the batch, compile time, peak memory, cost."""
  import jax
  import numpy as np

  import ganjax
  from ganjax import inversion, weights
  from ganjax.inversion import batch as batches
  from ganjax.runtime import costs, platforms, sharding

  if batch < 1:
    raise ValueError(f'--batch_sizes: {batch} photos; give 1 or more')
  prior, preset = configurations.compiled_prior(name, FLAGS.precision), inversion.PROJECTOR
  side = prior.generator.config.resolution
  photos = np.random.RandomState(0).uniform(-1, 1, (batch, side, side, 3)).astype(np.float32)
  identity = ganjax.parse_degradation('identity()')
  hyper = preset.hyper._replace(num_steps=FLAGS.num_steps * (FLAGS.repeats + 1))
  problems = sharding.pad(
    stack(
      [inversion.make_problem(prior, x, identity, str(i), 0, hyper) for i, x in enumerate(photos)]
    )
  )
  (solver,) = inversion.stages_of(preset)
  states, active = batches.start(prior, solver, problems), np.ones(sharding.round_up(batch), bool)
  started = time.perf_counter()
  chunk = batches.advance.lower(prior, solver, FLAGS.num_steps, problems, active, states).compile()
  compiled = time.perf_counter()
  marks = []
  for _ in range(FLAGS.repeats + 1):  # the first one meets cold caches
    states, *_ = chunk(prior, problems, active, states)
    jax.block_until_ready(states)
    marks.append(time.perf_counter())
  num_devices = sharding.mesh(batch).size
  line = line_of(name, batch, np.diff(marks), FLAGS.num_steps, PER_IMAGE, num_devices)
  line['compile_seconds'] = compiled - started
  # A CPU's program takes one image after another: its loop's body is one image's step.
  together = 1 if platforms.is_cpu() else sharding.round_up(batch) // num_devices
  cost = costs.Cost(*(x / together for x in costs.Cost.of(chunk)))
  limits = costs.measured_limits(weights.parameters.compute_type(FLAGS.precision))
  devices = 1 if platforms.is_cpu() else num_devices  # cores share what one measures
  seconds = line['ms_per_step'][1] / 1000 / batch
  line['gflop_per_image_step'], line['gb_per_image_step'] = (x / 1e9 for x in cost)
  line['share_of_flops'] = cost.flops / seconds / (limits.flops * devices)
  line['share_of_bandwidth'] = cost.bytes / seconds / (limits.bandwidth * devices)
  return line


def planned(name, batch):
  """What is trained in one configuration."""
  from ganjax import weights
  from ganjax.models import architecture
  from ganjax.training.stylegan2 import formulas, training_plan

  side, base, most, w_dim, layers = TRAINING[name]
  widths = architecture.channel_widths(side, base, most)
  mapping = architecture.MappingConfig(layers, w_dim)
  return training_plan.StyleGAN2Plan(
    architecture.GeneratorConfig(side, widths, mapping, z_dim=w_dim, w_dim=w_dim),
    architecture.DiscriminatorConfig(side, widths),
    batch,
    formulas.r1_weight(side, batch),
    augment_target=None,
    dtype=weights.parameters.compute_type(FLAGS.precision),
    dtype_from=BFLOAT16_FROM,
  )


def measure_training(name, batch):
  """One line: milliseconds per step of the batch, compile time, peak memory."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from ganjax.runtime import devices
  from ganjax.training.stylegan2 import trainer, training_plan

  plan = planned(name, batch)
  mesh = devices.data_mesh(trainer.DEVICES, devices.devices_for(plan.num_chunks))
  state = devices.replicate(mesh, training_plan.init(plan, probability=0.2))
  side = plan.generator.resolution
  shape = (plan.num_chunks, plan.chunk_size, side, side, 3)
  photographs = jnp.asarray(np.random.default_rng(0).integers(0, 256, shape), jnp.uint8)
  batches = devices.split(
    mesh, training_plan.Batch(photographs, None), jax.sharding.PartitionSpec(trainer.DEVICES)
  )

  def step(state, number):
    return trainer.step(plan, mesh, state, batches, number)[0]

  return timed(name, batch, step, state, mesh.size)


def measure_pix2pix(name, batch):
  """The same of pix2pix."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from ganjax import weights
  from ganjax.models.patchgan import PatchGANConfig
  from ganjax.models.unet import UNetConfig
  from ganjax.runtime import devices
  from ganjax.training.pix2pix import trainer

  side, depth, width, most, patch = PIX2PIX[name]
  plan = trainer.Pix2PixPlan(
    UNetConfig(depth, width, most, 'batch'),
    PatchGANConfig(patch, width, most, 'batch'),
    num_steps=CYCLE,
    dtype=weights.parameters.compute_type(FLAGS.precision),
  )
  mesh = devices.data_mesh(trainer.DEVICES, devices.devices_for(1))
  state = devices.replicate(mesh, trainer.init(plan))
  rng = np.random.default_rng(0)
  pictures = [
    jnp.asarray(rng.integers(0, limit, (1, batch, side, side, channels)), jnp.uint8)
    for limit, channels in ((256, 3), (256, 3), (2, 1))
  ]
  spec = jax.sharding.PartitionSpec(None, trainer.DEVICES)
  batches = devices.split(mesh, trainer.Batch(*pictures), spec)

  def step(state, number):
    del number
    return trainer.step(plan, mesh, state, batches)[0]

  return timed(name, batch, step, state, mesh.size)


def timed(name, batch, step, state, num_devices):
  """One line: a trainer's steps, on the same pictures again and again."""
  import jax
  import numpy as np

  marks = [time.perf_counter()]
  for _ in range(FLAGS.repeats + 1):
    for number in range(CYCLE):
      state = step(state, number)
    jax.block_until_ready(state)
    marks.append(time.perf_counter())
  seconds = np.diff(marks)
  line = line_of(name, batch, seconds[1:], CYCLE, 1, num_devices)
  return {**line, 'compile_seconds': float(seconds[0] - statistics.median(seconds[1:]))}


def line_of(name, batch, seconds, num_steps, per_image, num_devices):
  """What is told of timed chunks of steps."""
  import jax

  step = [1000 * chunk / num_steps for chunk in seconds]
  stats = jax.local_devices()[0].memory_stats() or {}
  resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  return {
    'configuration': name,
    'batch': batch,
    'ms_per_step': [min(step), statistics.median(step), max(step)],
    'images_per_hour': 3.6e6 * batch / (statistics.median(step) * per_image),
    'peak_mib': stats.get('peak_bytes_in_use', resident) / 2**20,
    'device': f'{num_devices} × {jax.local_devices()[0].device_kind}',
    'jax': jax.__version__,
  }


def in_own_process(name, batch):
  """`measure`, elsewhere; a line with 'error' if that fails."""
  command = [sys.executable, __file__, '--worker', f'--configurations={name}']
  command += [f'--batch_sizes={batch}', f'--precision={FLAGS.precision}']
  command += [f'--num_steps={FLAGS.num_steps}', f'--repeats={FLAGS.repeats}']
  done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    reason = (done.stderr.strip().splitlines() or [f'ended by signal {-done.returncode}'])[-1]
    return {'configuration': name, 'batch': int(batch), 'error': reason}
  return json.loads(done.stdout.splitlines()[-1])


def row(line):
  """One line of the table."""
  start = f'{line["configuration"]:>12} {line["batch"]:>5}'
  if 'error' in line:
    return f'{start}  {line["error"]}'
  low, median, high = line['ms_per_step']
  step = f'{median:.1f} [{low:.1f}–{high:.1f}]'
  each = median / line['batch']
  return (
    f'{start} {step:>26} {each:>10.1f} {line["images_per_hour"]:>9.1f} '
    f'{line["compile_seconds"]:>9.1f} {line["peak_mib"]:>9.0f}{cost_of(line)}'
  )


def cost_of(line):
  """The columns of what a step of one image takes."""
  if 'gflop_per_image_step' not in line:
    return ''
  return (
    f' {line["gflop_per_image_step"]:>9.1f} {line["gb_per_image_step"]:>8.2f} '
    f'{line["share_of_flops"]:>7.0%} {line["share_of_bandwidth"]:>7.0%}'
  )


def machine():
  """What it was measured on."""
  model = platform.processor() or platform.machine()
  information = pathlib.Path('/proc/cpuinfo')
  if information.is_file():
    names = [x for x in information.read_text('utf-8').splitlines() if x.startswith('model name')]
    model = names[0].partition(': ')[2] if names else model
  return {'cpu': model, 'cores': os.cpu_count(), 'load': os.getloadavg()[0]}


def run(argv):
  """Measures every line, prints the table, writes the JSON."""
  del argv
  if unknown := set(FLAGS.configurations) - set(NAMES):
    sys.exit(f'bench: no configuration {sorted(unknown)}; there are {NAMES}')
  if FLAGS.worker:
    name, batch = FLAGS.configurations[0], int(FLAGS.batch_sizes[0])
    from ganjax.runtime import devices, heap, precision

    devices.one_per_core()  # as the tasks do
    devices.disable_cpu_fusion_emitters()
    precision.set_default(FLAGS.precision)
    if name in configurations.INVERSION:
      line = measure(name, batch)
    else:
      heap.use_single_arena()
      heap.never_trim()
      line = (measure_training if name in TRAINING else measure_pix2pix)(name, batch)
    print(json.dumps(line))
    return
  host = machine()
  print(f'{host["cpu"]}, {host["cores"]} cores, load {host["load"]:.1f}; {FLAGS.precision}')
  print(
    f'{"network":>12} {"batch":>5} {"ms per step [min–max]":>26} {"per image":>10} '
    f'{"images/h":>9} {"compile s":>9} {"peak MiB":>9} {"GFLOP":>9} {"GB":>8} '
    f'{"FLOP/s":>7} {"GB/s":>7}'
  )
  lines = []
  for name in FLAGS.configurations:
    for batch in FLAGS.batch_sizes:
      lines.append(in_own_process(name, batch))
      print(row(lines[-1]), flush=True)
  print(f'images/h at {PER_IMAGE} steps each; of training: pictures shown')
  if FLAGS.output:
    report = {'machine': host, 'precision': FLAGS.precision, 'lines': lines}
    pathlib.Path(FLAGS.output).write_text(json.dumps(report, indent=2) + '\n', 'utf-8')
  sys.exit(any('error' in line for line in lines))


if __name__ == '__main__':
  app.run(run)
