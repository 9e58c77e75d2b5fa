"""The inversion engine: one image's optimisation, mapped over batches and devices once.

`init` and `step` are written for one image and know nothing of batches. `run` maps them: on
accelerators by `vmap`, on a CPU image by image (where batching gains nothing), and over the local
devices by `shard_map`. Images never influence each other.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import PartitionSpec

from ganjax import degradations
from ganjax.inversion import objective, schedules, spaces
from ganjax.inversion.perceptual import Perceptual
from ganjax.inversion.presets import Hyper, Preset
from ganjax.models.generator import Generator, Noise
from ganjax.models.layers import freeze

CHUNK_STEPS = 50
SETTLED_WITHIN = 0.01


class Prior(NamedTuple):
  """What every image of a run shares: the networks and the statistics of W."""

  generator: Generator
  perceptual: Perceptual
  w_avg: jax.Array  # [w_dim]
  w_std: jax.Array  # scalar


class Problem(NamedTuple):
  """One image to explain."""

  target: jax.Array  # [h, w, 3] in [-1, 1], as `degradation` gives it
  visible: jax.Array  # [h, w, 1], 0 in holes
  degradation: degradations.Operator  # applied to what is synthesised
  hyper: Hyper
  key: jax.Array


class State(NamedTuple):
  """Where one image's optimisation stands."""

  latent: jax.Array
  noise: Noise
  adam: optax.OptState
  step: jax.Array  # int32


class Restoration(NamedTuple):
  """What came out; with a leading axis [N] for a batch."""

  image: jax.Array  # [H, W, 3], nominally in [-1, 1]
  latent: jax.Array  # [1, w_dim], [num_ws, w_dim] or [num_ws, C_max, w_dim]
  noise: Noise  # the noise maps that belong to it
  loss: np.ndarray  # [num_steps]
  terms: objective.Terms  # its summands, [num_steps] each
  settled_at: np.ndarray  # first step after which the loss stays within 1 % of its final value


def image_key(seed: int, name: str) -> jax.Array:
  """An image's random key: from the seed and its name alone, whatever its place in a batch."""
  digest = hashlib.sha256(name.encode('utf-8', 'surrogateescape')).digest()
  return jax.random.fold_in(jax.random.key(seed), int.from_bytes(digest[:4], 'little'))


def _adam(preset: Preset):
  return optax.scale_by_adam(preset.adam_b1, preset.adam_b2)


def init(prior: Prior, preset: Preset, problem: Problem) -> State:
  """One image's start: at w_avg, with noise maps drawn from N(0, 1), or zero."""
  latent = spaces.start(preset.space, prior.w_avg, prior.generator.config)
  noise = prior.generator.synthesis.noise_random(jax.random.fold_in(problem.key, 0))
  if preset.noise_maps != 'optimised':
    noise = jax.tree.map(jnp.zeros_like, noise)
  adam = _adam(preset).init(_params(preset, latent, noise))
  return State(latent, noise, adam, jnp.int32(0))


def _params(preset: Preset, latent: jax.Array, noise: Noise):
  """What Adam changes."""
  return latent, {} if preset.noise_maps == 'zero' else noise


class Draws(NamedTuple):
  """The randomness of one step."""

  w_noise: jax.Array  # like the latent, N(0, 1)
  key: jax.Array  # for the degradation


def draw(problem: Problem, state: State) -> Draws:
  """Draws what one step needs; the same for the same image and step wherever it runs."""
  key = jax.random.fold_in(jax.random.fold_in(problem.key, 1), state.step)
  w_key, degradation_key = jax.random.split(key)
  return Draws(jax.random.normal(w_key, state.latent.shape, jnp.float32), degradation_key)


