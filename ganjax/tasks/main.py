"""The command line's entry: flags → configuration → task → exit code.

What runs a task, and JAX with it, is imported once all flags make sense: help and errors are quick.
"""

import dataclasses
import itertools
import pathlib
import re
import signal
import sys
from typing import ClassVar

from absl import app, flags, logging

import ganjax
from ganjax.errors import GanjaxError, closest
from ganjax.runtime import heap, streams
from ganjax.tasks import completion, help
from ganjax.tasks.config import COMMON, Config
from ganjax.tasks.settings import FLAGS, ConfigError, setting
from ganjax.tasks.settings import define_flags as define
from ganjax.tasks.table import TASKS
from ganjax.tasks.train.training_config import TrainingConfig

EXIT_FAILED, EXIT_INTERRUPTED = 1, 75
HELP, FULL, VERSION = {'-h', '-?', '--help', '--helpshort'}, '--helpfull', '--version'
COMPLETION = '--completion'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Always:
  """What every command can be told, and no result depends on."""

  HEADING: ClassVar[str] = COMMON

  task: str | None = setting('What to do.', None, choices=TASKS)
  compilation_cache: str | None = setting(
    "Folder for compiled programs, so that a machine compiles each of them once; 'none' keeps "
    "none. Default: ganjax/compiled in the user's folder of caches.",
    None,
  )


def main() -> None:
  """Runs `python -m ganjax`."""
  streams.make_robust()
  define_flags()
  text = _help(sys.argv)
  if text is not None:
    print(text)
  else:
    app.run(_run, flags_parser=_parse)


def define_flags() -> None:
  """Declares all flags of the command line."""
  define([Always, *(task.kind() for task in TASKS.values())])


def _help(argv: list[str]) -> str | None:
  """What the command line asks to be told; None where it asks for work."""
  words = set(argv[1:])
  if VERSION in words:
    return f'ganjax {ganjax.__version__}'
  if FULL in words:
    return help.everything(Always)
  if argv[1:] and argv[1].split('=')[0] == COMPLETION:
    return _completion(argv[1:])
  if len(argv) > 1 and argv[1] != 'help' and not HELP & words:
    return None
  _parse([argv[0], *(word for word in argv[1:] if word not in HELP | {'help'})])
  return help.tasks() if FLAGS.task is None else help.of_task(TASKS[FLAGS.task], Always)


def _completion(words: list[str]) -> str:
  """What makes a shell complete commands; words are `--completion=bash` or `--completion bash`."""
  shell = ' '.join(words).removeprefix(COMPLETION).lstrip('= ')
  if shell not in completion.SHELLS:
    sys.exit(f'ganjax: {COMPLETION}: name a shell, one of {", ".join(completion.SHELLS)}')
  return completion.script(shell, Always)


def _parse(argv: list[str]) -> list[str]:
  FLAGS.set_gnu_getopt(True)  # flags may follow the photo
  try:
    program, *words = FLAGS(argv)
    _read_short_form(words)
  except flags.UnrecognizedFlagError as error:
    close = closest(error.flagname, FLAGS) or _beginning_with(error.flagname)
    remedy = f'did you mean --{close}?' if close else 'see ganjax --help'
    sys.exit(f'ganjax: --{error.flagname}: no such flag: {remedy}')
  except flags.Error as error:
    told = re.sub(
      r"invalid literal for int\(\) with base 10: '.*'", 'is no whole number', str(error)
    )
    told = re.sub(r"could not convert string to float: '.*'", 'is no number', told)
    sys.exit(f'ganjax: {told}'.replace('\n', ' ').replace(': flag --', ': --', 1))
  except ConfigError as error:
    sys.exit(f'ganjax: {error}')
  return [program]


def _beginning_with(word: str) -> str | None:
  """The flag that other programs abbreviate so, such as -o for --output; the common ones first."""
  return next((flag for flag in help.users() if flag.startswith(word)), None)


