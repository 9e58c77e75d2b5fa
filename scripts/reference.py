"""Writes what docs/tasks.md says of tasks and flags; it stands between two lines of that page.

python scripts/reference.py     # after a flag has changed; a test fails where that was forgotten
"""

import pathlib

from ganjax.tasks import help, main
from ganjax.tasks.config import COMMON
from ganjax.tasks.settings import Setting, settings_of
from ganjax.tasks.table import GROUPS, TASKS

PAGE = pathlib.Path(__file__).resolve().parents[1] / 'docs' / 'tasks.md'
BEGIN, END = '<!-- written by scripts/reference.py -->', '<!-- end -->'
# Defaults that depend on the machine, which must not decide what the page says.
BY_MACHINE = {'threads': 'the number of cores, 8 at most'}

RANGES = (
  "'invert … restore' are all tasks from the one to the other, as they stand above. A default that "
  'is not the same for all tasks names those that have it.'
)


def page(text: str) -> str:
  """A page with what is between its two lines written anew."""
  before, _, rest = text.partition(BEGIN)
  after = rest.partition(END)[2]
  return f'{before}{BEGIN}\n\n{reference()}\n\n{END}{after}'


def reference() -> str:
  """All tasks by group, and all flags by heading."""
  lines = []
  for heading, group in GROUPS.items():
    lines += [f'### {heading}', '', '| task | for |', '|---|---|']
    lines += [f'| `{task.name}` | {_cell(task.summary)} |' for task in group] + ['']
  lines += ['## Flags', '', RANGES, '']
  for heading, rows in _flags().items():
    lines += [f'### {heading}', '', '| flag | for | default | tasks |', '|---|---|---|---|']
    lines += [*rows, '']
  return '\n'.join(lines).rstrip()


def _flags() -> dict[str, list[str]]:
  """Heading -> rows, the common flags first."""
  groups: dict[str, list[str]] = {COMMON: []}
  for own, names in help.users().values():
    whose = 'all' if len(names) == len(TASKS) else help.listed(names)
    default = BY_MACHINE.get(own.flag) or help.by_task(own.flag).removeprefix('default: ')
    groups.setdefault(own.heading or COMMON, []).append(_row(own, default, whose))
  for own in settings_of(main.Always).values():
    groups[own.heading or COMMON].append(_row(own, '', 'all'))
  return groups


def _row(own: Setting, default: str, whose: str) -> str:
  name = f'--[no]{own.flag}' if own.kind is bool else f'--{own.flag}'
  values = help.values_of(own)
  # The names of all tasks stand above.
  about = own.help if not values or own.flag == 'task' else f'{own.help} ({values})'
  cells = f'`{name}`', about, default, whose
  return f'| {" | ".join(_cell(cell) if cell else "" for cell in cells)} |'


def _cell(text: str) -> str:
  """Text that a table's cell can hold, and Markdown does not change."""
  for sign in '|<*':
    text = text.replace(sign, f'\\{sign}')
  return text.replace('NAME_', r'NAME\_')


def write() -> None:
  """Brings the page up to date."""
  PAGE.write_text(page(PAGE.read_text('utf-8')), 'utf-8')


if __name__ == '__main__':
  write()