def step(
  prior: Prior,
  preset: Preset,
  problem: Problem,
  target: objective.Target,
  state: State,
  draws: Draws,
) -> tuple[State, objective.Terms]:
  """One step of Adam on the latent and the noise maps of one image.

  Returns:
    The new state, and the terms of the loss at the old one.
  """
  hyper = problem.hyper
  t = jnp.float32(state.step) / jnp.float32(hyper.num_steps)
  strength = prior.w_std * hyper.w_noise * schedules.w_noise_factor(t, preset.w_noise_ramp)

  is_normal = preset.noise_maps == 'optimised'
  penalty = objective.autocorrelation if is_normal else objective.energy

  def loss(params):
    latent, noise = params[0], params[1] or state.noise
    # Each row of W+ and W++ gets a noise of its own, as W's single row does.
    rows = spaces.rows(latent + draws.w_noise * strength, prior.generator.config.num_ws)
    image = problem.degradation.model(prior.generator.synthesis(rows, noise), draws.key)
    features = objective.features(prior.perceptual, image, target.visible)
    terms = objective.Terms(
      perceptual=prior.perceptual.distance(features, target.features),
      pixel=hyper.pixel_weight * objective.pixel_distance(image, target),
      noise=hyper.noise_reg_weight * penalty(params[1]),
      latent=hyper.latent_dist_reg_weight * objective.latent_distance(latent, prior.w_avg),
    )
    return terms.loss, terms

  params = _params(preset, state.latent, state.noise)
  gradient, terms = jax.grad(loss, has_aux=True)(params)
  with jax.numpy_dtype_promotion('standard'):  # optax raises a float to an integer step
    update, adam = _adam(preset).update(gradient, state.adam)
  rate = hyper.learning_rate * schedules.learning_rate_factor(
    t, preset.lr_rampup, preset.lr_rampdown
  )
  latent, noise = jax.tree.map(lambda p, u: p - rate * u, params, update)
  noise = (objective.normalize_noise(noise) if is_normal else noise) or state.noise
  return State(latent, noise, adam, state.step + 1), terms


def _advance(prior: Prior, preset: Preset, num_steps: int, problem: Problem, state: State):
  """`num_steps` steps of one image, or as many of them as it still has to take."""
  target = objective.target(prior.perceptual, problem.target, problem.visible)

  def body(state, _):
    # Under vmap this turns into a selection; alone, finished images cost nothing.
    idle = objective.Terms(*[jnp.float32(jnp.nan)] * 4)
    return jax.lax.cond(
      state.step < problem.hyper.num_steps,
      lambda s: step(prior, preset, problem, target, s, draw(problem, s)),
      lambda s: (s, idle),
      state,
    )

  return jax.lax.scan(body, state, length=num_steps)


def _render(prior: Prior, state: State) -> jax.Array:
  rows = spaces.rows(state.latent, prior.generator.config.num_ws)
  return prior.generator.synthesis(rows, state.noise)


def _each(function, *batched):
  """Applies a function of one image to a batch, on one device."""
  if jax.default_backend() == 'cpu':
    return jax.lax.map(lambda args: function(*args), batched)
  return jax.vmap(function)(*batched)


def _over_devices(function, prior, *batched):
  """Applies a function of (prior, batch) to slices of the batch, one per local device."""
  devices = jax.local_devices()
  # Explicit axes would break the convolutions under vmap.
  axis_types = (jax.sharding.AxisType.Auto,)
  mesh = jax.make_mesh((len(devices),), ('images',), axis_types=axis_types, devices=devices)
  spec = PartitionSpec('images')
  specs = (PartitionSpec(), *[spec] * len(batched))
  return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=spec, check_vma=False)(
    prior, *batched
  )


@functools.partial(jax.jit, static_argnums=(1,))
def _init_batch(prior, preset, problems):
  return _over_devices(
    lambda prior, problems: _each(functools.partial(init, prior, preset), problems),
    prior,
    problems,
  )


