"""Generate: faces by seed, and tables of truncation and of mixed styles."""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import data, report, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.models.generator import Generator
from ganjax.pixels import to_bytes
from ganjax.tasks import console
from ganjax.tasks.generate_config import GenerateConfig
from ganjax.tasks.settings import ConfigError

TABLES = 'tables'
SHOWN = 6  # seeds in a table


def run(config: GenerateConfig) -> int:
  """Writes one picture per seed and the tables; returns the number of failures, which is 0."""
  networks = weights.load(config.weights, config.precision, init=INIT_AVERAGE)
  generator = networks.generator
  label = _label(config, generator)
  if over := [row for row in config.mixed_rows if row >= generator.config.num_ws]:
    last = generator.config.num_ws - 1
    raise ConfigError(f'--mixed_rows: row {over[0]} is beyond the last one of W+, {last}')
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    for seed in config.seeds:
      name = f'seed{seed:04d}'
      if store.has_result(name):
        continue
      ws = _rows(generator, seed, config.truncation_psi, label)
      files = {
        'restored': store.write_image('restored', name, _picture(generator, ws)),
        'latent': store.write_array(
          'latents', name, latent=np.asarray(ws), weights_sha256=networks.sha256
        ),
      }
      store.add_result({'name': name, 'source': name, 'task': config.task, 'files': files})
    _write_tables(config, store, generator, label)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _label(config: GenerateConfig, generator: Generator) -> jax.Array | None:
  """The class as the generator takes it."""
  classes = generator.config.c_dim
  if not classes and config.class_index is not None:
    raise ConfigError('--class_index: this generator has no classes; leave it out')
  if not classes:
    return None
  if config.class_index is None or config.class_index >= classes:
    raise ConfigError(f'--class_index: this generator has classes 0 to {classes - 1}; give one')
  return jax.nn.one_hot(config.class_index, classes)


def _rows(generator: Generator, seed: int, psi: float, label: jax.Array | None) -> jax.Array:
  z = np.random.RandomState(seed).randn(generator.config.z_dim)
  return _mapped(generator, jnp.asarray(z, jnp.float32), jnp.float32(psi), label)


@jax.jit
def _mapped(generator: Generator, z: jax.Array, psi: Any, label: jax.Array | None) -> jax.Array:
  return generator.mapping(z, label, psi)


def _picture(generator: Generator, ws: jax.Array) -> np.ndarray:
  return to_bytes(np.asarray(_synthesised(generator, ws)))


@jax.jit
def _synthesised(generator: Generator, ws: jax.Array) -> jax.Array:
  return generator.synthesis(ws)


def _write_tables(
  config: GenerateConfig, store: data.Store, generator: Generator, label: jax.Array | None
) -> None:
  """tables/truncation.png and tables/mixing.png, of the first seeds."""
  seeds = config.seeds[:SHOWN]
  names = [f'seed {seed}' for seed in seeds]
  rows = functools.partial(_rows, generator, label=label)

  def write(name: str, pictures: list[list[np.ndarray]], columns: list[str]) -> None:
    captions = [[''] * len(columns) for _ in pictures]
    table = report.picture_table(pictures, names, columns, captions)
    store.write_image(TABLES, name, table)

  if config.truncations:
    pictures = [
      [_picture(generator, rows(seed, psi)) for psi in config.truncations] for seed in seeds
    ]
    write('truncation', pictures, [f'truncation {psi:g}' for psi in config.truncations])
  if config.mixed_rows:
    own = [rows(seed, config.truncation_psi) for seed in seeds]
    taken = np.isin(np.arange(generator.config.num_ws), config.mixed_rows)[:, None]
    pictures = [
      [_picture(generator, jnp.where(taken, above, left)) for above in own] for left in own
    ]
    write('mixing', pictures, names)
