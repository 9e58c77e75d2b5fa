"""One step of pix2pix training, on any number of devices.

Networks are written for one image: `vmap` maps them over a device's pictures, `shard_map` over the
devices, and gradients are averaged over both. Both networks' gradients are taken at the same
parameters, so that the generated picture is scored once, and gradients over several small batches
add up to those of one large batch.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from ganjax.models.initialisation import abstract
from ganjax.models.patchgan import PatchGAN, PatchGANConfig
from ganjax.models.unet import UNet, UNetConfig
from ganjax.ops import optimisers
from ganjax.pixels import to_float
from ganjax.runtime import devices, programs
from ganjax.training.pix2pix import losses
from ganjax.training.pix2pix.losses import GanLoss

MOMENTUM = 0.1  # share of a batch's moments in the running ones
IMAGES, DEVICES = 'images', 'data'  # the mapped axes
AXES = (IMAGES, DEVICES)

# What a step measures before it changes anything: L1 and MSE over unknown pixels (L1 of values in
# [-1, 1], MSE of values in [0, 1]), adversarial losses, gradients' norms, the learning rate.
MEASURED = (
  *('l1', 'gan', 'real', 'fake', 'mse'),
  *('generator_gradient', 'discriminator_gradient', 'learning_rate'),
)

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Pix2PixPlan:
  """What is to be trained, and how; hashable, so that jit can tell plans apart."""

  generator: UNetConfig
  discriminator: PatchGANConfig
  num_steps: int
  gan_loss: GanLoss = 'lsgan'
  l1_weight: float = 100.0
  learning_rate: float = 2e-4
  adam_b1: float = 0.5
  decay_from: float = 0.5  # share of the steps before the rate begins to fall
  dropout: float = 0.5
  ema_decay: float = 0.999
  seed: int = 0
  dtype: Any = jnp.float32  # of the convolutions


class Batch(NamedTuple):
  """What one step learns from: A small batches of N pictures each."""

  condition: jax.Array  # uint8 [A, N, H, W, 3]
  truth: jax.Array  # uint8 [A, N, H, W, 3]
  known: jax.Array  # uint8 [A, N, H, W, 1]; 1 where the condition shows the truth itself


class Pix2PixState(NamedTuple):
  """Where training stands; nothing else is needed to go on."""

  generator: Params
  statistics: Params  # running moments of batch normalisation; empty without it
  discriminator: Params
  ema: Params  # exponential moving average of `generator`
  ema_statistics: Params  # and of `statistics`
  adam: tuple[optimisers.AdamState, optimisers.AdamState]  # generator's, discriminator's
  step: jax.Array  # int32, steps taken


@functools.cache
def _graphs(plan: Pix2PixPlan):
  generator, *_ = _split(abstract(UNet, plan.generator, plan.dtype))
  judge, _, unused = _split(abstract(PatchGAN, plan.discriminator, plan.dtype))
  return generator, judge, unused


def _split(module: nnx.Module) -> tuple[nnx.GraphDef, nnx.State, nnx.State]:
  """(structure, parameters, running moments)."""
  graph, params, *rest = nnx.split(module, nnx.Param, nnx.BatchStat)
  return graph, params, rest[0]


def init(plan: Pix2PixPlan, unet: UNet | None = None) -> Pix2PixState:
  """The start: random networks of the plan's architectures.

  Args:
    plan: what is trained, and how.
    unet: to begin with in place of a random one, and of the plan's architecture.
  """
  # One program: compiling each draw by itself would take longer.
  return programs.jit_once(_init, (0,))(plan, unet)


def _init(plan, unet):
  keys = [jax.random.fold_in(jax.random.key(plan.seed), i) for i in range(2)]
  _, params, moments = _split(unet or UNet(plan.generator, rngs=nnx.Rngs(keys[0])))
  _, judge, _ = _split(PatchGAN(plan.discriminator, rngs=nnx.Rngs(keys[1])))
  generator, statistics, discriminator = map(nnx.to_pure_dict, (params, moments, judge))
  return Pix2PixState(
    generator,
    statistics,
    discriminator,
    jax.tree.map(jnp.copy, generator),
    jax.tree.map(jnp.copy, statistics),
    (optimisers.adam_init(generator), optimisers.adam_init(discriminator)),
    jnp.int32(0),
  )


def network(plan: Pix2PixPlan, state: Pix2PixState) -> UNet:
  """The averaged generator, for prediction."""
  return nnx.merge(_graphs(plan)[0], state.ema, state.ema_statistics)


def _gradients(plan: Pix2PixPlan, state: Pix2PixState, batch: Batch, keys: jax.Array):
  """Both networks' gradients on N pictures; batch leaves are [N, ...]."""
  graph, judge_graph, unused = _graphs(plan)
  adversary = losses.ADVERSARIES[plan.gan_loss]
  condition, truth = to_float(batch.condition), to_float(batch.truth)
  known = batch.known.astype(jnp.float32)

  def generate(params):
    def one(condition, key):
      unet = nnx.merge(graph, params, state.statistics)
      return unet.forward(condition, key, plan.dropout, AXES)

    images, moments = jax.vmap(one, axis_name=IMAGES)(condition, keys)
    return images, jax.tree.map(lambda x: x[0], moments)  # alike for all pictures

  def score(params, images):
    def one(condition, image):
      return nnx.merge(judge_graph, params, unused)(condition, image, AXES)

    return jax.vmap(one, axis_name=IMAGES)(condition, images)

  def distance(images):
    return losses.unknown_mean(jnp.abs(images - truth), known)

  generated, pull_generator, moments = jax.vjp(generate, state.generator, has_aux=True)
  images, pull_composite = jax.vjp(lambda x: losses.composite(x, condition, known), generated)
  logits, pull_judge = jax.vjp(score, state.discriminator, images)
  true_logits, pull_truth = jax.vjp(lambda p: score(p, truth), state.discriminator)

  fake, fake_slope = jax.value_and_grad(adversary.fake)(logits)
  real, real_slope = jax.value_and_grad(adversary.real)(true_logits)
  gan, gan_slope = jax.value_and_grad(adversary.fool)(logits)
  l1, l1_slope = jax.value_and_grad(distance)(images)

  judge_gradient = jax.tree.map(
    lambda a, b: 0.5 * (a + b), pull_judge(fake_slope)[0], pull_truth(real_slope)[0]
  )
  slope = pull_judge(gan_slope)[1] + plan.l1_weight * l1_slope
  (gradient,) = pull_generator(pull_composite(slope)[0])
  mse = losses.unknown_mean(jnp.square(images - truth), known) / 4.0
  return (gradient, judge_gradient, moments), jnp.stack([l1, gan, real, fake, mse])


