"""The server of the page."""

import os
import pathlib
import threading

from gradio.tunneling import CURRENT_TUNNELS

from ganjax.data.decode import MAX_FILE_BYTES
from ganjax.errors import GanjaxError
from ganjax.web import page
from ganjax.web.restorer import Restorer


class ServerError(GanjaxError):
  """The page cannot be served; the message says why, and the remedy."""


def serve(
  restorer: Restorer,
  folder: pathlib.Path,
  host: str = '127.0.0.1',
  port: int = 7860,
  share: bool = False,
  warm_up: bool = True,
) -> None:
  """Serves the page until the process is interrupted; prints where it is.

  Args:
    restorer: what does the work.
    folder: for visitors' files.
    host, port: where the page listens; port 0 takes any that is free.
    share: whether it gets a public address, too, through Gradio's servers.
    warm_up: whether programs are compiled before a visitor asks for them.

  Raises:
    ServerError: the port is taken, or the address is not of this machine.
  """
  os.environ['GRADIO_TEMP_DIR'] = str(folder / 'uploads')
  built = page.build(restorer, folder)
  try:
    _, url, public = built.launch(
      server_name=host,
      server_port=port or None,
      share=share,
      quiet=True,
      prevent_thread_lock=True,
      theme=page.theme(),
      css_paths=page.STYLE,
      footer_links=[],
      run_history=False,
      max_file_size=MAX_FILE_BYTES,
      allowed_paths=[str(folder)],
      enable_monitoring=False,
      ssr_mode=False,
      mcp_server=False,
      show_error=True,
    )
  except OSError as error:
    raise ServerError(f'--port={port}: {error}; choose another --port, or --port=0') from None
  try:
    print(f'ganjax: open {public or url}   (Ctrl-C ends it)', flush=True)
    if warm_up:
      threading.Thread(target=restorer.warm_up, daemon=True).start()
    threading.Event().wait()  # `block_thread` closes the server before it tells open pages
  finally:
    built.close(verbose=False)
    for tunnel in CURRENT_TUNNELS:
      tunnel.kill()
