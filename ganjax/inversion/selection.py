"""Several inversions of one image in one batch: restarts, and a grid of latent weights."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.choices import WEIGHT_GRID
from ganjax.degradations import Pipeline
from ganjax.inversion import encoding, stylegan
from ganjax.inversion.presets import Preset
from ganjax.inversion.problem import Prior, Problem
from ganjax.models.encoder import Encoder
from ganjax.runtime.mapping import map_images
from ganjax.runtime.sharding import pad, shard_images

# Of `select_weight`; the middle of what chose well on eight training photos in six tasks.
TARGET_DISTANCE, MISFIT_TOLERANCE = 0.4, 1.1
START_PSI = 0.7  # how far from w_avg restarts begin; 1 is as far as samples lie


def restarts(
  prior: Prior, problem: Problem, count: int, encoder: Encoder | None = None
) -> list[Problem]:
  """The problem itself, and others that start elsewhere.

  Args:
    prior: whose mapping network makes the starts where there is no encoder: random faces.
    problem: one image.
    count: how many in all, with the first.
    encoder: from which the problem's start is, and which knows how uncertain that is.
  """
  found = [problem]
  for index in range(1, count):
    key = jax.random.fold_in(problem.key, 1000 + index)
    z_key, label_key, own_key = jax.random.split(key, 3)
    if encoder is None:
      start = _random_face(prior, z_key, label_key)
    else:
      start = _drawn(prior, encoder, problem, z_key)
    found.append(problem._replace(start=start, key=own_key))
  return found


def _random_face(prior: Prior, z_key: jax.Array, label_key: jax.Array) -> jax.Array:
  """A w [w_dim] that is somewhat truncated."""
  mapping = prior.generator.mapping
  z = jax.random.normal(z_key, (mapping.z_dim,), jnp.float32)
  w = mapping.w(z, mapping.random_label(label_key))
  return prior.w_avg + START_PSI * (w - prior.w_avg)


def _drawn(prior: Prior, encoder: Encoder, problem: Problem, key: jax.Array) -> jax.Array:
  """Rows of W+ [num_ws, w_dim] that an encoder takes for possible."""
  side = prior.generator.config.resolution
  assert isinstance(problem.degradation, Pipeline)
  seen = problem.target, problem.visible, problem.degradation
  return encoding.drawn_start(encoder, side, *seen, key)


def with_weights(problem: Problem, weights: Sequence[float] = WEIGHT_GRID) -> list[Problem]:
  """The problem with each of several values of latent_dist_reg_weight."""
  return [
    problem._replace(hyper=problem.hyper._replace(latent_dist_reg_weight=jnp.float32(weight)))
    for weight in weights
  ]


def misfits(
  prior: Prior, preset: Preset, problems: Problem, images: np.ndarray | jax.Array
) -> np.ndarray:
  """`engine.misfit` of each image of a batch, [N, H, W, 3] -> [N]."""
  batch = pad((problems, jnp.asarray(images)))
  return np.asarray(_misfits(prior, preset, *batch))[: len(images)]


@functools.partial(jax.jit, static_argnums=(1,))
def _misfits(prior, preset, problems, images):
  def function(prior, problems, images):
    return map_images(functools.partial(stylegan.misfit, prior, preset), problems, images)

  return shard_images(function, prior, problems, images)


def select_weight(prior: Prior, latents: np.ndarray | jax.Array, misfits: np.ndarray) -> int:
  """Selects the latent weight whose inversion is the best estimate; needs no ground truth.

  A larger weight draws the latent to w_avg; with too small a one it leaves the distribution of
  faces, to fit what the degradation left. Samples have mean((w − w_avg)²) = w_std² / w_dim. The
  posterior mean of the faces that explain an image lies nearer, with a smaller error than any of
  them, so the weight is selected whose latent comes nearest, by the ratio, to `TARGET_DISTANCE`
  times that. The better an image is determined, the less this shrinkage is justified: weights are
  left out whose misfit exceeds `MISFIT_TOLERANCE` times the second smallest one.

  Args:
    prior: whose samples faces are compared with.
    latents: of the inversions with each weight, [len(weights), ..., w_dim].
    misfits: theirs, [len(weights)].

  Returns:
    The weight's index.
  """
  away = np.asarray(latents) - np.asarray(prior.w_avg)
  distance = np.mean(np.square(away), axis=tuple(range(1, away.ndim)))
  hedged = TARGET_DISTANCE * float(prior.w_std) ** 2 / prior.w_avg.shape[-1]
  off = np.abs(np.log(distance + 1e-12) - np.log(hedged))
  return int(np.argmin(np.where(misfits <= MISFIT_TOLERANCE * np.sort(misfits)[1], off, np.inf)))


def deviation(images: np.ndarray) -> np.ndarray:
  """How much restarts disagree: the standard deviation per pixel, [R, H, W, 3] -> [H, W].

  In units of the [0, 1] range, the root mean square over the channels. Where it is large the
  prior invents: the image does not say what is there.
  """
  return np.sqrt(np.mean(np.var(np.asarray(images) / 2, axis=0), axis=-1))
