"""What an encoder is trained for and on, and where a training stands."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.inversion.latent_distances import Mahalanobis
from ganjax.inversion.problem import Prior
from ganjax.models.architecture import GeneratorConfig
from ganjax.models.encoder import LARGEST_SIDE, Encoder, EncoderConfig
from ganjax.models.initialisation import abstract, initialised
from ganjax.ops import optimisers
from ganjax.training.encoder import damage

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class EncoderPlan:
  """What is to be trained, and how; hashable, so that jit can tell plans apart.

  A batch has `samples` of the generator, whose latents are known, and `photos`. Images are
  compared for the photos and for `rendered` of the samples: that costs most of the time.
  """

  encoder: EncoderConfig
  num_steps: int
  samples: int
  photos: int = 0
  rendered: int = 0
  learning_rate: float = 1e-3
  # Weights of the loss's terms; see `losses`.
  latent_weight: float = 1.0
  image_weight: float = 4.0
  perceptual_weight: float = 0.5
  consistency_weight: float = 2.0
  prior_weight: float = 0.02
  spread_weight: float = 0.02
  ema_decay: float = 0.998
  seed: int = 0


class EncoderState(NamedTuple):
  """Where training stands; nothing else is needed to go on."""

  params: Params
  ema: Params  # exponential moving average of `params`
  adam: optimisers.AdamState
  step: jax.Array  # int32, steps taken


class Statistics(NamedTuple):
  """The coordinates that an encoder answers in; see `Encoder`."""

  center: jax.Array
  basis: jax.Array


def architecture(generator: GeneratorConfig) -> EncoderConfig:
  """That of the encoder for a generator."""
  side = min(generator.resolution, LARGEST_SIDE)
  widths = EncoderConfig.widths
  # Small images do not become smaller than a cell.
  count = min(len(widths), max(1, side.bit_length() - 3))
  return EncoderConfig(
    side, generator.num_ws, generator.w_dim, damage.told_of(generator.resolution), widths[:count]
  )


def whitened(prior: Prior) -> Mahalanobis:
  """The distance whose coordinates they are."""
  found = prior.latent_distances['mahalanobis']
  assert isinstance(found, Mahalanobis)
  return found


def statistics(prior: Prior) -> Statistics:
  """The coordinates of a generator's samples."""
  found = whitened(prior)
  return Statistics(found.mean, jnp.linalg.inv(found.whitening))


def init(plan: EncoderPlan, given: Encoder | None = None) -> EncoderState:
  """The start: a random encoder, which answers with the average face, or a given one."""
  encoder = given or initialised(Encoder, plan.encoder, key=jax.random.key(plan.seed))
  _, params, *_ = nnx.split(encoder, nnx.Param, ...)
  values = nnx.to_pure_dict(params)
  ema = jax.tree.map(jnp.copy, values)
  return EncoderState(values, ema, optimisers.adam_init(values), jnp.int32(0))


def encoder(plan: EncoderPlan, params: Params, found: Statistics) -> Encoder:
  """The network of the given parameters."""
  graph, _, *rest = nnx.split(abstract(Encoder, plan.encoder), nnx.Param, ...)
  statistics = nnx.to_pure_dict(rest[0]) | found._asdict()
  return nnx.merge(graph, params, statistics)
