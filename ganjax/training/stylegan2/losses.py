"""The four losses of StyleGAN2-ADA, each of one chunk of pictures.

`fool` and `paths` are the generator's, `tell_apart` and `slopes` the discriminator's. They take the
plan, the state, the parameters that they are differentiated by, and a chunk (key, photographs,
labels), and return (loss, what else was measured). A penalty comes times its interval, since it is
used once in so many steps.
"""

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from ganjax.models.generator import Generator, Noise
from ganjax.pixels import to_float
from ganjax.training.stylegan2 import augmentation, formulas
from ganjax.training.stylegan2.training_plan import StyleGAN2Plan, StyleGAN2State, graphs

PATH_DECAY = 0.01  # share of a step's path lengths in their running mean
PATH_SHARE = 2  # one picture in so many has its path length measured


class Drawn(NamedTuple):
  """The random numbers behind generated pictures, [C] leading."""

  z: jax.Array  # [C, 2, z_dim]
  cut: jax.Array  # [C]: the rows from here on take the second z's style
  noise: Noise  # maps, [C, size, size]


def draw_latents(plan: StyleGAN2Plan, generator: Generator, key: jax.Array, count: int) -> Drawn:
  rows = plan.generator.num_ws
  maps = generator.synthesis.noise_const()
  z, mixed, cut, noise = jax.random.split(key, 4)
  cuts = jax.random.randint(cut, (count,), 1, rows)
  mixes = jax.random.uniform(mixed, (count,)) < plan.style_mixing
  return Drawn(
    jax.random.normal(z, (count, 2, plan.generator.z_dim)),
    jnp.where(mixes, cuts, rows),
    dict(zip(maps, _normals(noise, [(count, *x.shape) for x in maps.values()]), strict=True)),
  )


def _normals(key: jax.Array, shapes: list[tuple[int, ...]]) -> list[jax.Array]:
  """Standard normal arrays, of one draw: each draw of its own would take a second to compile."""
  sizes = [math.prod(shape) for shape in shapes]
  flat = jax.random.normal(key, (sum(sizes),))
  parts = jnp.split(flat, list(itertools.accumulate(sizes))[:-1])
  return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _rows(
  plan: StyleGAN2Plan, generator: Generator, drawn: Drawn, label
) -> tuple[jax.Array, jax.Array]:
  """(ws, w) of one image: its rows, of two styles, and the first style."""
  first, second = (generator.mapping.w(drawn.z[i], label) for i in range(2))
  own = jnp.arange(plan.generator.num_ws) < drawn.cut
  return jnp.where(own[:, None], first[None], second[None]), first


def _generated(
  plan: StyleGAN2Plan, generator: Generator, key, labels
) -> tuple[jax.Array, jax.Array]:
  """A chunk of pictures, and the mean of their w."""

  def one(drawn, label):
    ws, w = _rows(plan, generator, drawn, label)
    return generator.synthesis(ws, drawn.noise), w

  images, w = jax.vmap(one)(draw_latents(plan, generator, key, plan.chunk_size), labels)
  return images, jnp.mean(w, axis=0)


def _photographs(plan: StyleGAN2Plan, key, pixels) -> jax.Array:
  """A chunk of photographs as floats, mirrored at random."""
  images = to_float(pixels)
  if not plan.mirror:
    return images
  flip = jax.random.bernoulli(key, shape=(plan.chunk_size, 1, 1, 1))
  return jnp.where(flip, images[:, :, ::-1], images)


def _seen(plan: StyleGAN2Plan, key, images, probability) -> jax.Array:
  """What the discriminator sees of a chunk."""
  if not plan.augment:
    return images
  keys = jax.random.split(key, plan.chunk_size)
  return jax.vmap(lambda key, image: augmentation.augment(key, image, probability))(keys, images)


def generator_loss(plan: StyleGAN2Plan, state: StyleGAN2State, params, chunk):
  """The generator's loss; also the mean w."""
  key, _, labels = chunk
  graph, judge = graphs(plan)
  draw, change = jax.random.split(key)
  images, w = _generated(plan, nnx.merge(graph, params, state.buffers), draw, labels)
  images = _seen(plan, change, images, state.probability)
  logits = nnx.merge(judge, state.discriminator, {}).logits(images, labels)
  return formulas.real_loss(logits), w


def path_length_penalty(plan: StyleGAN2Plan, state: StyleGAN2State, params, chunk):
  """The path length penalty, times its interval; also the mean path length."""
  key, _, labels = chunk
  generator = nnx.merge(graphs(plan)[0], params, state.buffers)
  draw, direct = jax.random.split(key)
  count = max(plan.chunk_size // PATH_SHARE, 1)
  side = plan.generator.resolution
  directions = jax.random.normal(direct, (count, side, side, plan.generator.img_channels))

  def one(drawn, direction, label):
    ws, _ = _rows(plan, generator, drawn, label)
    return formulas.path_length(lambda ws: generator.synthesis(ws, drawn.noise), ws, direction)

  labels = jax.tree.map(lambda x: x[:count], labels)
  lengths = jax.vmap(one)(draw_latents(plan, generator, draw, count), directions, labels)
  mean = jnp.mean(lengths)
  target = state.path_mean + PATH_DECAY * (jax.lax.stop_gradient(mean) - state.path_mean)
  penalty = jnp.mean(jnp.square(lengths - target))
  return penalty * (plan.path_weight * plan.path_interval), mean


def discriminator_loss(plan: StyleGAN2Plan, state: StyleGAN2State, params, chunk):
  """The discriminator's loss; also its parts, and the mean signs of its logits."""
  key, pixels, labels = chunk
  graph, judge = graphs(plan)
  draw, mirror, change, change_real = jax.random.split(key, 4)
  discriminator = nnx.merge(judge, params, {})
  generator = nnx.merge(graph, state.generator, state.buffers)
  images, _ = _generated(plan, generator, draw, labels)
  images = _seen(plan, change, jax.lax.stop_gradient(images), state.probability)
  photographs = _seen(plan, change_real, _photographs(plan, mirror, pixels), state.probability)
  fake = discriminator.logits(images, labels)
  real = discriminator.logits(photographs, labels)
  parts = formulas.real_loss(real), formulas.fake_loss(fake)
  return sum(parts), jnp.stack([*parts, jnp.mean(jnp.sign(real)), jnp.mean(jnp.sign(fake))])


def r1_penalty(plan: StyleGAN2Plan, state: StyleGAN2State, params, chunk):
  """The R1 penalty, times its interval; also the mean squared slope."""
  key, pixels, labels = chunk
  discriminator = nnx.merge(graphs(plan)[1], params, {})
  mirror, change = jax.random.split(key)

  def score(images):
    return discriminator.logits(_seen(plan, change, images, state.probability), labels)

  mean = jnp.mean(formulas.gradient_penalty(score, _photographs(plan, mirror, pixels)))
  return mean * (plan.r1_gamma / 2 * plan.r1_interval), mean
