"""What the command line says of itself: the tasks, the flags of one task, all flags."""

import re
import textwrap
from collections.abc import Iterable
from typing import Any

from absl import app, flags

from ganjax.tasks.config import COMMON
from ganjax.tasks.settings import Setting, settings_of
from ganjax.tasks.table import GROUPS, TASKS, Task

WIDTH, INDENT = 100, 26

USAGE = """\
ganjax restores and inverts face photographs with StyleGAN2.

  ganjax TASK PHOTO [--flag=value …]    PHOTO is a file, a folder, or a glob in quotes
  ganjax --task=TASK --input=PHOTO …    the same, with results in ./out unless --output says where
  ganjax TASK --help                    the flags of a task
  ganjax --helpfull                     all flags
  ganjax --completion=bash              what completes commands in bash; or in zsh, or in fish
"""


def tasks() -> str:
  """All tasks, a line each."""
  lines = [USAGE]
  for heading, group in GROUPS.items():
    lines += [f'{heading}:', *(f'  {task.name:<{INDENT - 2}}{task.summary}' for task in group), '']
  lines.append('For example: ganjax deblur photo.jpg, and open photo-deblur/report.html')
  return '\n'.join(lines)


def of_task(task: Task, always: type) -> str:
  """The flags of one task, the common ones first, with the defaults that it has.

  Args:
    always: declares flags that every command has.
  """
  kind = task.kind()
  defaults = kind.defaults(task.name)
  entries = []
  for name, own in settings_of(kind).items():
    known = _default(own, defaults[name]) if name in defaults else by_task(own.flag)
    entries.append((own, _entry(own, known)))
  entries += [(own, _entry(own, '')) for own in settings_of(always).values() if own.flag != 'task']
  lines = [f'ganjax {task.name}: {task.summary}', '', *_grouped(entries)]
  if kind.ALSO:
    also, when = kind.ALSO
    lines += [f'Where {when}, the flags of {also} hold, too: ganjax {also} --help']
  return '\n'.join(lines).rstrip()


def everything(always: type) -> str:
  """All flags of all tasks, and absl's own."""
  known = users()
  entries = []
  for own, names in known.values():
    whose = '' if len(names) == len(TASKS) else f'for {listed(names)}'
    entries.append((own, _entry(own, '; '.join(filter(None, (whose, by_task(own.flag)))))))
  entries += [(own, _entry(own, '')) for own in settings_of(always).values()]
  return '\n'.join([tasks(), '', *_grouped(entries), *_of_absl()])


def _of_absl() -> list[str]:
  """absl's own flags, as it tells of them."""
  app.define_help_flags()
  sections = re.split(r'\n(?=\S)', flags.FLAGS.get_help())
  return [section for section in sections if section.startswith('absl.')]


def users() -> dict[str, tuple[Setting, list[str]]]:
  """Flag -> its setting, and the tasks that have it."""
  users: dict[str, tuple[Setting, list[str]]] = {}
  for task in TASKS.values():
    for own in settings_of(task.kind()).values():
      users.setdefault(own.flag, (own, []))[1].append(task.name)
  return users


def by_task(flag: str) -> str:
  """'default: …' of a flag, over all tasks that have it."""
  found: dict[str, list[str]] = {}
  for task in TASKS.values():
    kind = task.kind()
    known = kind.defaults(task.name)
    for name, own in settings_of(kind).items():
      if own.flag == flag and name in known:
        found.setdefault(_default(own, known[name]), []).append(task.name)
  if len(found) == 1:
    return next(iter(found))
  each = (
    f'{value.removeprefix("default: ") or "none"} ({listed(names)})'
    for value, names in found.items()
  )
  return f'default: {", ".join(each)}' if found else ''


def listed(names: list[str]) -> str:
  """Names of tasks, those that follow one another in the table as 'first … last'."""
  order = list(TASKS)
  runs: list[list[str]] = []
  for name in names:
    if runs and order.index(name) == order.index(runs[-1][-1]) + 1:
      runs[-1].append(name)
    else:
      runs.append([name])
  return ', '.join(f'{r[0]} … {r[-1]}' if len(r) > 3 else ', '.join(r) for r in runs)


def _default(own: Setting, value: Any) -> str:
  """'default: …', as one would write it; '' where nothing is one."""
  if value is None or value in ('', ()):
    return ''
  if own.is_list and own.kind is int:
    return f'default: {_ranges(value)}'
  if own.is_list:
    return f'default: {",".join(map(_plain, value))}'
  return f'default: {_plain(value)}'


def _plain(value: Any) -> str:
  if isinstance(value, bool):
    return str(value).lower()
  return f'{value:.6g}' if isinstance(value, float) else str(value)


def _ranges(numbers: tuple[int, ...]) -> str:
  """(0, 1, 2) -> '0-2'."""
  first, last = numbers[0], numbers[-1]
  if len(numbers) > 1 and numbers == tuple(range(first, last + 1)):
    return f'{first}-{last}'
  return ','.join(map(str, numbers))


def _entry(own: Setting, more: str) -> str:
  """A flag's lines: its name, what it is for, and, in brackets, its values."""
  name = f'  --[no]{own.flag}' if own.kind is bool else f'  --{own.flag}'
  about = '; '.join(filter(None, (values_of(own), more)))
  text = f'{own.help} ({about})' if about else own.help
  wrapped = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False)
  first = [name] if len(name) > INDENT - 2 else [f'{name:<{INDENT}}{wrapped.pop(0)}']
  return '\n'.join([*first, *(' ' * INDENT + line for line in wrapped)])


def values_of(own: Setting) -> str:
  """Which values a flag can have."""
  if own.parser is not None:
    return own.parser.values
  if own.choices:
    return f'{"of" if own.is_list else "one of"} {", ".join(map(str, own.choices))}'
  kinds = {int: 'a whole number', float: 'a number'}
  if own.kind not in kinds or own.is_list:
    return ''
  if own.lower is None:
    return kinds[own.kind]
  if own.upper is None:
    return f'{kinds[own.kind]}, {own.lower} or more'
  return f'{kinds[own.kind]}, {own.lower} to {own.upper}'


def _grouped(entries: Iterable[tuple[Setting, str]]) -> list[str]:
  """Entries under their headings, the common ones first."""
  groups: dict[str, list[str]] = {COMMON: []}
  for own, entry in entries:
    groups.setdefault(own.heading or COMMON, []).append(entry)
  return [line for heading, lines in groups.items() for line in (f'{heading}:', *lines, '')]
