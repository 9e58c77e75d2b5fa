"""Writes constraints.txt: the versions, among those installed, of all that requirements ask for.

To renew them, install the newest into a .venv of its own, see the tests pass, and write them down:

CONSTRAINTS=none bash scripts/test.sh
python scripts/constraints.py
"""

import importlib.metadata
import pathlib
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
FIRST = 'requirements-dev.txt'  # which includes the others
HEADER = """\
# The versions that the tests have passed with, by scripts/constraints.py: scripts/setup.sh installs
# them where Python is {version} on Linux, so that a clone of next year still passes. `pip install`
# of the package is not bound by them. CONTRIBUTING.md says how to renew them.
"""


def requirements(name: str) -> list[Requirement]:
  """What a requirements file asks for, and those that it includes."""
  found: list[Requirement] = []
  for line in (ROOT / name).read_text('utf-8').splitlines():
    if line.startswith('-r '):
      found += requirements(line.removeprefix('-r '))
    elif line:
      found.append(Requirement(line))
  return found


def installed(wanted: list[Requirement]) -> dict[str, str]:
  """Name -> version, of what is wanted and of all that it needs itself.

  Raises:
    PackageNotFoundError: something is not installed.
  """
  versions: dict[str, str] = {}
  waiting = [(one, extra) for one in wanted for extra in ('', *one.extras)]
  seen = set()
  while waiting:
    one, extra = waiting.pop()
    name = canonicalize_name(one.name)
    if (name, extra) in seen:
      continue
    seen.add((name, extra))
    found = importlib.metadata.distribution(name)
    versions[name] = found.version
    for line in found.requires or ():
      needed = Requirement(line)
      if needed.marker is None or needed.marker.evaluate({'extra': extra}):
        waiting += [(needed, more) for more in ('', *needed.extras)]
  return versions


def main() -> None:
  """Writes the file anew."""
  header = HEADER.format(version='.'.join(map(str, sys.version_info[:2])))
  lines = (f'{name}=={version}' for name, version in sorted(installed(requirements(FIRST)).items()))
  (ROOT / 'constraints.txt').write_text(header + '\n'.join(lines) + '\n', 'utf-8')


if __name__ == '__main__':
  main()
