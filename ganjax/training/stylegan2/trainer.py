"""One step of StyleGAN2-ADA training, on any number of devices.

A batch consists of *chunks*: as many pictures as share the discriminator's minibatch statistics.
A loss is written for one chunk, whose random numbers depend on the step and on its place in the
batch alone; devices share the chunks, and gradients are averaged over all. So the number of devices
changes nothing but the order of sums.

The host chooses which losses are due, and on accelerators calls one compiled function for each: the
gradient of all chunks, and the update. On a CPU it is one function for each chunk and another for
the update. A loop within a single one would be shorter, but XLA:CPU brings the convolutions of
gradients into a form that it is quick at in a program's outermost computation only: elsewhere they
take twenty times as long. It compiles faster, too.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from ganjax.ops import optimisers
from ganjax.runtime import devices, platforms
from ganjax.training.stylegan2 import augmentation, formulas
from ganjax.training.stylegan2.losses import (
  PATH_DECAY,
  discriminator_loss,
  generator_loss,
  path_length_penalty,
  r1_penalty,
)
from ganjax.training.stylegan2.training_plan import Batch, Params, StyleGAN2Plan, StyleGAN2State

DEVICES = 'data'  # the mesh's axis
ADAM = (0.0, 0.99)
W_AVG_DECAY = 0.995
LOSSES = generator_loss, path_length_penalty, discriminator_loss, r1_penalty
GENERATORS = generator_loss, path_length_penalty  # the generator's losses


def step(
  plan: StyleGAN2Plan, mesh: Mesh, state: StyleGAN2State, batch: Batch, number: int
) -> tuple[StyleGAN2State, dict[str, jax.Array]]:
  """One step.

  Args:
    plan: what is trained, and how.
    mesh: the devices, along the axis 'data'; they divide the chunks.
    state: replicated; given up.
    batch: chunks split over the devices.
    number: steps taken before, which says what penalties are due.

  Returns:
    (state, what was measured); scalars, float32: the adversarial losses 'generator', 'real' and
    'fake'; the mean signs of logits 'sign_real' (r_t) and 'sign_fake'; the augmentation's
    'probability'; 'gradient', the norms of all gradients, added up; and in the steps that use
    them 'path', the mean path length, and 'r1', the mean squared slope at photographs.
  """
  measured: dict[str, jax.Array] = {}
  norms = []
  for loss in LOSSES:
    if _is_due(plan, loss, number):
      take = _take if platforms.is_cpu() else _take_at_once
      state, norm, values = take(plan, mesh, loss, state, batch, number)
      norms.append(norm)
      measured |= values
  measured['gradient'] = functools.reduce(jnp.add, norms)
  state, measured['probability'] = _close(plan, state, number, measured['sign_real'])
  return state, measured


def _is_due(plan: StyleGAN2Plan, loss: Callable, number: int) -> bool:
  if loss is path_length_penalty:
    return plan.path_interval > 0 and number % plan.path_interval == 0
  return loss is not r1_penalty or number % plan.r1_interval == 0


def _take(
  plan: StyleGAN2Plan, mesh: Mesh, loss: Callable, state: StyleGAN2State, batch: Batch, number: int
) -> tuple[StyleGAN2State, jax.Array, dict[str, jax.Array]]:
  """One loss's gradient, and the update by it; as `_learn`."""
  return _learn(plan, loss, state, _results(plan, mesh, loss, state, batch, number))


_take_at_once = jax.jit(_take, static_argnums=(0, 1, 2), donate_argnums=(3,))


