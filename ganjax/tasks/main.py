"""The command line's entry: flags → configuration → task → exit code."""

import pathlib
import signal
import sys

from absl import app, flags, logging

from ganjax import data, degradations, faces, report, weights
from ganjax.tasks import align, generate, restore
from ganjax.tasks.config import FLAGS, RESTORATIONS, Config, ConfigError, define_flags, from_flags

# What a user can mend; anything else is a defect and keeps its traceback.
USER_ERRORS = (
  ConfigError,
  data.ImageError,
  data.SourceError,
  data.StoreError,
  degradations.DegradationError,
  faces.FaceError,
  report.ReportError,
  weights.WeightsError,
  OSError,  # a full disk, a folder that cannot be written: Python's own message says which
)
EXIT_FAILED, EXIT_INTERRUPTED = 1, 75


def main() -> None:
  """Runs `python -m ganjax`."""
  define_flags()
  app.run(_run, flags_parser=_parse)


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
    failures = run(from_flags())
  except USER_ERRORS as error:
    sys.exit(f'ganjax: {error}')
  except KeyboardInterrupt:
    print('ganjax: interrupted; the same command goes on where it stopped', file=sys.stderr)
    sys.exit(EXIT_INTERRUPTED)
  sys.exit(EXIT_FAILED if failures else 0)


def run(config: Config) -> int:
  """Runs one task; returns the number of failures."""
  if config.task in RESTORATIONS:
    return restore.run(config)
  if config.task == 'align':
    return align.run(config)
  if config.task == 'generate':
    return generate.run(config)
  print(f'report: {report.write_report(pathlib.Path(config.input or config.output))}')
  return 0
