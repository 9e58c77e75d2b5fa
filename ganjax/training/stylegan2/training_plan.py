"""What a training of StyleGAN2-ADA is: its plan, its state, and where it starts."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.models.architecture import DiscriminatorConfig, GeneratorConfig
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.models.initialisation import abstract
from ganjax.ops import optimisers
from ganjax.runtime import programs
from ganjax.training.stylegan2 import augmentation

_BUFFERS = ('noise_const', 'w_avg')  # parameters that no gradient trains

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class StyleGAN2Plan:
  """What is to be trained, and how; hashable, so that jit can tell plans apart."""

  generator: GeneratorConfig
  discriminator: DiscriminatorConfig
  batch_size: int
  r1_gamma: float
  r1_interval: int = 16  # steps
  path_weight: float = 2.0
  path_interval: int = 4  # steps; 0 leaves path lengths alone
  style_mixing: float = 0.9  # probability
  learning_rate: float = 0.0025
  ema_half_life: float = 10_000.0  # pictures
  ema_ramp_up: float | None = 0.05
  mirror: bool = True
  augment: bool = True
  augment_target: float | None = augmentation.TARGET  # None keeps the probability as it is
  augment_rise: int = augmentation.RISE  # pictures in which the probability may go from 0 to 1
  seed: int = 0
  dtype: Any = jnp.float32  # of the convolutions …
  dtype_from: int = 0  # … from this resolution on; smaller ones compute in float32

  @property
  def chunk_size(self) -> int:
    """Pictures that share the discriminator's minibatch statistics."""
    return min(self.discriminator.mbstd_group_size, self.batch_size)

  @property
  def num_chunks(self) -> int:
    """Chunks of a batch, of all devices together."""
    return self.batch_size // self.chunk_size


class Batch(NamedTuple):
  """The photographs of one step, in K chunks of C."""

  photographs: jax.Array  # uint8 [K, C, H, W, 3]
  labels: jax.Array | None  # float32 [K, C, c_dim], one-hot; None for networks without classes


class StyleGAN2State(NamedTuple):
  """Where training stands; with the number of steps taken, all that is needed to go on."""

  generator: Params
  discriminator: Params
  ema: Params  # exponential moving average of `generator`
  buffers: Params  # the generator's w_avg and constant noise maps
  adam: tuple[optimisers.AdamState, optimisers.AdamState]  # generator's, discriminator's
  path_mean: jax.Array  # running mean of path lengths
  probability: jax.Array  # of each augmentation
  signs: jax.Array  # sum of the signs of logits on photographs since p last moved


def _is_trained(path, value) -> bool:
  return isinstance(value, nnx.Param) and path[-1] not in _BUFFERS


@functools.cache
def graphs(plan: StyleGAN2Plan):
  """The structures of generator and discriminator, to be merged with parameters."""
  types = plan.dtype, plan.dtype_from
  generator, *_ = nnx.split(abstract(Generator, plan.generator, *types), _is_trained, ...)
  judge = abstract(Discriminator, plan.discriminator, *types)
  discriminator, *_ = nnx.split(judge, _is_trained, ...)
  return generator, discriminator


def init(
  plan: StyleGAN2Plan,
  generator: Generator | None = None,
  discriminator: Discriminator | None = None,
  probability: float = 0.0,
) -> StyleGAN2State:
  """The start: given networks of the plan's architectures, or random ones."""
  # One program: compiling each draw by itself would take longer.
  return programs.jit_once(_init, (0,))(plan, generator, discriminator, probability)


def _init(plan, generator, discriminator, probability):
  keys = jax.random.split(jax.random.fold_in(jax.random.key(plan.seed), 0))
  if generator is None:
    generator = Generator(plan.generator, rngs=nnx.Rngs(keys[0]))
  if discriminator is None:
    discriminator = Discriminator(plan.discriminator, rngs=nnx.Rngs(keys[1]))
  trained, buffers = _split(generator)
  judge, _ = _split(discriminator)
  return StyleGAN2State(
    generator=trained,
    discriminator=judge,
    ema=jax.tree.map(jnp.copy, trained),
    buffers=buffers,
    adam=(optimisers.adam_init(trained), optimisers.adam_init(judge)),
    path_mean=jnp.float32(0),
    probability=jnp.float32(probability),
    signs=jnp.float32(0),
  )


def _split(module: nnx.Module) -> tuple[Params, Params]:
  """(what is trained, the rest), copied."""
  _, params, *rest = nnx.split(module, _is_trained, ...)
  return jax.tree.map(jnp.array, (nnx.to_pure_dict(params), nnx.to_pure_dict(rest[0])))


def networks(plan: StyleGAN2Plan, state: StyleGAN2State) -> tuple[Generator, Discriminator]:
  """The averaged generator and the discriminator as modules."""
  graph, judge = graphs(plan)
  return nnx.merge(graph, state.ema, state.buffers), nnx.merge(judge, state.discriminator, {})
