"""Standard streams that neither a character nor a closed pipe breaks: no work is lost for a line.

Terminals that are not UTF-8 (Windows code pages, LANG=C, PYTHONIOENCODING) cannot show all that
ganjax prints, file names least of all; and what reads a pipe may have read enough (`| head`).
"""

import codecs
import io
import sys
from typing import Any

_PLAIN = {
  **{'→': '->', '…': '...', '·': '*', '×': 'x', '–': '-', '—': '-', '−': '-', '±': '+-'},
  **{'≥': '>=', '≤': '<=', '²': '^2', '³': '^3', '°': ' deg', '§': 'section '},
  **{'σ': 'sigma', 'β': 'beta', 'ψ': 'psi', '₁': '1', '‘': "'", '’': "'", '“': '"', '”': '"'},
  **{'█': '#', '▏': '|', '▎': '|', '▍': '|', '▌': '|', '▋': '|', '▊': '|', '▉': '|'},
}
_ERRORS = 'ganjax.plain'


def make_robust() -> None:
  """Lets stdout and stderr write what they cannot encode in plain words, and survive their readers.

  To be called once, before anything is printed.
  """
  codecs.register_error(_ERRORS, _in_plain_words)
  sys.stdout, sys.stderr = _robust(sys.stdout), _robust(sys.stderr)


def _in_plain_words(error: UnicodeError) -> tuple[str, int]:
  """What is written in place of characters; bytes of file names that are no text become '?'."""
  if not isinstance(error, UnicodeEncodeError):
    raise error
  refused = error.object[error.start : error.end]
  return ''.join(_PLAIN.get(character, '?') for character in refused), error.end


def _robust(stream: Any) -> Any:
  if type(stream) is not io.TextIOWrapper:  # a notebook's or a test's own
    return stream
  stream.reconfigure(errors=_ERRORS)
  if stream.isatty():
    return stream
  stream.flush()
  raw: Any = _Patient(stream.fileno(), 'w', closefd=False)
  return io.TextIOWrapper(
    raw if stream.write_through else io.BufferedWriter(raw),
    encoding=stream.encoding,
    errors=_ERRORS,
    line_buffering=stream.line_buffering,
    write_through=stream.write_through,
  )


class _Patient(io.FileIO):
  """A file whose reader may go away: what is written then goes nowhere."""

  def write(self, data: Any) -> int:
    try:
      return super().write(data)
    except BrokenPipeError:
      return len(data)