def _results(
  plan: StyleGAN2Plan, mesh: Mesh, loss: Callable, state: StyleGAN2State, batch: Batch, number: int
) -> list[Any]:
  """((loss, more), gradient) of equal parts of the batch."""
  count = plan.num_chunks // mesh.size
  together = 1 if platforms.is_cpu() else count  # a CPU's caches hold no more
  return [
    _slope(plan, mesh, loss, together, state, batch, number, first)
    for first in range(0, count, together)
  ]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _slope(plan, mesh, loss, together, state, batch, number, first):
  """((loss, more), gradient), means over the chunks from `first` on of every device."""
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(plan.seed), 1), number)
  keys = jax.random.split(key, (len(LOSSES), plan.num_chunks))[LOSSES.index(loss)]

  def of_device(state, keys, batch):
    def over_chunks(params):
      values = jax.vmap(functools.partial(loss, plan, state, params))((keys, *batch))
      return jax.tree.map(lambda x: jnp.mean(x, axis=0), values)

    keys, batch = jax.tree.map(
      lambda x: jax.lax.dynamic_slice_in_dim(x, first, together), (keys, batch)
    )
    params = state.generator if loss in GENERATORS else state.discriminator
    return devices.mean(jax.value_and_grad(over_chunks, has_aux=True)(params), (DEVICES,))

  split = PartitionSpec(DEVICES)
  return jax.shard_map(
    of_device,
    mesh=mesh,
    in_specs=(PartitionSpec(), split, split),
    out_specs=PartitionSpec(),
    check_vma=False,
  )(state, keys, batch)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def _learn(plan, loss, state, results) -> tuple[StyleGAN2State, jax.Array, dict[str, jax.Array]]:
  """One update of a network; (state, the gradient's norm, what was measured)."""
  (value, more), gradient = jax.tree.map(
    lambda *parts: functools.reduce(jnp.add, parts) / len(parts), *results
  )
  if loss in GENERATORS:
    params, adam = _updated(plan, plan.path_interval, gradient, state.generator, state.adam[0])
    state = state._replace(generator=params, adam=(adam, state.adam[1]))
  else:
    params, adam = _updated(plan, plan.r1_interval, gradient, state.discriminator, state.adam[1])
    state = state._replace(discriminator=params, adam=(state.adam[0], adam))
  if loss is generator_loss:
    state, measured = _with_w_avg(state, more), {'generator': value}
  elif loss is path_length_penalty:
    mean = state.path_mean + PATH_DECAY * (more - state.path_mean)
    state, measured = state._replace(path_mean=mean), {'path': more}
  elif loss is discriminator_loss:
    measured = dict(zip(('real', 'fake', 'sign_real', 'sign_fake'), more, strict=True))
  else:
    measured = {'r1': more}
  return state, optimisers.global_norm(gradient), measured


def _updated(plan: StyleGAN2Plan, interval: int, gradient, params, adam) -> tuple[Params, Any]:
  """One update. A loss with a penalty every `interval` steps takes that many updates and one
  more in as many steps; rate and memory are reduced to match (Karras et al. 2020, appendix B)."""
  share = interval / (interval + 1) if interval else 1.0
  b1, b2 = (b**share for b in ADAM)
  return optimisers.adam_update(gradient, adam, params, plan.learning_rate * share, b1, b2)


def _with_w_avg(state: StyleGAN2State, w: jax.Array) -> StyleGAN2State:
  """The state after mean w of a step."""
  old = state.buffers['mapping']
  w_avg = W_AVG_DECAY * old['w_avg'] + (1 - W_AVG_DECAY) * w
  return state._replace(buffers={**state.buffers, 'mapping': {**old, 'w_avg': w_avg}})


@functools.partial(jax.jit, static_argnums=(0,), donate_argnums=(1,))
def _close(plan, state, number, sign) -> tuple[StyleGAN2State, jax.Array]:
  """The end of a step whose r_t was `sign`; (state, the augmentation's probability in it)."""
  probability = state.probability
  state = state._replace(ema=_averaged(plan, state, number))
  return _augmented(plan, state, number, sign), probability


def _averaged(plan: StyleGAN2Plan, state: StyleGAN2State, number: jax.Array) -> Params:
  """The moving average of the generator after a step."""
  shown = (number.astype(jnp.float32) + 1.0) * plan.batch_size
  keep = formulas.ema_decay(shown, plan.batch_size, plan.ema_half_life, plan.ema_ramp_up)
  return jax.tree.map(lambda e, p: p + keep * (e - p), state.ema, state.generator)


def _augmented(
  plan: StyleGAN2Plan, state: StyleGAN2State, number: jax.Array, sign: jax.Array
) -> StyleGAN2State:
  """The state with the augmentation's probability after a step whose r_t was `sign`."""
  signs = state.signs + sign
  if not plan.augment or plan.augment_target is None:
    return state
  due = (number + 1) % augmentation.INTERVAL == 0
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
