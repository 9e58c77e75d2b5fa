"""One step of StyleGAN2-ADA training, on any number of devices.

A batch consists of *chunks*: as many pictures as share the discriminator's minibatch statistics.
A loss is written for one chunk, whose random numbers depend on the step and on its place in the
batch alone; chunks are mapped on a device (one after another on a CPU, whose caches hold no more),
devices by `shard_map`, and gradients are averaged by `pmean`. So the number of devices changes
nothing but the order of sums.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from ganjax.adversarial import augmentation, losses
from ganjax.models.config import DiscriminatorConfig, GeneratorConfig
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator, Noise

DEVICES = 'data'  # the mesh's axis
ADAM = (0.0, 0.99)
PATH_DECAY = 0.01  # share of a step's path lengths in their running mean
PATH_SHARE = 2  # one picture in so many has its path length measured
W_AVG_DECAY = 0.995
_BUFFERS = ('noise_const', 'w_avg')  # parameters that no gradient trains

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Plan:
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
  dtype: Any = jnp.float32  # of the convolutions

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


class State(NamedTuple):
  """Where training stands; nothing else is needed to go on."""

  generator: Params
  discriminator: Params
  ema: Params  # exponential moving average of `generator`
  buffers: Params  # the generator's w_avg and constant noise maps
  adam: tuple[optax.OptState, optax.OptState]  # generator's, discriminator's
  path_mean: jax.Array  # running mean of path lengths
  probability: jax.Array  # of each augmentation
  signs: jax.Array  # sum of the signs of logits on photographs since p last moved
  step: jax.Array  # int32, steps taken


class Metrics(NamedTuple):
  """What one step measured; scalars, float32; NaN for what this step left out."""

  generator: jax.Array  # the adversarial losses
  real: jax.Array
  fake: jax.Array
  r1: jax.Array  # mean squared slope at photographs
  path: jax.Array  # mean path length
  sign_real: jax.Array  # mean signs of logits: r_t, and that of generated pictures
  sign_fake: jax.Array
  probability: jax.Array  # of each augmentation
  gradient: jax.Array  # norms of all gradients, added up


def _is_trained(path, value) -> bool:
  return isinstance(value, nnx.Param) and path[-1] not in _BUFFERS


@functools.cache
def _graphs(plan: Plan):
  generator, *_ = nnx.split(Generator(plan.generator, plan.dtype), _is_trained, ...)
  discriminator, *_ = nnx.split(Discriminator(plan.discriminator, plan.dtype), _is_trained, ...)
  return generator, discriminator


def randomised(module: nnx.Module, key: jax.Array):
  """`module`, new, with the weights that training starts from: N(0, 1) over the rate multiplier."""
  found = [
    (parameter, getattr(layer, 'lr_multiplier', 1.0))
    for _, layer in nnx.iter_modules(module)
    for name in ('weight', 'const', 'noise_const')
    if isinstance(parameter := getattr(layer, name, None), nnx.Param)
  ]
  values = _normals(key, [parameter.shape for parameter, _ in found])
  for (parameter, multiplier), value in zip(found, values, strict=True):
    parameter[...] = value / multiplier
  return module


def _normals(key: jax.Array, shapes: list[tuple[int, ...]]) -> list[jax.Array]:
  """Standard normal arrays, of one draw: each draw of its own would take a second to compile."""
  sizes = [math.prod(shape) for shape in shapes]
  flat = jax.random.normal(key, (sum(sizes),))
  parts = jnp.split(flat, list(itertools.accumulate(sizes))[:-1])
  return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def init(
  plan: Plan,
  generator: Generator | None = None,
  discriminator: Discriminator | None = None,
  probability: float = 0.0,
) -> State:
  """The start: given networks of the plan's architectures, or random ones."""
  key = jax.random.fold_in(jax.random.key(plan.seed), 0)
  keys = jax.random.split(key)
  generator = generator or randomised(Generator(plan.generator), keys[0])
  discriminator = discriminator or randomised(Discriminator(plan.discriminator), keys[1])
  trained, buffers = _split(generator)
  judge, _ = _split(discriminator)
  adam = _adam(1.0)
  return State(
    generator=trained,
    discriminator=judge,
    ema=jax.tree.map(jnp.copy, trained),
    buffers=buffers,
    adam=(adam.init(trained), adam.init(judge)),
    path_mean=jnp.float32(0),
    probability=jnp.float32(probability),
    signs=jnp.float32(0),
    step=jnp.int32(0),
  )


def _split(module: nnx.Module) -> tuple[Params, Params]:
  """(what is trained, the rest), copied."""
  _, params, *rest = nnx.split(module, _is_trained, ...)
  return jax.tree.map(jnp.array, (nnx.to_pure_dict(params), nnx.to_pure_dict(rest[0])))


