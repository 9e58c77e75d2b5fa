"""Report: one page over the results of one run, or of several below one folder."""

import pathlib

from ganjax import report
from ganjax.bulk import output
from ganjax.report.runs import find_runs
from ganjax.tasks.report_config import ReportConfig


def run(config: ReportConfig) -> int:
  """Writes the page; returns the number of failures, which is 0."""
  for folder in find_runs(pathlib.Path(config.input)):
    output.collect(folder)  # a bulk run at work has its results in many files
  print(f'report: {report.write_report(pathlib.Path(config.input))}')
  return 0
