"""The benchmark measures, prints a table and writes JSON; what fails is a line of its own."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def bench(*flags):
  command = [sys.executable, str(ROOT / 'scripts' / 'bench.py'), *flags]
  return subprocess.run(command, capture_output=True, text=True)


def test_a_tiny_network(tmp_path):
  output = tmp_path / 'bench.json'
  sizes = ['--num_steps=2', '--repeats=2', '--batch_sizes=2']
  result = bench('--configurations=tiny', *sizes, f'--output={output}')
  assert result.returncode == 0, result.stderr
  (line,) = json.loads(output.read_text())['lines']
  low, median, high = line['ms_per_step']
  assert 0 < low <= median <= high
  assert line['images_per_hour'] > 0
  assert line['peak_mib'] > 10
  assert 'tiny     2' in result.stdout


def test_pix2pix():
  result = bench('--configurations=pix2pix_tiny', '--repeats=1', '--batch_sizes=2', '--output=')
  assert result.returncode == 0, result.stderr + result.stdout
  assert 'pix2pix_tiny     2' in result.stdout


@pytest.mark.slow
def test_training(tmp_path):
  output = tmp_path / 'bench.json'
  sizes = ['--repeats=1', '--batch_sizes=4', f'--output={output}']
  result = bench('--configurations=train_tiny', *sizes)
  assert result.returncode == 0, result.stderr + result.stdout
  (line,) = json.loads(output.read_text())['lines']
  assert line['ms_per_step'][0] > 0
  assert line['images_per_hour'] > 0


def test_what_fails_is_one_line(tmp_path):
  sizes = ['--num_steps=1', '--repeats=1', '--batch_sizes=0']
  result = bench('--configurations=tiny', *sizes, '--output=')
  assert result.returncode == 1
  assert '0 photos' in result.stdout


def test_an_unknown_configuration_is_named():
  result = bench('--configurations=huge')
  assert result.returncode == 1
  assert 'huge' in result.stderr


@pytest.mark.slow
def test_bulk_runs():
  script = str(ROOT / 'scripts' / 'bench_bulk.py')
  size = subprocess.run(
    [sys.executable, script, '--part=size', '--sizes=10'], capture_output=True, text=True
  )
  assert size.returncode == 0, size.stderr
  assert [line.split()[0] for line in size.stdout.splitlines()] == ['pictures', '10']
  few = ['--pictures=6', '--batch_size=4', '--num_steps=4', '--repeats=1']
  batching = subprocess.run([sys.executable, script, *few], capture_output=True, text=True)
  assert batching.returncode == 0, batching.stderr
  assert json.loads(batching.stdout.splitlines()[-1])['continuous']['batch_steps'] >= 8


@pytest.mark.slow
def test_the_deep_prior_is_measured():
  script = str(ROOT / 'scripts' / 'bench_deep_prior.py')
  few = ['--sides=32', '--batch_sizes=1,2', '--network=1-single', '--num_steps=1', '--repeats=1']
  found = subprocess.run([sys.executable, script, *few], capture_output=True, text=True)
  assert found.returncode == 0, found.stderr
  lines = json.loads(found.stdout.splitlines()[-1])
  assert [(line['side'], line['batch_size']) for line in lines] == [(32, 1), (32, 2)]
  assert all(len(line['ms_per_iteration']) == 1 for line in lines)
