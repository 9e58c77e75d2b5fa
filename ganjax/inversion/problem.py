"""What an inversion is given: the networks that all images share, and each image's problem."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ganjax import degradations
from ganjax.degradations import Pipeline
from ganjax.inversion import encoding
from ganjax.inversion.latent_distances import (
  Euclidean,
  LatentDistance,
  Mahalanobis,
  before_activation,
  whitening,
)
from ganjax.inversion.perceptual import Perceptual, load_perceptual
from ganjax.inversion.presets import BALANCED, DIAL, Hyper, LatentMetric
from ganjax.models.encoder import Encoder
from ganjax.models.generator import Generator
from ganjax.runtime.kept import keep
from ganjax.weights import Networks

P = TypeVar('P')  # a named tuple, one of whose fields is `degradation`


class Prior(NamedTuple):
  """What every image of a run shares: the networks and the statistics of W."""

  generator: Generator
  perceptual: Perceptual
  w_avg: Float[Array, ' w_dim']
  w_std: Float[Array, '']
  latent_distances: dict[LatentMetric, LatentDistance]


class Problem(NamedTuple):
  """One image to explain."""

  target: Float[Array, 'h w 3']  # in [-1, 1], as `degradation` gives it
  visible: Float[Array, 'h w 1']  # 0 in holes
  degradation: degradations.Operator  # applied to what is synthesised
  hyper: Hyper
  key: Key[Array, '']
  start: Float[Array, '*_ w_dim']  # where the search begins: w, or rows of W+


class Statistics(NamedTuple):
  """Of W."""

  w_avg: Float[Array, ' w_dim']
  w_std: Float[Array, '']
  mean: Float[Array, ' w_dim']  # before the mapping network's last leaky ReLU
  whitening: Float[Array, 'w_dim w_dim']  # likewise; see `Mahalanobis`

  def distances(self) -> dict[LatentMetric, LatentDistance]:
    """All that a preset may choose from."""
    variance = jnp.square(self.w_std) / self.w_avg.shape[-1]
    whitened = Mahalanobis(self.mean, self.whitening, variance)
    return {'euclidean': Euclidean(self.w_avg), 'mahalanobis': whitened}


def make_prior(networks: Networks, perceptual: Perceptual | None = None) -> Prior:
  """What all images share; computing it once saves a second for every further batch.

  Args:
    networks: from `ganjax.load`.
    perceptual: how images are compared, such as `ganjax.load_perceptual` gives; None for the
      features of the networks' own discriminator.

  Raises:
    WeightsError: there is no discriminator to compare with.
  """
  if perceptual is None:
    perceptual = load_perceptual('discriminator', networks)
  found = statistics(networks.generator)
  return Prior(networks.generator, perceptual, found.w_avg, found.w_std, found.distances())


def image_key(seed: int, name: str) -> Key[Array, '']:
  """An image's random key: from the seed and its name alone, whatever its place in a batch."""
  digest = hashlib.sha256(name.encode('utf-8', 'surrogateescape')).digest()
  number = int.from_bytes(digest[:4], 'little')
  return _folded(np.asarray(seed).astype(np.int32), np.uint32(number))


@keep()
def _folded(seed: np.ndarray, number: np.uint32) -> Key[Array, '']:
  return jax.random.fold_in(jax.random.key(seed), number)


def make_problem(
  prior: Prior,
  photo: Float[np.ndarray, 'h w 3'],
  degradation: Pipeline,
  name: str,
  seed: int,
  hyper: Hyper,
  encoder: Encoder | None = None,
) -> Problem:
  """Sets up one image for a solver.

  Args:
    prior: what all images share.
    photo: degraded, in [-1, 1].
    degradation: what happened to it.
    name, seed: of its random key.
    hyper: its hyperparameters.
    encoder: of the generator, which says where to begin; None to begin at the average face.

  Raises:
    ValueError: the photo has not the size that the degradation gives to the generator's image; or
      no step is to be taken, and there is no encoder.
  """
  if encoder is None and not hyper.num_steps:
    raise ValueError(f'{name}: num_steps=0 is the answer of an encoder, and there is none')
  side = prior.generator.config.resolution
  degradation.check(side, side)
  expected = (*degradation.output_shape(side, side), 3)
  if photo.shape != expected:
    raise ValueError(f'{name}: the photo is {photo.shape}, but {degradation} gives {expected}')
  degradation = degradation.observed(photo)
  problem = Problem(
    target=jnp.asarray(photo, jnp.float32),
    visible=degradation.visible(*expected[:2]),
    degradation=degradation,
    hyper=typed(hyper),
    key=image_key(seed, name),
    start=prior.w_avg,
  )
  return problem if encoder is None else beginning_with(encoder, problem, side)


def beginning_with(encoder: Encoder, problem: Problem, side: int) -> Problem:
  """The problem whose search begins at an encoder's answer to it.

  Args:
    encoder: of the generator.
    problem: of one image.
    side: of the generator's images, px.
  """
  assert isinstance(problem.degradation, Pipeline)
  start = encoding.first_start(encoder, side, problem.target, problem.visible, problem.degradation)
  return problem._replace(start=start)


def typed(hyper: Hyper) -> Hyper:
  """One image's hyperparameters as scalars on devices, the latent's weight as `fidelity` turns it.

  Here, and not in every step, where a power would be rounded otherwise on one device than on four.
  """
  turned = hyper.latent_dist_reg_weight * DIAL ** ((BALANCED - hyper.fidelity) / BALANCED)
  values = hyper._replace(latent_dist_reg_weight=turned)._asdict()
  floats = {name: jnp.float32(value) for name, value in values.items()}
  return Hyper(**{**floats, 'num_steps': jnp.int32(hyper.num_steps)})


def stack(problems: list[P]) -> P:
  """A batch from single problems of equal size whose degradations have the same operators."""
  found: Sequence[Any] = problems

  def column(field):
    values = [getattr(problem, field) for problem in found]
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *values)

  columns = {field: column(field) for field in found[0]._fields if field != 'degradation'}
  operators = degradations.stack([problem.degradation for problem in found])
  return found[0]._replace(**columns, degradation=operators)


@functools.partial(jax.jit, static_argnames=('num_samples', 'seed'))
def statistics(generator: Generator, num_samples: int = 10_000, seed: int = 123) -> Statistics:
  """Centre and spread of W (Karras et al. 2020, appendix D), over all classes alike.

  Returns:
    The mean of the samples, w_std = √(mean of ‖w − w_avg‖²), and what `Mahalanobis` is made of.
  """
  mapping = generator.mapping
  z_key, label_key = jax.random.split(jax.random.key(seed))
  z = jax.random.normal(z_key, (num_samples, mapping.z_dim), jnp.float32)
  w = jax.vmap(mapping.w)(z, mapping.random_label(label_key, num_samples))
  w_avg = jnp.mean(w, axis=0)
  w_std = jnp.sqrt(jnp.mean(jnp.sum(jnp.square(w - w_avg[None]), axis=1)))
  before = before_activation(w)
  mean = jnp.mean(before, axis=0)
  away = before - mean[None]
  covariance = jnp.matmul(away.T, away, precision=jax.lax.Precision.HIGHEST) / num_samples
  return Statistics(w_avg, w_std, mean, whitening(covariance))
