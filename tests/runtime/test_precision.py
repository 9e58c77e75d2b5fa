"""What --precision means on each kind of device."""

import jax
import jax.numpy as jnp
import pytest

from ganjax import weights
from ganjax.runtime import platforms, precision


@pytest.fixture
def untouched():
  """Puts JAX's own setting back."""
  before = jax.config.jax_default_matmul_precision
  yield
  jax.config.update('jax_default_matmul_precision', before)


@pytest.mark.parametrize(
  ('platform', 'meant'), [('cpu', 'float32'), ('cuda', 'bfloat16'), ('tpu', 'bfloat16')]
)
def test_auto_is_exact_on_a_cpu_and_quick_on_accelerators(platform, meant):
  with platforms.traced_for(platform):
    assert precision.resolved('auto') == meant
    assert precision.dtype('auto') == precision.dtype(meant)
    assert precision.dtype('tf32') == jnp.float32


@pytest.mark.parametrize(
  ('name', 'lowered_as'),
  [('float32', 'HIGHEST'), ('auto', 'HIGHEST'), ('bfloat16', 'HIGHEST'), ('tf32', 'HIGH')],
)
def test_float32_is_float32_on_every_device(untouched, name, lowered_as):
  precision.set_default(name)
  product = jax.jit(lambda a: a @ a).trace(jnp.ones((4, 4)))
  text = product.lower(lowering_platforms=('tpu',)).as_text()
  found = text.partition('precision = [')[2].partition(']')[0]
  assert set(found.split(', ')) == {lowered_as}


def test_unknown_ones_are_refused_by_name():
  with pytest.raises(weights.WeightsError, match=r"one of .*'tf32'.*, not 'half'"):
    weights.load(precision='half')


def test_a_platform_is_known():
  with pytest.raises(ValueError, match='metal'), platforms.traced_for('metal'):
    pass
