"""The command line without a process of its own."""

from absl import flags

from ganjax.tasks import main


def config(*more):
  """The configuration that a command's words describe."""
  if 'task' not in flags.FLAGS:
    main.define_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  flags.FLAGS(['ganjax', *more])
  return main.from_flags()
