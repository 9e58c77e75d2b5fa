"""The command line's entry: flags → configuration → task → exit code."""

import signal
import sys

from absl import app, flags, logging

from ganjax.errors import GanjaxError
from ganjax.runtime import compile_cache, devices, heap, precision
from ganjax.tasks import (
  align,
  bulk,
  config,
  deep_prior,
  evaluate,
  generate,
  pix2pix_predict,
  report,
  restore,
  sweep,
)
from ganjax.tasks.config import FLAGS, ConfigError
from ganjax.tasks.latent import classify, direction, interpolate, traverse
from ganjax.tasks.train import pix2pix, stylegan2, training_run

# A family of tasks is a module with TASKS, define_flags, from_flags and run.
FAMILIES = (
  *(restore, sweep, evaluate, bulk, deep_prior, pix2pix, pix2pix_predict),
  *(stylegan2, align, generate, classify, interpolate, direction, traverse, report),
)
TASKS = {task: family for family in FAMILIES for task in family.TASKS}

# What a user can mend; anything else is a defect and keeps its traceback. An OSError is a full disk
# or a folder that cannot be written: Python's own message says which.
USER_ERRORS = (GanjaxError, OSError)
EXIT_FAILED, EXIT_INTERRUPTED = 1, 75


def main() -> None:
  """Runs `python -m ganjax`."""
  define_flags()
  app.run(_run, flags_parser=_parse)


def define_flags() -> None:
  """Declares all flags of the command line."""
  flags.DEFINE_enum('task', None, list(TASKS), 'What to do.')
  flags.DEFINE_string(
    'compilation_cache',
    None,
    "Folder for compiled programs, so that a machine compiles each of them once; 'none' keeps "
    "none. Default: ganjax/compiled in the user's folder of caches.",
  )
  config.define_flags()
  training_run.define_flags()
  for family in FAMILIES:
    family.define_flags()


def from_flags() -> config.Config:
  """The configuration of the chosen task.

  Raises:
    ConfigError: a flag that the task needs is missing, or makes no sense.
  """
  if FLAGS.task is None:
    raise ConfigError(f'--task is missing; it is one of {", ".join(TASKS)}')
  return TASKS[FLAGS.task].from_flags()


def _parse(argv: list[str]) -> list[str]:
  try:
    rest = FLAGS(argv)
  except flags.Error as error:
    sys.exit(f'ganjax: {error}'.replace('\n', ' '))
  if len(rest) > 1:
    sys.exit(f'ganjax: unexpected {rest[1]!r}: every argument is a --flag=value; see --help')
  return rest


def _run(argv: list[str]) -> None:
  del argv
  logging.set_verbosity(logging.WARNING)  # jax tells which backends it did not find
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  try:
    chosen = from_flags()
    devices.one_per_core()
    devices.disable_cpu_fusion_emitters()
    compile_cache.enable(FLAGS.compilation_cache)
    precision.set_default(FLAGS.precision)
    if isinstance(chosen, training_run.TrainingConfig):
      heap.never_trim()
    failures = run(chosen)
  except USER_ERRORS as error:
    sys.exit(f'ganjax: {error}')
  except KeyboardInterrupt:
    print('ganjax: interrupted; the same command goes on where it stopped', file=sys.stderr)
    sys.exit(EXIT_INTERRUPTED)
  sys.exit(EXIT_FAILED if failures else 0)


def run(config: config.Config) -> int:
  """Runs one task; returns the number of failures."""
  return TASKS[config.task].run(config)
