"""One step of StyleGAN2-ADA training, on any number of devices.

A batch consists of *chunks*: as many pictures as share the discriminator's minibatch statistics.
A loss is written for one chunk, whose random numbers depend on the step and on its place in the
batch alone; chunks are mapped on a device (one after another on a CPU, whose caches hold no more),
devices by `shard_map`, and gradients are averaged over both. So the number of devices changes
nothing but the order of sums.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from ganjax import descent, devices
from ganjax.adversarial import augmentation, losses
from ganjax.adversarial.phases import PATH_DECAY, fool, paths, slopes, tell_apart
from ganjax.adversarial.planning import Batch, Metrics, Params, Plan, State

DEVICES = 'data'  # the mesh's axis
ADAM = (0.0, 0.99)
W_AVG_DECAY = 0.995


def measured(plan: Plan, metrics: Metrics, number: int) -> dict[str, jax.Array]:
  """What step `number`, counted from 0, measured."""
  values = metrics._asdict()
  if number % plan.r1_interval:
    del values['r1']
  if not plan.path_interval or number % plan.path_interval:
    del values['path']
  return values


def _mean_gradient(function: Callable, params: Params, chunks) -> tuple[Any, Params]:
  """((loss, more), gradient) of a chunk's function, averaged over all chunks of all devices."""
  slope = jax.value_and_grad(function, has_aux=True)
  if jax.default_backend() == 'cpu':
    first = jax.tree.map(lambda x: x[0], chunks)
    zeros = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(slope, params, first)
    )
    total, _ = jax.lax.scan(
      lambda total, chunk: (jax.tree.map(jnp.add, total, slope(params, chunk)), None), zeros, chunks
    )
    count = chunks[1].shape[0]
    mean = jax.tree.map(lambda x: x / count, total)
  else:

    def over_chunks(params, chunks):
      return jax.tree.map(
        lambda x: jnp.mean(x, axis=0), jax.vmap(functools.partial(function, params))(chunks)
      )

    mean = jax.value_and_grad(over_chunks, has_aux=True)(params, chunks)
  return devices.mean(mean, (DEVICES,))


def _updated(plan: Plan, interval: int, gradient, params, adam) -> tuple[Params, Any]:
  """One update. A loss with a penalty every `interval` steps takes that many updates and one
  more in as many steps; rate and memory are reduced to match (Karras et al. 2020, appendix B)."""
  share = interval / (interval + 1) if interval else 1.0
  b1, b2 = (b**share for b in ADAM)
  return descent.adam(params, gradient, adam, plan.learning_rate * share, b1, b2)


def _train_generator(plan: Plan, state: State, keys, batch: Batch):
  """The generator's updates; (state, adversarial loss, path length, norm)."""
  (loss, w), gradient = _mean_gradient(
    functools.partial(fool, plan, state), state.generator, (keys[0], *batch)
  )
  norm = descent.norm(gradient)
  generator, adam = _updated(plan, plan.path_interval, gradient, state.generator, state.adam[0])
  old = state.buffers['mapping']
  w_avg = W_AVG_DECAY * old['w_avg'] + (1 - W_AVG_DECAY) * w
  buffers = {**state.buffers, 'mapping': {**old, 'w_avg': w_avg}}
  state = state._replace(generator=generator, adam=(adam, state.adam[1]), buffers=buffers)
  if not plan.path_interval:
    return state, loss, jnp.float32(jnp.nan), norm

  def shorten(state):
    (_, length), gradient = _mean_gradient(
      functools.partial(paths, plan, state), state.generator, (keys[1], *batch)
    )
    generator, adam = _updated(plan, plan.path_interval, gradient, state.generator, state.adam[0])
    mean = state.path_mean + PATH_DECAY * (length - state.path_mean)
    changed = state._replace(generator=generator, adam=(adam, state.adam[1]), path_mean=mean)
    return changed, length, norm + descent.norm(gradient)

  state, length, norm = jax.lax.cond(
    state.step % plan.path_interval == 0,
    shorten,
    lambda state: (state, jnp.float32(jnp.nan), norm),
    state,
  )
  return state, loss, length, norm


