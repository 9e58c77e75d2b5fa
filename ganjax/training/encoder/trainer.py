"""One step of an encoder's training, on any number of devices.

The generator and the perceptual distance are fixed: gradients of images are taken by the latents
alone, one image after another where that is quickest (`runtime.mapping`), and then carried through
the encoder for a device's whole batch.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from ganjax.inversion.problem import Prior
from ganjax.models.encoder import Encoded
from ganjax.models.layers import freeze
from ganjax.ops import optimisers
from ganjax.pixels import to_float
from ganjax.runtime import devices
from ganjax.runtime.mapping import map_images
from ganjax.training.encoder import damage, losses
from ganjax.training.encoder.plan import EncoderPlan, EncoderState, Statistics, encoder

DEVICES = 'data'  # the mesh's axis
WARM_UP = 0.02  # share of the steps in which the learning rate rises

# What a step measures before it changes anything; all unweighted but 'loss' and the rate.
MEASURED = ('loss', 'latent', 'pixel', 'perceptual', 'consistency', 'gradient', 'learning_rate')


class Shared(NamedTuple):
  """What is the same in every step; replicated."""

  prior: Prior
  statistics: Statistics


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(3,))
def step(
  plan: EncoderPlan, mesh: Mesh, shared: Shared, state: EncoderState, photos: jax.Array
) -> tuple[EncoderState, dict[str, jax.Array]]:
  """One step; an image's randomness depends on the step and its place in the batch alone.

  Args:
    plan: what is trained, and how.
    mesh: the devices, along the axis 'data'.
    shared: the fixed networks.
    state: replicated; given up.
    photos: uint8 [plan.photos, H, H, 3], split over the devices; clean crops.

  Returns:
    (state, what was measured), by MEASURED.
  """
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(plan.seed), 1), state.step)
  counts = plan.photos, plan.rendered, plan.samples - plan.rendered
  # Of each face: what it is drawn from (or mirrored by), and what happens to it.
  keys = [jax.random.split(jax.random.fold_in(key, i), (n, 2)) for i, n in enumerate(counts)]
  split = PartitionSpec(DEVICES)
  return jax.shard_map(
    functools.partial(_step, plan, mesh.size),
    mesh=mesh,
    in_specs=(PartitionSpec(), PartitionSpec(), split, split),
    out_specs=PartitionSpec(),
    check_vma=False,
  )(shared, state, photos, keys)


def _step(plan, num_devices, shared, state, photos, keys):
  """One step on one device's share of the batch."""
  prior = jax.tree.map(freeze, shared.prior, is_leaf=lambda x: isinstance(x, nnx.Module))
  shared = shared._replace(prior=prior)
  # Compared images come first, so that they are one slice: photos, then samples.
  own, *of_samples = jax.tree.map(lambda x: x[:, 0], keys)
  network = encoder(plan, state.params, shared.statistics)
  samples = map_images(
    functools.partial(losses.sample, prior, network), jnp.concatenate(of_samples)
  )
  images = jnp.concatenate([_mirrored(photos, own), samples.image])
  damages = jnp.concatenate([x[:, 1] for x in keys])
  (loss, measured), gradient = _gradient(
    plan, num_devices, shared, state.params, images, samples.rows, damages
  )
  gradient, measured = devices.mean((gradient, (loss, *measured)), (DEVICES,))
  rate = _learning_rate(plan, state.step)
  params, adam = optimisers.adam_update(gradient, state.adam, state.params, rate)
  count = state.step.astype(jnp.float32)
  keep = jnp.minimum(plan.ema_decay, (1.0 + count) / (10.0 + count))
  ema = jax.tree.map(lambda e, p: e + (1.0 - keep) * (p - e), state.ema, params)
  new = EncoderState(params, ema, adam, state.step + jnp.int32(1))
  values = [*measured, optimisers.global_norm(gradient), rate]
  return new, dict(zip(MEASURED, values, strict=True))


def _mirrored(photos: jax.Array, keys: jax.Array) -> jax.Array:
  """Photos as floats, every other one mirrored."""
  images = to_float(photos)
  flips = jax.vmap(jax.random.bernoulli)(keys)
  return jnp.where(flips[:, None, None, None], images[:, :, ::-1], images)


def _gradient(plan, num_devices, shared, params, images, truth, keys):
  """((loss, (latent, pixel, perceptual, consistency)), its gradient by the parameters)."""
  photos = plan.photos // num_devices
  compared = photos + plan.rendered // num_devices
  observe = functools.partial(damage.observe, side=plan.encoder.side, names=plan.encoder.told)
  seen = map_images(observe, images, keys)

  def encode(params) -> Encoded:
    return jax.vmap(encoder(plan, params, shared.statistics))(seen)

  def of_latents(encoded: Encoded):
    own = jax.tree.map(lambda x: x[photos:], encoded)
    likelihood, squared = jax.vmap(losses.latent_loss)(own, truth)
    free = encoded.rows[:photos]
    prior = jnp.sum(jnp.mean(jnp.square(free), axis=(1, 2))) / max(photos, 1)
    rows = jnp.mean(jax.vmap(losses.spread)(free)) if photos else jnp.float32(0)
    loss = plan.latent_weight * jnp.mean(likelihood)
    loss += plan.prior_weight * prior + plan.spread_weight * rows
    return loss, jnp.mean(squared)

  def of_image(rows, image, seen, key):
    network = encoder(plan, params, shared.statistics)
    found = losses.compare(shared.prior, network, rows, image, seen, key)
    return losses.weighted(plan, found), found

  encoded, pull = jax.vjp(encode, params)
  (loss, squared), slope = jax.value_and_grad(of_latents, has_aux=True)(encoded)
  first = jax.tree.map(lambda x: x[:compared], (encoded.rows, images, seen, keys))
  found = losses.Compared(*[jnp.float32(0)] * 3)
  if compared:
    (values, each), slopes = map_images(jax.value_and_grad(of_image, has_aux=True), *first)
    loss += jnp.mean(values)
    found = jax.tree.map(jnp.mean, each)
    slope = slope._replace(rows=slope.rows.at[:compared].add(slopes / compared))
  return (loss, (squared, *found)), pull(slope)[0]


def _learning_rate(plan: EncoderPlan, step: jax.Array) -> jax.Array:
  """A short rise, then half a cosine down to 0 at the end."""
  taken = step.astype(jnp.float32)
  done = taken / plan.num_steps
  warm = jnp.minimum((taken + 1) / max(1.0, WARM_UP * plan.num_steps), 1.0)
  return plan.learning_rate * warm * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(done, 1.0)))
