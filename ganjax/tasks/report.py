"""Report: one page over the results of one run, or of several below one folder."""

import dataclasses
import pathlib

from ganjax import report
from ganjax.bulk import output
from ganjax.report.runs import find_runs
from ganjax.tasks.config import FLAGS, Config, config_from_flags

TASKS = ('report',)


@dataclasses.dataclass(frozen=True)
class ReportConfig(Config):
  """One run of `report`."""

  input: str


def define_flags() -> None:
  """It shares all its flags with others."""


def from_flags() -> ReportConfig:
  """The configuration that the parsed flags describe."""
  return config_from_flags(ReportConfig, input=FLAGS.input or FLAGS.output)


def run(config: ReportConfig) -> int:
  """Writes the page; returns the number of failures, which is 0."""
  for folder in find_runs(pathlib.Path(config.input)):
    output.collect(folder)  # a bulk run at work has its results in many files
  print(f'report: {report.write_report(pathlib.Path(config.input))}')
  return 0
