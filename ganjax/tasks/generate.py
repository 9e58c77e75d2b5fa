"""Generate: sample faces by seed."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from ganjax import data, report, weights
from ganjax.data.pixels import to_bytes
from ganjax.tasks import console
from ganjax.tasks.config import FLAGS, Config, parse_seeds, read

TASKS = ('generate',)


@dataclasses.dataclass(frozen=True)
class GenerateConfig(Config):
  """One run of `generate`."""

  weights: str | None
  precision: str
  seeds: tuple[int, ...]
  truncation_psi: float


def define_flags() -> None:
  """It shares all its flags with others."""


def from_flags() -> GenerateConfig:
  """The configuration that the parsed flags describe."""
  return read(GenerateConfig, seeds=parse_seeds(FLAGS.seeds))


def run(config: GenerateConfig) -> int:
  """Writes one picture per seed; returns the number of failures, which is 0."""
  networks = weights.load(config.weights, config.precision)
  if networks.generator.config.c_dim:
    raise weights.WeightsError(
      f'{config.weights}: a conditional generator; generate does not take classes yet'
    )

  @jax.jit
  def sample(generator, z):
    ws = generator.mapping(z, psi=config.truncation_psi)
    return ws, generator.synthesis(ws)

  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    for seed in config.seeds:
      name = f'seed{seed:04d}'
      if store.done(name):
        continue
      z = np.random.RandomState(seed).randn(networks.generator.config.z_dim)
      ws, image = sample(networks.generator, jnp.asarray(z, jnp.float32))
      files = {
        'restored': store.write_image('restored', name, to_bytes(np.asarray(image))),
        'latent': store.write_array(
          'latents', name, latent=np.asarray(ws), weights_sha256=networks.sha256
        ),
      }
      store.add_result({'name': name, 'source': name, 'task': config.task, 'files': files})
    path = report.write_report(pathlib.Path(config.output))
    return console.summarise(config.task, store, path)