def networks(plan: Plan, state: State) -> tuple[Generator, Discriminator]:
  """The averaged generator and the discriminator as modules."""
  graph, judge = _graphs(plan)
  return nnx.merge(graph, state.ema, state.buffers), nnx.merge(judge, state.discriminator, {})


def measured(plan: Plan, metrics: Metrics, number: int) -> dict[str, jax.Array]:
  """What step `number`, counted from 0, measured.""" ''
  values = metrics._asdict()
  if number % plan.r1_interval:
    del values['r1']
  if not plan.path_interval or number % plan.path_interval:
    del values['path']
  return values


# The losses of one chunk. Their last argument is (key, photographs, labels).


class _Drawn(NamedTuple):
  """The random numbers behind generated pictures, [C] leading."""

  z: jax.Array  # [C, 2, z_dim]
  cut: jax.Array  # [C]: the rows from here on take the second z's style
  noise: Noise  # maps, [C, size, size]


def _draw(plan: Plan, generator: Generator, key: jax.Array, count: int) -> _Drawn:
  rows = plan.generator.num_ws
  maps = generator.synthesis.noise_const()
  z, mixed, cut, noise = jax.random.split(key, 4)
  cuts = jax.random.randint(cut, (count,), 1, rows)
  mixes = jax.random.uniform(mixed, (count,)) < plan.style_mixing
  return _Drawn(
    jax.random.normal(z, (count, 2, plan.generator.z_dim)),
    jnp.where(mixes, cuts, rows),
    dict(zip(maps, _normals(noise, [(count, *x.shape) for x in maps.values()]), strict=True)),
  )


def _rows(plan: Plan, generator: Generator, drawn: _Drawn, label) -> tuple[jax.Array, jax.Array]:
  """(ws, w) of one image: its rows, of two styles, and the first style."""
  first, second = (generator.mapping.w(drawn.z[i], label) for i in range(2))
  own = jnp.arange(plan.generator.num_ws) < drawn.cut
  return jnp.where(own[:, None], first[None], second[None]), first


def _generated(plan: Plan, generator: Generator, key, labels) -> tuple[jax.Array, jax.Array]:
  """A chunk of pictures, and the mean of their w."""

  def one(drawn, label):
    ws, w = _rows(plan, generator, drawn, label)
    return generator.synthesis(ws, drawn.noise), w

  images, w = jax.vmap(one)(_draw(plan, generator, key, plan.chunk_size), labels)
  return images, jnp.mean(w, axis=0)


def _photographs(plan: Plan, key, pixels) -> jax.Array:
  """A chunk of photographs as floats, mirrored at random."""
  images = pixels.astype(jnp.float32) / 127.5 - 1.0
  if not plan.mirror:
    return images
  flip = jax.random.bernoulli(key, shape=(plan.chunk_size, 1, 1, 1))
  return jnp.where(flip, images[:, :, ::-1], images)


def _seen(plan: Plan, key, images, probability) -> jax.Array:
  """What the discriminator sees of a chunk."""
  if not plan.augment:
    return images
  keys = jax.random.split(key, plan.chunk_size)
  return jax.vmap(lambda key, image: augmentation.augment(key, image, probability))(keys, images)


def _fool(plan: Plan, state: State, params, chunk):
  """The generator's loss; also the mean w."""
  key, _, labels = chunk
  graph, judge = _graphs(plan)
  draw, change = jax.random.split(key)
  images, w = _generated(plan, nnx.merge(graph, params, state.buffers), draw, labels)
  images = _seen(plan, change, images, state.probability)
  logits = nnx.merge(judge, state.discriminator, {}).logits(images, labels)
  return losses.convinced(logits), w


