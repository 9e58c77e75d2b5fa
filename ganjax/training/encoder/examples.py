"""What an encoder makes of a few faces: a sheet to look at, and figures."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.models.encoder import Observation, observation
from ganjax.ops.resize import resize
from ganjax.pixels import to_bytes, to_float
from ganjax.runtime.mapping import map_images
from ganjax.training.encoder import damage, losses
from ganjax.training.encoder.plan import EncoderPlan, Params, encoder
from ganjax.training.encoder.trainer import Shared
from ganjax.training.stylegan2 import sample_sheets


class Looked(NamedTuple):
  """What was seen."""

  sheet: np.ndarray  # uint8; rows: clean, what the encoder makes of it, degraded, likewise
  # 'psnr' of what is made of clean faces and 'psnr_degraded', dB, means over the faces; 'psnr_mean'
  # of the mean of all faces, from which searches begin without an encoder.
  measured: dict[str, jax.Array]


def look(
  plan: EncoderPlan, shared: Shared, params: Params, photos: np.ndarray | None, count: int
) -> Looked:
  """Encodes faces as they are, and degraded at random; always in the same way.

  Args:
    plan: of the training.
    shared: the fixed networks.
    params: the encoder's.
    photos: uint8 [count, H, H, 3]; None for samples of the generator.
    count: how many faces.
  """
  # Each face's own key and that of its damage.
  keys = jax.random.split(jax.random.key(plan.seed + 1), (2, count))
  images, measured = _look(plan, shared, params, photos, keys)
  pixels = to_bytes(np.asarray(images))
  sheet = sample_sheets.sheet(list(pixels.reshape(-1, *pixels.shape[2:])), count)
  return Looked(sheet, jax.device_get(measured))


@functools.partial(jax.jit, static_argnums=(0,))
def _look(plan, shared, params, photos, keys):
  network = encoder(plan, params, shared.statistics)
  prior = shared.prior
  if photos is None:
    clean = map_images(functools.partial(losses.sample, prior, network), keys[0]).image
  else:
    clean = to_float(photos)

  side, names = plan.encoder.side, plan.encoder.told

  def as_it_is(image: jax.Array) -> Observation:
    return observation(image, jnp.ones((*image.shape[:2], 1)), jnp.zeros(len(names)), side)

  def made(seen: Observation) -> jax.Array:
    rows = jax.vmap(network)(seen).rows
    return map_images(lambda x: losses.rendered(prior, network, x), rows)

  def psnr(image: jax.Array) -> jax.Array:
    squared = jnp.square(jnp.clip(image, -1, 1) - clean)
    return jnp.mean(-10 * jnp.log10(jnp.mean(squared, axis=(1, 2, 3)) / 4))

  observe = functools.partial(damage.observe, side=side, names=names)
  seen = map_images(observe, clean, keys[1])
  whole, degraded = made(jax.vmap(as_it_is)(clean)), made(seen)
  mean = losses.rendered(prior, network, jnp.zeros((plan.encoder.num_ws, plan.encoder.w_dim)))
  measured = {
    'psnr': psnr(whole),
    'psnr_degraded': psnr(degraded),
    'psnr_mean': psnr(jnp.broadcast_to(mean, clean.shape)),
  }
  enlarged = jax.vmap(lambda x: resize(x, *clean.shape[1:3]))(seen.image)
  return jnp.stack([clean, whole, enlarged, degraded]), measured