def _step(
  plan: Pix2PixPlan, state: Pix2PixState, batch: Batch, keys: jax.Array
) -> tuple[Pix2PixState, dict[str, jax.Array]]:
  """One step on one device's share of the batch."""
  accumulated = batch.condition.shape[0]

  def body(total, part):
    return jax.tree.map(jnp.add, total, _gradients(plan, state, *part)), None

  total = _gradients(plan, state, *jax.tree.map(lambda x: x[0], (batch, keys)))
  if accumulated > 1:
    total, _ = jax.lax.scan(body, total, jax.tree.map(lambda x: x[1:], (batch, keys)))
  total = jax.tree.map(lambda x: x / accumulated, devices.mean(total, (DEVICES,)))
  (gradient, judge_gradient, moments), measured = total

  rate = losses.learning_rate(state.step, plan.learning_rate, plan.num_steps, plan.decay_from)
  generator, adam = optimisers.adam_update(
    gradient, state.adam[0], state.generator, rate, b1=plan.adam_b1
  )
  discriminator, judge_adam = optimisers.adam_update(
    judge_gradient, state.adam[1], state.discriminator, rate, b1=plan.adam_b1
  )
  statistics = {
    name: {
      'mean': old['mean'] + MOMENTUM * (moments[name][0] - old['mean']),
      'variance': old['variance'] + MOMENTUM * (moments[name][1] - old['variance']),
    }
    for name, old in state.statistics.items()
  }
  count = state.step.astype(jnp.float32)
  # A short memory at first: the average should not keep the random start.
  keep = jnp.minimum(plan.ema_decay, (1.0 + count) / (10.0 + count))
  ema, ema_statistics = jax.tree.map(
    lambda e, p: e + (1.0 - keep) * (p - e),
    (state.ema, state.ema_statistics),
    (generator, statistics),
  )
  new = Pix2PixState(
    generator,
    statistics,
    discriminator,
    ema,
    ema_statistics,
    (adam, judge_adam),
    state.step + jnp.int32(1),
  )
  norms = [optimisers.global_norm(gradient), optimisers.global_norm(judge_gradient)]
  return new, dict(zip(MEASURED, [*measured, *norms, rate], strict=True))


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def step(
  plan: Pix2PixPlan, mesh: Mesh, state: Pix2PixState, batch: Batch
) -> tuple[Pix2PixState, dict[str, jax.Array]]:
  """One step; what a picture's dropout is depends on its place in the global batch alone.

  Args:
    plan: what is trained, and how.
    mesh: the devices, along the axis 'data'.
    state: replicated; given up.
    batch: N split over the devices.
  """
  shape = batch.condition.shape[:2]
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(plan.seed), 2), state.step)
  keys = jax.random.split(key, shape)
  spec = PartitionSpec(None, DEVICES)
  return jax.shard_map(
    functools.partial(_step, plan),
    mesh=mesh,
    in_specs=(PartitionSpec(), spec, spec),
    out_specs=PartitionSpec(),
    check_vma=False,
  )(state, batch, keys)
