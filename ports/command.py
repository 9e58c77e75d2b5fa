"""What all ports do on the command line: python -m ports.NAME --source=… --target=…"""

import pathlib
import sys
from collections.abc import Callable

import numpy as np
from absl import app, flags

from ganjax.runtime import streams
from ganjax.weights import tensor_file
from ports.table import PortError, naming

flags.disclaim_key_flags()  # --help shows them as the ports' own

Ported = tuple[dict[str, np.ndarray], dict]  # tensors by our names, and the header


def run(
  name: str,
  port: Callable[[pathlib.Path], Ported],
  describe: Callable[[dict], str],
  source_help: str,
) -> None:
  """Ports --source to --target, says what it was, and exits; 1 where it cannot be ported.

  Args:
    name: of the module.
    port: reads the source.
    describe: says in a few words what a header stands for.
    source_help: of --source.
  """
  streams.make_robust()
  flags.DEFINE_string('source', None, source_help, required=True)
  flags.DEFINE_string('target', None, 'The .safetensors file to write.', required=True)

  def main(argv: list[str]) -> int:
    if len(argv) > 1:
      raise app.UsageError(f'unknown arguments {argv[1:]}')
    source, target = flags.FLAGS.source, flags.FLAGS.target
    try:
      if not target.strip():
        raise PortError('--target is empty; name the .safetensors file to write')
      tensors, header = port(source)
      with naming(target):
        tensor_file.save(target, tensors, header)
    except PortError as error:
      print(f'{name}: {error}', file=sys.stderr)
      return 1
    count = sum(array.size for array in tensors.values())
    print(f'ported {source} ({describe(header)}, {count} parameters) to {target}')
    for note in header.get('source', {}).get('notes', []):
      print(note)
    return 0

  app.run(main)
