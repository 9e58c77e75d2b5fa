"""What a user can mend: `GanjaxError` is the base of every such error.

Its message is one line that names the file or flag, and the remedy. Anything else that is raised is
a defect, and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class GanjaxError(ValueError):
  """Something in what a user gave cannot be used; the message says what, and what to do."""


class TrainingError(GanjaxError):
  """Training cannot begin, or go on; the message says at which step and what to do."""


class ReportError(GanjaxError):
  """A report or figure cannot be made; the message names what is wrong and the remedy."""


def closest(word: str, known: Iterable[str]) -> str | None:
  """The known word that a misspelt one is most likely to mean; None where none is like it."""
  known = list(known)
  swapped = (other for other in known if sorted(other) == sorted(word))  # letters in other places
  return next(swapped, None) or next(iter(difflib.get_close_matches(word, known, n=1)), None)