def _read_short_form(words: list[str]) -> None:
  """Reads `TASK PHOTO`, which is short for --task=TASK --input=PHOTO.

  Raises:
    ConfigError: the words are something else; the message has the remedy.
  """
  if not words:
    return
  if FLAGS.task is not None:
    raise ConfigError(f'unexpected {words[0]!r}: with --task, write --input={words[0]}')
  task, *photos = words
  if task not in TASKS:
    close = closest(task, TASKS) if task.isidentifier() else None  # or else it is a photo
    remedy = f'did you mean {close}?' if close else 'write ganjax TASK PHOTO; see ganjax --help'
    if photos and photos[0] in TASKS:
      remedy = f'write ganjax {photos[0]} {task}'
    raise ConfigError(f'{task!r} is no task: {remedy}')
  if len(photos) > 1 or (photos and FLAGS.input is not None):
    raise ConfigError(
      f"unexpected {photos[-1]!r}: give one photo, a folder, or a glob in quotes, such as '*.jpg'"
    )
  FLAGS['task'].value = task
  if photos:
    FLAGS['input'].value = photos[0]
  if FLAGS.output is None and FLAGS.input:
    FLAGS['output'].value = _beside(FLAGS.input, task)


def _beside(photos: str, task: str) -> str | None:
  """The folder for results beside photos, such as `me-deblur`; None where they are remote."""
  if re.match(r'[a-z]{2,}:', photos):
    return None
  path = pathlib.Path(photos).expanduser()
  fixed = path
  if not path.exists():
    fixed = pathlib.Path(*itertools.takewhile(lambda part: not set('*?[') & set(part), path.parts))
  if fixed != path or path.name in ('', '..'):  # of a glob the folder, and results in it
    return str(fixed / f'{fixed.resolve().name}-{task}')
  return str(path.with_name(f'{path.name if path.is_dir() else path.stem}-{task}'))


def from_flags() -> Config:
  """The configuration of the chosen task.

  Raises:
    ConfigError: a flag that the task needs is missing, or makes no sense.
  """
  if FLAGS.task is None:
    raise ConfigError(f'--task is missing; it is one of {", ".join(TASKS)}')
  _check_output(FLAGS.output)
  return TASKS[FLAGS.task].kind().from_flags()


def _check_output(output: str | None) -> None:
  """Raises ConfigError where --output is given, and can be no folder of a run's own."""
  if output is None:
    return
  if not output.strip():
    raise ConfigError('--output is empty; name a folder for the results')
  if pathlib.Path(output).is_file():
    raise ConfigError(f'--output={output}: is a file; name a folder for the results')
  photos, folder = (pathlib.Path(x).expanduser() for x in (FLAGS.input or '', output))
  if FLAGS.input and folder.is_dir() and photos.is_dir() and photos.samefile(folder):
    from ganjax.data.claim import is_output  # help and errors do without it

    if not is_output(folder):  # which is refused where photos are looked for
      raise ConfigError(f'--output={output}: holds the photos; name another folder for the results')


def _run(argv: list[str]) -> None:
  del argv
  logging.set_verbosity(logging.WARNING)  # jax tells which backends it did not find
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  try:
    config = from_flags()
    _prepare(config)
    failures = run(config)
  # A full disk, a folder that cannot be written: Python's own message says which. Anything else is
  # a defect and keeps its traceback.
  except (GanjaxError, OSError) as error:
    sys.exit(f'ganjax: {error}')
  except KeyboardInterrupt:
    print('ganjax: interrupted; the same command goes on where it stopped', file=sys.stderr)
    sys.exit(EXIT_INTERRUPTED)
  sys.exit(EXIT_FAILED if failures else 0)


def _prepare(config: Config) -> None:
  """Sets JAX up, before it looks for devices."""
  from ganjax.runtime import compile_cache, devices, precision  # JAX, which help does without

  devices.one_per_core()
  devices.disable_cpu_fusion_emitters()
  compile_cache.enable(FLAGS.compilation_cache)
  precision.set_default(FLAGS.precision or precision.AUTO)
  if isinstance(config, TrainingConfig):
    heap.never_trim()


def run(config: Config) -> int:
  """Runs one task; returns the number of failures."""
  return TASKS[config.task].run()(config)
