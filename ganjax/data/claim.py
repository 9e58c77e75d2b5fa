"""What makes a folder the output of one configuration, and what ganjax may remove in it.

`.ganjax/` holds the lock, the temporary files and the list of what ganjax wrote: nothing else is
ever replaced or removed.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Collection
from typing import Any

from ganjax.data import journal
from ganjax.data.journal import StoreError

FORMAT = 'ganjax-output/1'
MAX_CONFIG_BYTES = 2**20

CONFIG, RESULTS, FAILURES = 'config.json', 'results.jsonl', 'failures.jsonl'
PRIVATE = '.ganjax'
TRAINING = 'training'
LOCK, WRITTEN = f'{PRIVATE}/lock', f'{PRIVATE}/written.jsonl'
_LISTS = (CONFIG, RESULTS, FAILURES)
_FOLDERS = (
  *('photos', 'aligned', 'degraded', 'restored', 'completed', 'pasted', 'latents', 'curves'),
  *('progress', 'deviation', 'tuned', 'sweep', 'heatmap', 'combinations', 'samples', 'boxes'),
  *('sheets', 'directions', 'paths'),
)
# What a folder to start in must not hold.
_CLAIMED = (*_LISTS, *_FOLDERS, TRAINING, 'grid.png', 'report.html')
_SAFE = re.compile(r'\w[\w.-]*')  # one part of a path: no '..', nothing hidden, no odd characters

Record = dict[str, Any]


def is_output(folder: str | os.PathLike) -> bool:
  """Whether ganjax keeps a run's results in `folder`."""
  return read_config(folder) is not None


def read_config(folder: str | os.PathLike) -> Record | None:
  """The flags of the run in `folder`; None where there is none."""
  path = pathlib.Path(folder) / CONFIG
  try:
    if path.stat().st_size > MAX_CONFIG_BYTES:
      return None
    header = json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError):
    return None
  return header['config'] if isinstance(header, dict) and header.get('format') == FORMAT else None


def has_work(folder: pathlib.Path) -> bool:
  """Whether a run left anything in `folder` that it would have to do again.

  One that failed altogether, or was refused, holds nobody to its flags.
  """
  if (folder / TRAINING).exists() or journal.read_lines(folder / RESULTS):
    return True
  others = ('photos/', 'report.html', 'grid.png')  # which follow from the input, or tell of it
  return any(not name.startswith(others) for name in journal.read_lines(folder / WRITTEN))


def write_config(folder: pathlib.Path, config: Record, neutral: Collection[str]) -> str:
  """Makes `folder` the output of `config`; returns the sha256 of the flags that change results."""
  flags = {flag: value for flag, value in config.items() if flag not in neutral}
  digest = hashlib.sha256(json.dumps(flags, sort_keys=True).encode()).hexdigest()
  header = json.dumps({'format': FORMAT, 'hash': digest, 'config': config}, indent=2) + '\n'
  journal.replace(folder / CONFIG, header.encode(), folder / PRIVATE)
  return digest


def refuse_foreign(folder: pathlib.Path, also: Collection[str] = ()) -> None:
  """Raises StoreError where `folder` is no output and has files of the names that one has."""
  if is_output(folder):
    return
  for name in (*_CLAIMED, *also):
    if os.path.lexists(folder / name):
      raise StoreError(f'{folder / name}: not written by ganjax; choose another --output')


def changes(folder: pathlib.Path, config: Record, neutral: Collection[str]) -> list[str]:
  """What differs from the configuration that `folder` is the output of, for people to read."""
  earlier = read_config(folder) or {}
  flags = sorted((earlier.keys() | config.keys()) - set(neutral))
  return [
    f'--{flag} (was {earlier.get(flag)!r}, now {config.get(flag)!r})'
    for flag in flags
    if earlier.get(flag) != config.get(flag)
  ]


def refuse_changed(folder: pathlib.Path, config: Record, neutral: Collection[str]) -> None:
  """Raises StoreError where `folder` is the output of another configuration."""
  if found := changes(folder, config, neutral):
    raise StoreError(
      f'{folder}: made with other flags: {", ".join(found)}; '
      'choose another --output, or --overwrite to discard what is there'
    )


def clear(folder: pathlib.Path) -> None:
  """Removes what ganjax wrote, lists first: no list ever names a file that is gone."""
  with journal.storage_errors(folder):
    for name in (RESULTS, FAILURES):
      (folder / name).unlink(missing_ok=True)
    written = [name for name in journal.read_lines(folder / WRITTEN) if is_safe(name)]
    for name in written:
      (folder / name).unlink(missing_ok=True)
    parents = {parent for name in written for parent in pathlib.PurePath(name).parents}
    for parent in sorted(parents - {pathlib.PurePath('.')}, reverse=True):
      with contextlib.suppress(OSError):  # not empty: it holds other people's files
        (folder / parent).rmdir()
    (folder / WRITTEN).unlink(missing_ok=True)


def is_safe(relative: str) -> bool:
  """Whether a path below an output folder may be written: it leads nowhere else."""
  return relative not in _LISTS and all(map(_SAFE.fullmatch, relative.split('/')))
