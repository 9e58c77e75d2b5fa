"""Builds networks from weights files, checking every tensor in both directions."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ganjax.models.architecture import discriminator_config, generator_config
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.models.inception import Inception
from ganjax.models.vgg16 import LPIPS
from ganjax.runtime import precision as precisions
from ganjax.weights import tensor_file

DEFAULT = pathlib.Path(__file__).parent / 'stylegan2-faces128.safetensors'

SAVED = (nnx.Param, nnx.BatchStat)  # what of a module belongs in a file


class CropTemplate(NamedTuple):
  """How much around eyes and mouth the generator expects to see; see `ganjax.faces.Template`."""

  eye_scale: float
  mouth_scale: float
  centre_shift: float


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Networks:
  """A generator with its discriminator (None if the file has none) and what came with them."""

  generator: Generator
  discriminator: Discriminator | None
  template: CropTemplate = dataclasses.field(metadata={'static': True})
  sha256: str = dataclasses.field(metadata={'static': True})

  @property
  def resolution(self) -> int:
    """Side of the images in px."""
    return self.generator.config.resolution


def compute_type(name: str) -> Any:
  """`runtime.precision.dtype`.

  Raises:
    WeightsError: there is no such precision.
  """
  try:
    return precisions.dtype(name)
  except ValueError as error:
    raise tensor_file.WeightsError(str(error)) from None


def load(
  path: str | os.PathLike | None = None, precision: str = 'float32', remat: bool = False
) -> Networks:
  """Loads a StyleGAN2.

  Args:
    path: a file made by `python -m ports.stylegan2`; None for the bundled 128 px face generator.
    precision: of the convolutions; one of `runtime.precision.PRECISIONS`: 'float32', 'tf32',
      'bfloat16', or 'auto', which is the first on CPUs and the last on accelerators. The type
      alone is set: on accelerators JAX's default_matmul_precision says what float32 is worth.
    remat: gradients compute the generator's blocks again instead of storing them: about a third
      more work, and far less memory. Results are the same.

  Raises:
    WeightsError: the file is missing, broken, of another family, or its tensors are not exactly
      those of the architecture in its header.
  """
  path = pathlib.Path(path) if path is not None else DEFAULT
  tensors, header = read_family(path, 'stylegan2')
  dtype = compute_type(precision)
  try:
    generator = _empty(Generator, generator_config(header['generator']), dtype)
    generator.synthesis.remat = remat
    entry = header.get('discriminator')
    discriminator = _empty(Discriminator, discriminator_config(entry), dtype) if entry else None
    template = CropTemplate(**header['template'])
  except (KeyError, TypeError, ValueError) as error:
    raise tensor_file.WeightsError(f'{path}: broken header: {error}') from None
  modules = {'generator': generator, 'discriminator': discriminator}
  assign({name: m for name, m in modules.items() if m is not None}, tensors, path)
  return Networks(generator, discriminator, template, tensor_file.sha256(path))


def _empty(kind: Callable[..., Any], *args: Any) -> Any:
  """A module without arrays, to be filled by `assign`."""
  return nnx.eval_shape(functools.partial(kind, *args))


def load_lpips(path: str | os.PathLike, precision: str = 'float32') -> LPIPS:
  """Loads VGG16 with LPIPS heads, as made by `python -m ports.vgg16`.

  Raises:
    WeightsError: as `load`; also when the file holds no heads.
  """
  path = pathlib.Path(path)
  tensors, header = read_family(path, 'vgg16')
  if not header.get('lpips'):
    raise tensor_file.WeightsError(f'{path}: holds no LPIPS heads; port it again with --lpips')
  lpips = LPIPS(tuple(header['widths']), compute_type(precision))
  assign({'': lpips}, tensors, path)
  return lpips


def load_inception(path: str | os.PathLike) -> Inception:
  """Loads FID's Inception, as made by `python -m ports.inception`.

  Raises:
    WeightsError: as `load`.
  """
  path = pathlib.Path(path)
  tensors, header = read_family(path, 'inception')
  try:
    inception = Inception(header['width'])
  except (KeyError, TypeError, ValueError) as error:
    raise tensor_file.WeightsError(f'{path}: broken header: {error}') from None
  assign({'': inception}, tensors, path)
  return inception


def read_family(path: pathlib.Path, family: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """`store.read`, but only for files of the given family ('stylegan2', 'vgg16', …)."""
  tensors, header = tensor_file.read(path)
  if header.get('family') != family:
    raise tensor_file.WeightsError(
      f'{path}: holds {header.get("family")} weights where {family} is needed'
    )
  return tensors, header


def assign(
  modules: dict[str, nnx.Module], tensors: dict[str, np.ndarray], path: pathlib.Path
) -> None:
  """Fills the modules in place from tensors called 'module.layer.parameter'.

  Raises:
    WeightsError: names every tensor that is missing, left over or of another shape.
  """
  parameters = {
    '.'.join((*([prefix] if prefix else []), *map(str, keys))): variable
    for prefix, module in modules.items()
    for keys, variable in nnx.to_flat_state(nnx.state(module, SAVED))
  }
  problems = [f'{name} is missing' for name in sorted(parameters.keys() - tensors.keys())]
  problems += [f'{name} is not expected' for name in sorted(tensors.keys() - parameters.keys())]
  for name in sorted(parameters.keys() & tensors.keys()):
    wanted, got = tuple(parameters[name].shape), tensors[name].shape
    if wanted != got:
      problems.append(f'{name} has shape {got}, not {wanted}')
  if problems:
    raise tensor_file.WeightsError(
      f'{path}: {len(problems)} tensors do not fit: ' + '; '.join(problems)
    )
  for prefix, module in modules.items():
    state = nnx.state(module, SAVED)
    for keys, variable in nnx.to_flat_state(state):
      name = '.'.join((*([prefix] if prefix else []), *map(str, keys)))
      variable.set_value(jnp.asarray(tensors[name], jnp.float32))
    nnx.update(module, state)


def tensors_of(modules: dict[str, nnx.Module]) -> dict[str, np.ndarray]:
  """The inverse of `assign`: parameters as 'module.layer.parameter' -> array."""
  return {
    '.'.join((prefix, *map(str, keys))): np.asarray(variable[...])
    for prefix, module in modules.items()
    for keys, variable in nnx.to_flat_state(nnx.state(module, SAVED))
  }
