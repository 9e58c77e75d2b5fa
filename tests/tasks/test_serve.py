"""How the page's task ends; the page itself is tested in tests/web."""

import sys
import types

import pytest

import ganjax.web
from ganjax.tasks import serve
from ganjax.tasks.serve_config import ServeConfig


@pytest.mark.parametrize('is_running', [False, True])
def test_interrupted_it_ends_at_once_whatever_a_thread_does(
  weights_file, tmp_path, monkeypatch, is_running
):
  def interrupted(own, *_):
    if is_running:
      own._running.acquire()  # as a thread that is within XLA
    raise KeyboardInterrupt

  left = []
  # In place of the module, which would import Gradio.
  server = types.SimpleNamespace(serve=interrupted)
  monkeypatch.setitem(sys.modules, 'ganjax.web.server', server)
  monkeypatch.setattr(ganjax.web, 'server', server, raising=False)
  monkeypatch.setattr(serve.os, '_exit', left.append)
  config = ServeConfig(task='serve', weights=str(weights_file), output=str(tmp_path))
  assert serve.run(config) == 0
  assert left == ([0] if is_running else [])
