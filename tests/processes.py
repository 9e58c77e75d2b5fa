"""Several ganjax processes that work as one, as on several hosts."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
# XLA_FLAGS: optimising programs that run for milliseconds would take most of the suite's time, and
# so would handing their parts to threads: all cores are busy.
QUICKLY_COMPILED = '--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1'


def distributed():
  """The flags by which two processes find each other: a list for each."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    address = f'localhost:{free.getsockname()[1]}'
  joined = ['--distributed', f'--coordinator_address={address}', '--num_processes=2']
  return [[*joined, f'--process_id={i}'] for i in range(2)]


@contextlib.contextmanager
def together(flags):
  """Starts two processes of one run; whoever still works at the end is killed."""
  processes = [
    subprocess.Popen(
      [sys.executable, '-m', 'ganjax', *flags, *own],
      env={**os.environ, 'PYTHONPATH': str(ROOT), 'XLA_FLAGS': QUICKLY_COMPILED},
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for own in distributed()
  ]
  try:
    yield processes
  finally:
    for process in processes:
      process.kill()
      process.wait()
