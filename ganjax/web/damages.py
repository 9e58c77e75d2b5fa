"""What a visitor says is wrong with a photo, in plain words, as a task and its degradation."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ganjax.degradations import DegradationError, parse
from ganjax.errors import GanjaxError
from ganjax.restoration.defaults import AS_IT_IS
from ganjax.restoration.diagnosis import Finding

BLURRED, GREY, HOLES = 'blurred', 'grey or faded', 'has holes or scratches'
SMALL, NOISY, COMPRESSED = 'too small', 'noisy or grainy', 'over-compressed'
UNKNOWN, NOTHING = "I don't know", 'nothing (find its latent)'

# The task of each, and its degradation, in the order in which such things happen to a picture: in
# the lens, on the film, to the print, in the scan, and to the file.
_TASKS = {
  BLURRED: ('deblur', AS_IT_IS['deblur']),
  GREY: ('colorize', 'grayscale()'),
  HOLES: ('inpaint', AS_IT_IS['inpaint']),
  SMALL: ('super_resolve', AS_IT_IS['super_resolve']),
  NOISY: ('denoise', AS_IT_IS['denoise']),
  COMPRESSED: ('dejpeg', AS_IT_IS['dejpeg']),
}
CHOICES = (*_TASKS, UNKNOWN, NOTHING)


class VisitorError(GanjaxError):
  """What a visitor asks for cannot be done; the message is one sentence with its remedy."""


class Plan(NamedTuple):
  """What is to be done to a photo."""

  task: str  # of `restore_photos`
  degradation: str | None  # None for the task's own
  evidence: tuple[str, ...] = ()  # why, where the visitor did not say


def plan(
  wrong: Collection[str],
  has_holes: bool,
  findings: Sequence[Finding] = (),
  degradation: str = '',
) -> Plan:
  """What a visitor's answers ask for.

  Args:
    wrong: some of `CHOICES`.
    has_holes: whether holes are painted, or transparent.
    findings: what the photo shows by itself, for `UNKNOWN`.
    degradation: in place of all that, if it is not empty.

  Raises:
    VisitorError: nothing is chosen; holes are chosen, and there are none; or `NOTHING` and more.
    DegradationError: the degradation cannot be read.
  """
  if degradation.strip():
    return Plan('restore', _checked(degradation))
  if NOTHING in wrong:
    if len(wrong) > 1 or has_holes:
      raise VisitorError(f'“{NOTHING}” excludes all else: choose what is wrong, or that alone.')
    return Plan('invert', None)
  chosen = [*wrong, HOLES] if has_holes and HOLES not in wrong else list(wrong)
  if HOLES in chosen and not has_holes:
    raise VisitorError('Paint over the holes in the photo first, so that they can be filled.')
  if not chosen:
    raise VisitorError(f'Say what is wrong with the photo; “{UNKNOWN}” will do, too.')
  if UNKNOWN in chosen:
    return _found(chosen, findings)
  if len(chosen) == 1:
    return Plan(_TASKS[chosen[0]][0], None)
  return Plan('restore', _joined(spec for name, (_, spec) in _TASKS.items() if name in chosen))


def _found(chosen: Collection[str], findings: Sequence[Finding]) -> Plan:
  """What shows in the photo, and what the visitor saw besides."""
  said = [spec for name, (_, spec) in _TASKS.items() if name in chosen]
  seen = [finding for finding in findings if finding.degradation not in said]
  if said:  # the blur that is assumed where nothing is known
    seen = [finding for finding in seen if finding.degradation != AS_IT_IS['deblur']]
  specs = {*said, *(finding.degradation for finding in seen)}
  evidence = tuple(finding.evidence for finding in seen)
  ordered = [(task, spec) for task, spec in _TASKS.values() if spec in specs]
  if len(ordered) == 1:
    return Plan(ordered[0][0], None, evidence)
  return Plan('restore', _joined(spec for _, spec in ordered), evidence)


def _joined(specs: Iterable[str]) -> str:
  return ' | '.join(specs)


def _checked(degradation: str) -> str:
  """A visitor's degradation, which must not name files of the server."""
  if re.search(r'\bfile\s*=', degradation):  # before it is parsed, which looks at the file
    raise DegradationError('mask(file=…) is for the command line: paint the holes here.')
  parse(degradation)
  return degradation
