"""A later process runs what an earlier one compiled, the same to the last bit, or compiles anew."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax.inversion import batch
from ganjax.runtime import compile_cache, kept, platforms
from ganjax.runtime.entries import Entries
from ganjax.runtime.kept import Kept

X = np.arange(6, dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class Factor:
  """A class of the user's own."""

  value: float


class Function:
  """`x · factor` as a part of this package; counts how often it is traced, and compiled."""

  def __init__(self, monkeypatch):
    self.traced = self.compiled = 0
    compile_lowered = jax.stages.Lowered.compile

    def compile_and_count(lowered):
      self.compiled += 1
      return compile_lowered(lowered)

    monkeypatch.setattr(jax.stages.Lowered, 'compile', compile_and_count)

  def in_new_process(self, module='ganjax.somewhere', **options):
    def multiply(x, factor=2.0):
      self.traced += 1
      return {'result': x * getattr(factor, 'value', factor)}

    multiply.__module__ = module
    return Kept(multiply, **options)


@pytest.fixture
def function(monkeypatch):
  return Function(monkeypatch)


@pytest.fixture
def folder(monkeypatch, tmp_path):
  monkeypatch.setattr(compile_cache, '_programs', Entries(tmp_path / 'programs', 2**28))
  return tmp_path / 'programs'


def doubles(function):
  return np.array_equal(function.in_new_process()(X)['result'], 2 * X)


def test_the_second_process_does_not_even_trace(function, folder):
  first = function.in_new_process()
  for _ in range(2):
    assert np.array_equal(first(X)['result'], 2 * X)
  assert (function.traced, function.compiled) == (1, 1)
  assert doubles(function)
  assert (function.traced, function.compiled) == (1, 1)


def test_programs_that_were_forgotten_are_found_again(function, folder):
  one = function.in_new_process()
  one(X)
  kept.forget_all()
  assert not one._programs
  assert np.array_equal(one(X)['result'], 2 * X)
  assert function.traced == 1


def test_what_an_edited_source_lowers_to_as_before_is_not_compiled(function, folder, monkeypatch):
  assert doubles(function)
  monkeypatch.setattr(kept, '_source', lambda: 'edited')
  assert doubles(function)
  assert (function.traced, function.compiled) == (2, 1)


@pytest.mark.parametrize('spoilt', [b'', b'garbage', lambda whole: whole[:-9]])
def test_entries_that_are_spoilt_are_made_again(function, folder, spoilt):
  assert doubles(function)
  for path in folder.iterdir():
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt(path.read_bytes()))
  assert doubles(function)
  assert (function.traced, function.compiled) == (2, 2)
  assert doubles(function)
  assert (function.traced, function.compiled) == (2, 2)


def test_entries_that_are_no_programs_are_made_again(function, folder):
  assert doubles(function)
  entries = compile_cache.programs()
  for path in folder.iterdir():
    entries.write(path.stem, b'whole, but no program')
  assert doubles(function)
  assert (function.traced, function.compiled) == (2, 2)


def test_what_a_program_depends_on_tells_it_from_others(function, folder):
  device = jax.devices()[1]
  assert np.array_equal(function.in_new_process(static_argnums=(1,))(X, 3.0)['result'], 3 * X)
  assert np.array_equal(function.in_new_process(static_argnums=(1,))(X, 4.0)['result'], 4 * X)
  assert function.in_new_process()(X[:4])['result'].shape == (4,)
  assert function.in_new_process()(X.astype(np.float16))['result'].dtype == np.float16
  there = function.in_new_process()(jax.device_put(X, device))['result']
  assert there.devices() == {device}
  with jax.default_matmul_precision('highest'):
    assert doubles(function)
  assert function.traced == 6


def test_what_is_the_users_own_is_not_kept(function, folder):
  for _ in range(2):
    own = function.in_new_process(static_argnums=(1,))(X, Factor(2.0))
    assert np.array_equal(own['result'], 2 * X)
    assert np.array_equal(function.in_new_process('users_module')(X)['result'], 2 * X)
  assert function.traced == 4
  assert not folder.exists()


def test_what_calls_something_by_name_is_not_kept(folder):
  def values(x):
    return jnp.linalg.eigvalsh(x)  # LAPACK's, which lowering loads

  values.__module__ = 'ganjax.somewhere'
  for _ in range(2):
    assert np.allclose(Kept(values)(np.eye(3, dtype=np.float32)), 1)
  assert not folder.exists()


def test_an_argument_that_is_donated_is_used_up(function, folder):
  for _ in range(2):
    x = jnp.asarray(X)
    function.in_new_process(donate_argnums=(0,))(x)
    assert x.is_deleted()
  assert function.traced == 1


def test_within_another_program_it_is_a_part_of_that(function, folder):
  inner = function.in_new_process()
  assert np.array_equal(jax.jit(lambda x: inner(x)['result'])(X), 2 * X)
  assert np.array_equal(jax.vmap(lambda x: inner(x)['result'])(X), 2 * X)
  assert jax.eval_shape(inner, X)['result'].shape == X.shape
  assert not folder.exists()


def test_what_is_traced_for_another_platform_is_not_kept(function, folder):
  with platforms.traced_for('tpu'):
    assert doubles(function)
  assert not folder.exists()


def test_without_a_folder_nothing_is_kept(function, tmp_path):
  assert compile_cache.programs() is None
  assert doubles(function)
  assert doubles(function)
  assert function.traced == 2


def test_what_cannot_be_written_runs_nevertheless(function, folder, monkeypatch):
  def refuse(program):
    raise ValueError('compilation does not support serialization')

  monkeypatch.setattr(kept, 'serialize_executable', types.SimpleNamespace(serialize=refuse))
  assert doubles(function)
  assert doubles(function)
  assert function.compiled == 2


@pytest.mark.parametrize('count', [1, 4])
def test_an_inversion_is_the_same_to_the_last_bit(prior, folder, monkeypatch, count):
  photos = np.random.RandomState(0).uniform(-1, 1, (count, 16, 16, 3)).astype(np.float32)
  damage = 'noise(sigma=0.1)'

  def restored():
    kept.forget_all()
    return ganjax.restore(prior, photos, damage, preset='robust', num_steps=4)

  first = restored()
  monkeypatch.setattr(batch.advance, '_jitted', None)  # nothing is to be traced
  second = restored()
  assert jax.tree.all(jax.tree.map(np.array_equal, first, second))
