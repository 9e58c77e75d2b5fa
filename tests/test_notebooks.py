"""The notebooks run from the first cell to the last, and are what their texts say."""

import importlib.util
import pathlib

import nbformat
import processes
import pytest
import tiny
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'examples' / 'notebooks'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
MOST_BYTES = 1_500_000  # so that pages which show notebooks do so
# What makes a run short: few steps, few faces, a network of 16 px.
FEW = {
  'face_restoration': {'NUM_STEPS': 4, 'KERNELS': [3, 5, 7], 'VARIANCES': [1, 2, 3]},
  'latent_space': {'SEEDS': [2, 3], 'PAIRS': 1, 'FACES': 1, 'SAMPLES': 100, 'REACH': 1},
}
# The projector has one program for each degradation, where the default has two.
ONE_PROGRAM = """import functools

ganjax.restore = functools.partial(ganjax.restore, preset='projector')
ganjax.restore_photos = functools.partial(ganjax.restore_photos, preset='projector')"""


@pytest.fixture(scope='module')
def notebooks():
  """scripts/notebooks.py."""
  spec = importlib.util.spec_from_file_location('notebooks', ROOT / 'scripts' / 'notebooks.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.mark.parametrize('name', NAMES)
def test_the_notebook_is_what_its_text_says(name, notebooks):
  made = notebooks.notebook(FOLDER / f'{name}.py')
  kept = nbformat.read(FOLDER / f'{name}.ipynb', as_version=4)
  nbformat.validate(kept)
  assert [(cell.cell_type, cell.source, cell.metadata) for cell in kept.cells] == [
    (cell.cell_type, cell.source, cell.metadata) for cell in made.cells
  ], f'run python scripts/notebooks.py {name}'


@pytest.mark.parametrize('name', NAMES)
def test_outputs_are_of_one_whole_run(name):
  path = FOLDER / f'{name}.ipynb'
  assert path.stat().st_size <= MOST_BYTES
  cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == 'code']
  assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
  outputs = [output for cell in cells for output in cell.outputs]
  assert {output.output_type for output in outputs} <= {'display_data', 'execute_result', 'stream'}
  assert not [output.text for output in outputs if output.get('name') == 'stderr']
  assert any('image/jpeg' in output.get('data', {}) for output in outputs)


def test_outputs_are_kept_while_the_code_is_the_same(notebooks, tmp_path):
  text = tmp_path / 'a.py'
  text.write_text('# %% [markdown]\n# Before\n\n# %% tags=["parameters"]\nx = 1\n')
  before = notebooks.notebook(text)
  assert before.cells[1].metadata == {'tags': ['parameters']}
  before.cells[1].outputs = [nbformat.v4.new_output('stream', text='1')]
  text.write_text(text.read_text().replace('Before', 'After'))
  after = notebooks.notebook(text)
  assert notebooks.code(before) == notebooks.code(after)
  notebooks.keep_outputs(after, before)
  assert after.cells[1].outputs == before.cells[1].outputs
  assert after.cells[0].source == 'After'


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_the_notebook_runs(name, notebooks, tmp_path, monkeypatch):
  # One device, as users have it; few steps need no optimised program.
  monkeypatch.setenv('XLA_FLAGS', processes.QUICKLY_COMPILED)
  made, few = notebooks.notebook(FOLDER / f'{name}.py'), dict(FEW[name])
  if name == 'face_restoration':
    tiny.write(tmp_path / 'tiny.safetensors')
    few |= {'WEIGHTS': str(tmp_path / 'tiny.safetensors'), 'OUTPUT': str(tmp_path / 'out')}
  (at,) = (i for i, cell in enumerate(made.cells) if 'parameters' in cell.metadata.get('tags', ()))
  assert set(few) <= {line.partition(' = ')[0] for line in made.cells[at].source.splitlines()}
  given = '\n'.join(f'{parameter} = {value!r}' for parameter, value in few.items())
  made.cells.insert(at + 1, nbformat.v4.new_code_cell(given))
  if name == 'face_restoration':
    (at,) = (i for i, cell in enumerate(made.cells) if '\nimport ganjax\n' in cell.source)
    made.cells.insert(at + 1, nbformat.v4.new_code_cell(ONE_PROGRAM))
  resources = {'metadata': {'path': str(FOLDER)}}
  NotebookClient(made, timeout=None, resources=resources).execute()
  outputs = [output for cell in made.cells for output in cell.get('outputs', ())]
  assert sum('data' in output for output in outputs) >= 8