def _train_discriminator(plan: Plan, state: State, keys, batch: Batch):
  """The discriminator's updates; (state, parts of the loss and signs [4], slope, norm)."""
  (_, parts), gradient = _mean_gradient(
    functools.partial(tell_apart, plan, state), state.discriminator, (keys[0], *batch)
  )
  norm = descent.norm(gradient)
  params, adam = _updated(plan, plan.r1_interval, gradient, state.discriminator, state.adam[1])
  state = state._replace(discriminator=params, adam=(state.adam[0], adam))

  def flatten(state):
    (_, slope), gradient = _mean_gradient(
      functools.partial(slopes, plan, state), state.discriminator, (keys[1], *batch)
    )
    params, adam = _updated(plan, plan.r1_interval, gradient, state.discriminator, state.adam[1])
    changed = state._replace(discriminator=params, adam=(state.adam[0], adam))
    return changed, slope, norm + descent.norm(gradient)

  state, slope, norm = jax.lax.cond(
    state.step % plan.r1_interval == 0,
    flatten,
    lambda state: (state, jnp.float32(jnp.nan), norm),
    state,
  )
  return state, parts, slope, norm


def _averaged(plan: Plan, state: State) -> Params:
  """The moving average of the generator after a step."""
  shown = (state.step.astype(jnp.float32) + 1.0) * plan.batch_size
  keep = losses.ema_decay(shown, plan.batch_size, plan.ema_half_life, plan.ema_ramp_up)
  return jax.tree.map(lambda e, p: p + keep * (e - p), state.ema, state.generator)


def _augmented(plan: Plan, state: State, sign: jax.Array) -> State:
  """The state with the augmentation's probability after a step whose r_t was `sign`."""
  signs = state.signs + sign
  if not plan.augment or plan.augment_target is None:
    return state
  due = (state.step + 1) % augmentation.INTERVAL == 0
  moved = augmentation.adjusted(
    state.probability,
    signs / augmentation.INTERVAL,
    augmentation.INTERVAL * plan.batch_size,
    plan.augment_target,
    plan.augment_rise,
  )
  return state._replace(
    probability=jnp.where(due, moved, state.probability), signs=jnp.where(due, 0.0, signs)
  )


def _step(plan: Plan, state: State, keys: jax.Array, batch: Batch) -> tuple[State, Metrics]:
  """One step on one device's chunks; keys [4, K]."""
  state, loss, length, norm = _train_generator(plan, state, keys[:2], batch)
  state, parts, slope, judge_norm = _train_discriminator(plan, state, keys[2:], batch)
  metrics = Metrics(
    generator=loss,
    real=parts[0],
    fake=parts[1],
    r1=slope,
    path=length,
    sign_real=parts[2],
    sign_fake=parts[3],
    probability=state.probability,
    gradient=norm + judge_norm,
  )
  state = _augmented(plan, state, parts[2])
  return state._replace(ema=_averaged(plan, state), step=state.step + jnp.int32(1)), metrics


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def step(plan: Plan, mesh: Mesh, state: State, batch: Batch) -> tuple[State, Metrics]:
  """One step.

  Args:
    plan: what is trained, and how.
    mesh: the devices, along the axis 'data'; they divide the chunks.
    state: replicated; given up.
    batch: chunks split over the devices.
  """
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(plan.seed), 1), state.step)
  keys = jax.random.split(key, (4, plan.num_chunks))
  split = PartitionSpec(DEVICES)
  return jax.shard_map(
    functools.partial(_step, plan),
    mesh=mesh,
    in_specs=(PartitionSpec(), PartitionSpec(None, DEVICES), split),
    out_specs=PartitionSpec(),
    check_vma=False,
  )(state, keys, batch)