def _paths(plan: Plan, state: State, params, chunk):
  """The path length penalty, times its interval; also the mean path length."""
  key, _, labels = chunk
  generator = nnx.merge(_graphs(plan)[0], params, state.buffers)
  draw, direct = jax.random.split(key)
  count = max(plan.chunk_size // PATH_SHARE, 1)
  side = plan.generator.resolution
  directions = jax.random.normal(direct, (count, side, side, plan.generator.img_channels))

  def one(drawn, direction, label):
    ws, _ = _rows(plan, generator, drawn, label)
    return losses.path_length(lambda ws: generator.synthesis(ws, drawn.noise), ws, direction)

  labels = jax.tree.map(lambda x: x[:count], labels)
  lengths = jax.vmap(one)(_draw(plan, generator, draw, count), directions, labels)
  mean = jnp.mean(lengths)
  target = state.path_mean + PATH_DECAY * (jax.lax.stop_gradient(mean) - state.path_mean)
  penalty = jnp.mean(jnp.square(lengths - target))
  return penalty * (plan.path_weight * plan.path_interval), mean


def _judge(plan: Plan, state: State, params, chunk):
  """The discriminator's loss; also its parts, and the mean signs of its logits."""
  key, pixels, labels = chunk
  graph, judge = _graphs(plan)
  draw, mirror, change, change_real = jax.random.split(key, 4)
  discriminator = nnx.merge(judge, params, {})
  generator = nnx.merge(graph, state.generator, state.buffers)
  images, _ = _generated(plan, generator, draw, labels)
  images = _seen(plan, change, jax.lax.stop_gradient(images), state.probability)
  photographs = _seen(plan, change_real, _photographs(plan, mirror, pixels), state.probability)
  fake = discriminator.logits(images, labels)
  real = discriminator.logits(photographs, labels)
  parts = losses.convinced(real), losses.unconvinced(fake)
  return sum(parts), jnp.stack([*parts, jnp.mean(jnp.sign(real)), jnp.mean(jnp.sign(fake))])


def _slopes(plan: Plan, state: State, params, chunk):
  """The R1 penalty, times its interval; also the mean squared slope."""
  key, pixels, labels = chunk
  discriminator = nnx.merge(_graphs(plan)[1], params, {})
  mirror, change = jax.random.split(key)

  def score(images):
    return discriminator.logits(_seen(plan, change, images, state.probability), labels)

  mean = jnp.mean(losses.r1(score, _photographs(plan, mirror, pixels)))
  return mean * (plan.r1_gamma / 2 * plan.r1_interval), mean


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
  return jax.lax.pmean(mean, DEVICES)


def _adam(share: float) -> optax.GradientTransformation:
  """Adam that forgets `share` times as much per update."""
  return optax.scale_by_adam(ADAM[0] ** share, ADAM[1] ** share, eps=1e-8)


def _updated(plan: Plan, interval: int, gradient, params, adam) -> tuple[Params, Any]:
  """One update. A loss with a penalty every `interval` steps takes that many updates and one
  more in as many steps; rate and memory are reduced to match (Karras et al. 2020, appendix B)."""
  share = interval / (interval + 1) if interval else 1.0
  with jax.numpy_dtype_promotion('standard'):  # optax raises a float to an integer step
    update, adam = _adam(share).update(gradient, adam)
  rate = plan.learning_rate * share
  return jax.tree.map(lambda p, u: p - rate * u, params, update), adam


def _train_generator(plan: Plan, state: State, keys, batch: Batch):
  """The generator's updates; (state, adversarial loss, path length, norm)."""
  (loss, w), gradient = _mean_gradient(
    functools.partial(_fool, plan, state), state.generator, (keys[0], *batch)
  )
  norm = optax.tree.norm(gradient)
  generator, adam = _updated(plan, plan.path_interval, gradient, state.generator, state.adam[0])
  old = state.buffers['mapping']
  w_avg = W_AVG_DECAY * old['w_avg'] + (1 - W_AVG_DECAY) * w
  buffers = {**state.buffers, 'mapping': {**old, 'w_avg': w_avg}}
  state = state._replace(generator=generator, adam=(adam, state.adam[1]), buffers=buffers)
  if not plan.path_interval:
    return state, loss, jnp.float32(jnp.nan), norm

  def shorten(state):
    (_, length), gradient = _mean_gradient(
      functools.partial(_paths, plan, state), state.generator, (keys[1], *batch)
    )
    generator, adam = _updated(plan, plan.path_interval, gradient, state.generator, state.adam[0])
    mean = state.path_mean + PATH_DECAY * (length - state.path_mean)
    changed = state._replace(generator=generator, adam=(adam, state.adam[1]), path_mean=mean)
    return changed, length, norm + optax.tree.norm(gradient)

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
    functools.partial(_judge, plan, state), state.discriminator, (keys[0], *batch)
  )
  norm = optax.tree.norm(gradient)
  params, adam = _updated(plan, plan.r1_interval, gradient, state.discriminator, state.adam[1])
  state = state._replace(discriminator=params, adam=(state.adam[0], adam))

  def flatten(state):
    (_, slope), gradient = _mean_gradient(
      functools.partial(_slopes, plan, state), state.discriminator, (keys[1], *batch)
    )
    params, adam = _updated(plan, plan.r1_interval, gradient, state.discriminator, state.adam[1])
    changed = state._replace(discriminator=params, adam=(state.adam[0], adam))
    return changed, slope, norm + optax.tree.norm(gradient)

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
