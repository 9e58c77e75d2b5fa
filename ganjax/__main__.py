"""python -m ganjax --task=…, or ganjax --task=…"""

from ganjax.runtime import heap


def main() -> None:
  """Runs a command."""
  heap.use_single_arena()  # before the libraries of the tasks start threads
  from ganjax.tasks.main import main as run

  run()


if __name__ == '__main__':
  main()
