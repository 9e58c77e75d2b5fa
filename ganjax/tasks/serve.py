"""Serve: a web page on this machine."""

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

from ganjax.runtime import extras
from ganjax.tasks.serve_config import ServeConfig
from ganjax.web.restorer import BUNDLED, Restorer


def run(config: ServeConfig) -> int:
  """Serves the page until it is interrupted; returns 0."""
  with extras.needs('web'):
    from ganjax.web import server
  restorer = Restorer(_files(config), config.perceptual, config.precision, config.init)
  with _folder(config.output) as folder, contextlib.suppress(KeyboardInterrupt):
    server.serve(restorer, folder, config.host, config.port, config.share, config.warm_up)
  if restorer.is_running:
    # Python would end its thread as it comes back from XLA, which aborts with pages of report.
    sys.stdout.flush()
    os._exit(0)
  return 0


def _files(config: ServeConfig) -> dict[str, str | None]:
  """The weights that a visitor can choose."""
  own = {} if config.weights is None else {pathlib.Path(config.weights).stem: config.weights}
  return {**own, BUNDLED: None}


@contextlib.contextmanager
def _folder(output: str) -> Iterator[pathlib.Path]:
  """Where visitors' files lie: a folder that is kept, or else a temporary one."""
  if output:
    folder = pathlib.Path(output).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    return
  with tempfile.TemporaryDirectory(prefix='ganjax-') as name:
    yield pathlib.Path(name)
