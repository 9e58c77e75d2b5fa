"""Building networks: with the weights that a training starts from, or with shapes alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.runtime import programs


def initialised(network: Callable[..., Any], *args: Any, key: jax.Array) -> Any:
  """`network(*args, rngs=…)` in one program; compiling each draw by itself would take longer.

  Args:
    network: a network's class, such as `Generator`; its layers know how their weights are drawn.
    *args: its other arguments.
    key: of the draws.
  """
  return programs.jit_once(_drawn, (0, 1))(network, args, key)


def _drawn(network: Callable[..., Any], args: tuple, key: jax.Array) -> Any:
  return network(*args, rngs=nnx.Rngs(key))


def abstract(network: Callable[..., Any], *args: Any) -> Any:
  """`network(*args, rngs=…)` whose parameters have shapes and types alone; nothing is drawn."""
  return nnx.eval_shape(lambda: network(*args, rngs=_Undrawn(0)))


class _Undrawn(nnx.Rngs):
  """Of networks whose weights come from a file: tracing how they are drawn takes half a second."""


def normal(rngs: nnx.Rngs, *shape: int, mean: float = 0.0, deviation: float = 1.0) -> nnx.Param:
  """A parameter of the given shape, drawn from N(mean, deviation²)."""
  if isinstance(rngs, _Undrawn):
    return nnx.Param(jnp.zeros(shape))
  return nnx.Param(mean + deviation * jax.random.normal(rngs.params(), shape))


def lecun_normal(rngs: nnx.Rngs) -> Any:
  """What draws the kernels of `nnx.Conv` and `nnx.Linear`, as they do by themselves.

  Where nothing is drawn it is not traced how: with some ten layers that takes a tenth of a second.
  """
  if isinstance(rngs, _Undrawn):
    return nnx.initializers.zeros
  return nnx.initializers.lecun_normal()


def he_normal(rngs: nnx.Rngs, *shape: int) -> nnx.Param:
  """A kernel [kh, kw, C_in, C_out] for ReLU, from N(0, 2 / fan_in), cut off (He et al. 2015)."""
  if isinstance(rngs, _Undrawn):
    return nnx.Param(jnp.zeros(shape))
  return nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape))
