"""What a user can mend: `GanjaxError` is the base of every such error.

Its message is one line that names the file or flag, and the remedy. Anything else that is raised is
a defect, and keeps its traceback.
"""


class GanjaxError(ValueError):
  """Something in what a user gave cannot be used; the message says what, and what to do."""


class TrainingError(GanjaxError):
  """Training cannot begin, or go on; the message says at which step and what to do."""


class ReportError(GanjaxError):
  """A report or figure cannot be made; the message names what is wrong and the remedy."""
