"""Networks' parameters as the named tensors of a file, checked in both directions."""

import os
from typing import Any

import jax
import numpy as np
from flax import nnx

from ganjax.runtime import precision as precisions
from ganjax.weights.tensor_file import WeightsError

SAVED = (nnx.Param, nnx.BatchStat)  # what of a module belongs in a file


def compute_type(name: str) -> Any:
  """`runtime.precision.dtype`.

  Raises:
    WeightsError: there is no such precision.
  """
  try:
    return precisions.dtype(name)
  except ValueError as error:
    raise WeightsError(str(error)) from None


def shapes_of(modules: dict[str, nnx.Module]) -> dict[str, tuple[int, ...]]:
  """The tensors that a file of the modules holds: 'module.layer.parameter' -> shape.

  Args:
    modules: by name; '' leaves the name out. Shapes alone (`models.initialisation.abstract`) do.
  """
  return {name: tuple(variable.shape) for name, variable in _variables(modules).items()}


def tensors_of(modules: dict[str, nnx.Module]) -> dict[str, np.ndarray]:
  """The inverse of `assign`: 'module.layer.parameter' -> array."""
  return {name: np.asarray(variable[...]) for name, variable in _variables(modules).items()}


def assign(
  modules: dict[str, nnx.Module], tensors: dict[str, np.ndarray], path: str | os.PathLike
) -> None:
  """Fills the modules in place from tensors called 'module.layer.parameter'.

  Raises:
    WeightsError: names every tensor that is missing, left over or of another shape.
  """
  shapes = shapes_of(modules)
  problems = [f'{name} is missing' for name in sorted(shapes.keys() - tensors.keys())]
  problems += [f'{name} is not expected' for name in sorted(tensors.keys() - shapes.keys())]
  problems += [
    f'{name} has shape {tensors[name].shape}, not {shapes[name]}'
    for name in sorted(shapes.keys() & tensors.keys())
    if tensors[name].shape != shapes[name]
  ]
  if problems:
    raise WeightsError(f'{path}: {len(problems)} tensors do not fit: ' + '; '.join(problems))
  for name, variable in _variables(modules).items():
    # Converted on the host, and only put on a device: each shape would take a program there.
    variable.set_value(jax.device_put(np.asarray(tensors[name], np.float32)))


def _variables(modules: dict[str, nnx.Module]) -> dict[str, nnx.Variable]:
  """The modules' own variables, by their names in a file."""
  return {
    '.'.join((*([prefix] if prefix else []), *map(str, keys))): variable
    for prefix, module in modules.items()
    for keys, variable in nnx.iter_graph(module)
    if isinstance(variable, SAVED)
  }
