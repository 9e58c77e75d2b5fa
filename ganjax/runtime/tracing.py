"""Functions that are traced once, however often what is traced around them calls them."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun


def traced(function: Callable, *like: Any) -> tuple[Callable, Any]:
  """Traces a function of arrays for arguments of the given shapes.

  Loops and conditions trace what they are given, and so does `jax.eval_shape`; one within another
  multiply, and tracing a step with its gradient takes longer than twenty steps take.

  Args:
    function: pure; may close over arrays that are being traced.
    *like: arguments, or their shapes.

  Returns:
    The same function for arguments of these shapes, which writes down what was traced, and the
    shapes of its results.
  """
  program, shapes = jax.make_jaxpr(function, return_shape=True)(*like)
  structure, repeat = jax.tree.structure(shapes), jaxpr_as_fun(program)

  def again(*args: Any) -> Any:
    return jax.tree.unflatten(structure, repeat(*jax.tree.leaves(args)))

  return again, shapes
