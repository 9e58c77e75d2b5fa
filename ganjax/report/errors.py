"""What goes wrong when a report is made."""


class ReportError(ValueError):
  """A report or figure cannot be made; the message names what is wrong and the remedy."""
