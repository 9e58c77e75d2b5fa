"""The script that lowers for accelerators on machines without any."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / 'scripts' / 'compile_ahead.py'


def run(*flags):
  command = [sys.executable, str(SCRIPT), *flags]
  return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_lowering_tells_what_becomes_of_kernels(platform):
  done = run('--lower_only', f'--platform={platform}', '--configuration=tiny', '--batch_size=3')
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip().endswith('grouped 0, weights broadcast 0')


@pytest.mark.slow
def test_the_kernels_of_w_plus_plus_are_seen():
  flags = ['--configuration=tiny', '--preset=robust', '--phase=1']
  done = run('--lower_only', '--platform=tpu', *flags)
  assert 'grouped 0' not in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
  importlib.util.find_spec('jax_plugins') is None, reason='no compiler for GPUs here'
)
def test_a_program_is_compiled_for_a_gpu_that_is_not_there():
  done = run('--topology=h200', '--configuration=tiny')
  assert done.returncode == 0, done.stderr
  assert 'grouped 0' in done.stdout
  assert 'compiled for NVIDIA H200' in done.stdout
  assert 'GFLOP' in done.stdout


@pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is not None, reason='libtpu is installed here'
)
def test_without_a_tpu_compiler_one_line_says_so():
  assert_one_line('pip install libtpu', '--configuration=tiny')


@pytest.mark.skipif(
  importlib.util.find_spec('jax_plugins') is not None, reason='plugins of JAX are installed here'
)
def test_without_a_gpu_compiler_one_line_says_so():
  assert_one_line("pip install 'jax[cuda13]'", '--configuration=tiny', '--topology=h200')


def assert_one_line(remedy, *flags):
  done = run(*flags)
  assert done.returncode == 1
  assert len(done.stderr.strip().splitlines()) == 1
  assert remedy in done.stderr
