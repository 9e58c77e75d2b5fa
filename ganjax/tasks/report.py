"""Report: one page over the results of one run, or of several below one folder."""

import dataclasses
import pathlib

from ganjax import report
from ganjax.tasks.config import FLAGS, Config, read

TASKS = ('report',)


@dataclasses.dataclass(frozen=True)
class ReportConfig(Config):
  """One run of `report`."""

  input: str


def define_flags() -> None:
  """It shares all its flags with others."""


def from_flags() -> ReportConfig:
  """The configuration that the parsed flags describe."""
  return read(ReportConfig, input=FLAGS.input or FLAGS.output)


def run(config: ReportConfig) -> int:
  """Writes the page; returns the number of failures, which is 0."""
  print(f'report: {report.write_report(pathlib.Path(config.input))}')
  return 0
