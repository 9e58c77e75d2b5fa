"""Makes the notebooks of examples/notebooks from their texts, and runs those whose code changed.

    python scripts/notebooks.py                   # all
    python scripts/notebooks.py face_restoration  # one; --run runs it whether it changed or not

Prose can be changed without another run: the outputs of a notebook whose code is the same are kept.
"""

import argparse
import pathlib
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parents[1] / 'examples' / 'notebooks'
KERNEL = {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'}


def notebook(text: pathlib.Path) -> Any:
  """The notebook of a text, without outputs; the same text always gives the same one."""
  made = jupytext.read(text)
  made.metadata = nbformat.NotebookNode({'kernelspec': KERNEL})
  made.nbformat_minor = 5
  for i, cell in enumerate(made.cells):
    tags = cell.metadata.get('tags')
    cell.metadata = nbformat.NotebookNode({'tags': tags} if tags else {})
    cell.id = f'cell-{i:02d}'
  return made


def code(made: Any) -> list[str]:
  """The sources of the cells of code."""
  return [cell.source for cell in made.cells if cell.cell_type == 'code']


def keep_outputs(made: Any, before: Any) -> None:
  """Takes over the outputs of a notebook with the same code."""
  cells, old = ([cell for cell in one.cells if cell.cell_type == 'code'] for one in (made, before))
  for cell, earlier in zip(cells, old, strict=True):
    cell.outputs, cell.execution_count = earlier.outputs, earlier.execution_count


def main() -> None:
  """Writes the notebooks anew."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('names', nargs='*')
  parser.add_argument('--run', action='store_true', help='whether the code changed or not')
  flags = parser.parse_args()
  names = flags.names or sorted(path.stem for path in FOLDER.glob('*.py'))
  for name in names:
    made, target = notebook(FOLDER / f'{name}.py'), FOLDER / f'{name}.ipynb'
    before = nbformat.read(target, as_version=4) if target.exists() else None
    if before is not None and code(before) == code(made) and not flags.run:
      keep_outputs(made, before)
    else:
      NotebookClient(
        made, timeout=None, record_timing=False, resources={'metadata': {'path': str(FOLDER)}}
      ).execute()
      made.metadata = nbformat.NotebookNode({'kernelspec': KERNEL})
    nbformat.write(made, target)
    print(f'wrote {target.relative_to(FOLDER.parents[1])}, {target.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
  main()
