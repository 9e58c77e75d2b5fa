"""What can go wrong in training that a user can mend."""


class TrainingError(ValueError):
  """Training cannot begin, or go on; the message says at which step and what to do."""
