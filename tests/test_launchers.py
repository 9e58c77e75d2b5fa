"""The launchers are well-formed, and what they tell ganjax is what it understands."""

import os
import pathlib
import subprocess

import pytest
import yaml
from absl import flags

from ganjax.tasks import main

ROOT = pathlib.Path(__file__).resolve().parents[1]
SLICE = {
  'PROJECT': 'p',
  'ZONE': 'z',
  'TYPE': 'v5litepod-16',
  'BUCKET': 'gs://b/out',
  'DRY_RUN': '1',
}


@pytest.fixture(autouse=True)
def declared():
  if 'task' not in flags.FLAGS:
    main.define_flags()
  yield
  flags.FLAGS.unparse_flags()
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()


def parsed(arguments):
  assert flags.FLAGS(['ganjax', *arguments]) == ['ganjax']
  return main.from_flags()


@pytest.mark.parametrize('script', ['launch_tpu_vm.sh', 'slurm/bulk.sbatch'])
def test_shell_syntax(script):
  subprocess.run(['bash', '-n', ROOT / 'scripts' / script], check=True)


def test_a_tpu_slice_is_created_used_and_deleted():
  result = subprocess.run(
    ['bash', ROOT / 'scripts' / 'launch_tpu_vm.sh', '--input=gs://b/faces', '--num_steps=500'],
    capture_output=True,
    text=True,
    env={**os.environ, **SLICE},
    check=True,
  )
  verbs = [line.split()[4] for line in result.stdout.splitlines() if 'tpu-vm' in line]
  assert verbs == ['create', 'scp', 'ssh', 'ssh', 'ssh', 'delete']
  run = next(line for line in result.stdout.splitlines() if '-m ganjax' in line)
  given = run.partition('-m ganjax ')[2].partition(' ;')[0].split()
  assert parsed(given).batch_size == 'auto'


def test_a_tpu_slice_needs_a_bucket():
  result = subprocess.run(
    ['bash', ROOT / 'scripts' / 'launch_tpu_vm.sh'],
    capture_output=True,
    text=True,
    env={**os.environ, **SLICE, 'BUCKET': ''},
  )
  assert result.returncode != 0
  assert 'set BUCKET' in result.stderr


def test_slurm():
  script = (ROOT / 'scripts/slurm/bulk.sbatch').read_text()
  command = next(line for line in script.splitlines() if line.startswith('srun'))
  arguments = command.partition('-m ganjax ')[2].replace('"$@"', '--input=x').split()
  assert parsed(arguments).threads == 4


def test_kubernetes():
  jobset = yaml.safe_load((ROOT / 'scripts/kubernetes/bulk.yaml').read_text())
  job = jobset['spec']['replicatedJobs'][0]['template']['spec']
  (container,) = job['template']['spec']['containers']
  (shell,) = container['args']
  shell = shell.replace('$(JOB_COMPLETION_INDEX)', '7')
  count = {entry['name']: entry.get('value') for entry in container['env']}['SHARD_COUNT']
  assert int(count) == job['completions'] == job['parallelism']
  config = parsed(shell.replace('$(SHARD_COUNT)', count).partition('-m ganjax ')[2].split())
  assert config.shard_index == config.shard_count - 1
  assert config.distributed is False