@functools.partial(jax.jit, static_argnums=(1, 2), donate_argnums=(4,))
def _advance_batch(prior, preset, num_steps, problems, states):
  def advance(prior, problems, states):
    frozen = jax.tree.map(freeze, prior, is_leaf=lambda x: isinstance(x, nnx.Module))
    return _each(functools.partial(_advance, frozen, preset, num_steps), problems, states)

  return _over_devices(advance, prior, problems, states)


@jax.jit
def _render_batch(prior, states):
  return _over_devices(
    lambda prior, states: _each(functools.partial(_render, prior), states), prior, states
  )


def stack(problems: list[Problem]) -> Problem:
  """A batch from single problems of equal size whose degradations have the same operators."""

  def column(field):
    values = [getattr(problem, field) for problem in problems]
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *values)

  return Problem(
    target=column('target'),
    visible=column('visible'),
    degradation=degradations.stack([problem.degradation for problem in problems]),
    hyper=column('hyper'),
    key=column('key'),
  )


class Progress(NamedTuple):
  """What `run` tells between chunks."""

  step: int
  terms: objective.Terms  # [N, step], NaN where an image had finished
  render: Callable[[], np.ndarray]  # () -> [N, H, W, 3]


def run(
  prior: Prior,
  preset: Preset,
  problems: Problem,
  on_progress: Callable[[Progress], None] | None = None,
  chunk_steps: int = CHUNK_STEPS,
) -> Restoration:
  """Optimises a batch to the end.

  Args:
    prior: networks and statistics.
    preset: what is alike for all images.
    problems: a batch ([N] leading every leaf); hyper-parameters may differ within it.
    on_progress: called after every chunk of steps; may raise to stop.
    chunk_steps: the longest run between two calls of it.

  Returns:
    The restorations, [N] leading every leaf. Where images have fewer steps than the longest one
    of the batch, `loss` repeats their last value.
  """
  count = problems.target.shape[0]
  padding = -count % len(jax.local_devices())
  problems = jax.tree.map(lambda x: _pad(x, padding), problems)
  total = int(jnp.max(problems.hyper.num_steps))
  chunks = max(1, -(-total // chunk_steps))
  length = -(-total // chunks)
  states = _init_batch(prior, preset, problems)
  history: list[objective.Terms] = []
  for chunk in range(chunks):
    states, terms = _advance_batch(prior, preset, length, problems, states)
    history.append(jax.tree.map(lambda x: np.asarray(x)[:count], terms))
    if on_progress is not None:
      so_far = _joined(history)

      def render(states=states):
        return np.asarray(_render_batch(prior, states))[:count]

      on_progress(Progress(min((chunk + 1) * length, total), so_far, render))
  image = _render_batch(prior, states)
  keep = functools.partial(jax.tree.map, lambda x: x[:count])
  terms = jax.tree.map(lambda x: _last_repeated(x[:, :total]), _joined(history))
  return Restoration(
    keep(image), keep(states.latent), keep(states.noise), terms.loss, terms, settled_at(terms.loss)
  )


def _pad(x, padding):
  """Repeats the last element of a batch."""
  return jnp.concatenate([x, jnp.repeat(x[-1:], padding, axis=0)]) if padding else x


def _joined(history):
  return jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *history)


def _last_repeated(curves: np.ndarray) -> np.ndarray:
  """Replaces the NaNs after an image's end by its last value; [N, num_steps]."""
  last = np.maximum(np.sum(~np.isnan(curves), axis=1), 1) - 1
  steps = np.minimum(np.arange(curves.shape[1])[None], last[:, None])
  return np.take_along_axis(curves, steps, axis=1)


def settled_at(loss: np.ndarray) -> np.ndarray:
  """First step after which the loss stays within 1 % of its final value; [N, T] -> [N] int."""
  final = loss[:, -1:]
  outside = np.abs(loss - final) > SETTLED_WITHIN * np.abs(final)
  steps = np.arange(1, loss.shape[1] + 1)[None]
  return np.max(np.where(outside, steps, 0), axis=1)
