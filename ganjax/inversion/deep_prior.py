"""The deep image prior (Ulyanov et al. 2018): an untrained network is fitted to one picture.

`init` and `step` are written for one image, which has a network of its own; `run` maps them over
many. The network shows what is natural in a picture before it shows what is wrong with it, so when
to stop is half of the method (`Rule`).
"""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ganjax import degradations
from ganjax.models.hourglass import Hourglass, HourglassConfig
from ganjax.ops import optimisers
from ganjax.runtime.mapping import map_images, step_if
from ganjax.runtime.sharding import pad, shard_images

Loss = Literal['l2', 'l1', 'kl']
LOSSES: tuple[Loss, ...] = get_args(Loss)
# Which step's picture is taken: the last one's; that at which the outputs vary least (Wang et al.
# 2021); or the first whose distance to the degraded picture is no larger than its noise (Morozov's
# discrepancy principle).
Rule = Literal['last', 'variance', 'noise']
RULES: tuple[Rule, ...] = get_args(Rule)

CHUNK_STEPS = 50
WINDOW = 100  # steps over which the output's variance is taken (Wang et al. 2021)
WATCHED_SIDE = 32  # px: the variance is that of outputs averaged down to about this size
KL_FLOOR = 1e-4


class DeepPriorHyper(NamedTuple):
  """Hyperparameters that can differ from image to image; scalars, or [N] for a batch."""

  num_steps: jax.Array | int = 1500
  learning_rate: jax.Array | float = 0.01
  # Of the fixed input: σ where that is normal; uniform ones lie in [0, input_noise).
  input_noise: jax.Array | float = 0.1
  perturbation: jax.Array | float = 1 / 30  # σ of what is added to it anew at every step
  averaging: jax.Array | float = 0.99  # of the running mean of outputs; 0 takes the last one
  patience: jax.Array | int = 0  # steps after the chosen one at which it ends; 0: never
  sigma: jax.Array | float = 0.0  # of the target's noise, in units of the [0, 1] range


class DeepPriorProblem(NamedTuple):
  """One picture to explain."""

  target: jax.Array  # [h, w, 3] in [-1, 1], as `degradation` gives it
  visible: jax.Array  # [h, w, 1], 0 in holes
  truth: jax.Array  # [H, W, 3] in [-1, 1], for `Terms.mse` alone; zeros where nobody knows it
  degradation: degradations.Operator
  hyper: DeepPriorHyper
  key: jax.Array


class Stopping(NamedTuple):
  """Watches the outputs, and keeps the picture of the best step so far."""

  outputs: jax.Array  # [WINDOW, …], the last outputs, averaged down
  least: jax.Array  # the smallest variance so far
  at: jax.Array  # int32, the best step; 0 before there is one
  image: jax.Array  # the running mean of outputs at that step


class DeepPriorState(NamedTuple):
  """Where one picture's fit stands."""

  params: nnx.State
  adam: optimisers.AdamState
  z: jax.Array  # [H, W, in_channels], the fixed input
  average: jax.Array  # [H, W, 3], the running mean of outputs
  step: jax.Array  # int32
  stopping: Stopping


class DeepPriorTerms(NamedTuple):
  """What a step tells."""

  loss: jax.Array
  variance: jax.Array  # of the last outputs; infinite in the first window
  mse: jax.Array  # of the running mean of outputs against the truth, of values in [0, 1]


class Fit(NamedTuple):
  """What came out; with a leading axis [N] for a batch."""

  image: np.ndarray  # [H, W, 3] in [-1, 1]: the running mean at the chosen step
  loss: np.ndarray  # [num_steps]
  variance: np.ndarray  # [num_steps]
  psnr: np.ndarray  # [num_steps], of the running mean of outputs against the truth, in dB
  chosen_at: np.ndarray  # the step whose picture it is
  num_steps: np.ndarray  # how many were taken


class DeepPriorSetup(NamedTuple):
  """What is the same for all pictures of a batch; hashable."""

  config: HourglassConfig
  loss: Loss
  height: int  # of the restored picture
  width: int
  rule: Rule


def padded(setup: DeepPriorSetup) -> tuple[int, int]:
  """The network's size: sides that are multiples of its factor."""
  factor = setup.config.factor
  return -(-setup.height // factor) * factor, -(-setup.width // factor) * factor


@functools.cache
def _graph(config: HourglassConfig) -> nnx.GraphDef:
  model = nnx.eval_shape(lambda: Hourglass(config, jax.random.key(0)))
  return nnx.split(model)[0]


def init(setup: DeepPriorSetup, problem: DeepPriorProblem) -> DeepPriorState:
  """One picture's start: a random network and a random input."""
  network_key, input_key = jax.random.split(jax.random.fold_in(problem.key, 0))
  params = nnx.state(Hourglass(setup.config, network_key))
  height, width = padded(setup)
  shape = (height, width, setup.config.in_channels)
  draw = {'normal': jax.random.normal, 'uniform': jax.random.uniform}[setup.config.input]
  z = problem.hyper.input_noise * draw(input_key, shape, jnp.float32)
  blank = jnp.zeros((setup.height, setup.width, 3))
  small = _watched(blank)
  stopping = Stopping(jnp.zeros((WINDOW, *small.shape)), jnp.float32(jnp.inf), jnp.int32(0), blank)
  return DeepPriorState(params, optimisers.adam_init(params), z, blank, jnp.int32(0), stopping)


def _watched(image: jax.Array) -> jax.Array:
  """A small copy of an output, for the variance over many of them."""
  factor = max(1, min(image.shape[:2]) // WATCHED_SIDE)
  height, width = (n // factor * factor for n in image.shape[:2])
  cells = image[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
  return jnp.mean(cells, axis=(1, 3))


def distance(kind: Loss, image: jax.Array, target: jax.Array, visible: jax.Array) -> jax.Array:
  """How far a picture is from a target, over what is visible.

  'l2' and 'l1' are means over the visible values. 'kl' is the Kullback–Leibler divergence
  Σ p·log(p/q), where p and q are the target's and the picture's values in [0, 1], raised by 1e-4
  and divided by their sum over the visible values, times the mean of the target's: like the
  others it is then of the size of a mean difference. Since it ignores the overall brightness, the
  squared difference of the two means is added.

  Args:
    kind: 'l2', 'l1' or 'kl'.
    image: [h, w, 3] in [-1, 1].
    target: likewise.
    visible: [h, w, 1], 0 in holes.
  """
  count = 3 * jnp.maximum(jnp.sum(visible), 1)
  if kind == 'l2':
    return jnp.sum(jnp.square(image - target) * visible) / count
  if kind == 'l1':
    return jnp.sum(jnp.abs(image - target) * visible) / count
  p, q = (jnp.clip((x + 1) / 2, 0, 1) + KL_FLOOR for x in (target, image))
  mass_p, mass_q = jnp.sum(p * visible), jnp.sum(q * visible)
  ratio = jnp.log(p * mass_q) - jnp.log(q * mass_p)
  divergence = jnp.sum(visible * p * ratio) / mass_p
  return divergence * mass_p / count + jnp.square((mass_p - mass_q) / count)


def step(
  setup: DeepPriorSetup, problem: DeepPriorProblem, state: DeepPriorState
) -> tuple[DeepPriorState, DeepPriorTerms]:
  """One step of Adam on one picture's network.

  Returns:
    The new state, and the loss at the old one.
  """
  hyper = problem.hyper
  key = jax.random.fold_in(jax.random.fold_in(problem.key, 1), state.step)
  input_key, _ = jax.random.split(key)
  z = state.z + hyper.perturbation * jax.random.normal(input_key, state.z.shape, jnp.float32)

  def loss(params):
    image = nnx.merge(_graph(setup.config), params)(z)[: setup.height, : setup.width]
    degraded = problem.degradation.expected(image)
    value = distance(setup.loss, degraded, problem.target, problem.visible)
    return value, (image, distance('l2', degraded, problem.target, problem.visible))

  (value, (image, misfit)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
  params, adam = optimisers.adam_update(gradient, state.adam, state.params, hyper.learning_rate)
  weight = jnp.where(state.step == 0, 0.0, hyper.averaging)
  average = weight * state.average + (1 - weight) * image
  within_noise = misfit <= jnp.square(2 * hyper.sigma)
  stopping, variance = _watch(setup.rule, state.stopping, image, average, within_noise, state.step)
  mse = jnp.mean(jnp.square(average - problem.truth)) / 4
  state = DeepPriorState(params, adam, state.z, average, state.step + 1, stopping)
  return state, DeepPriorTerms(value, variance, mse)


def _watch(
  rule: Rule,
  stopping: Stopping,
  image: jax.Array,
  average: jax.Array,
  within_noise: jax.Array,
  step: jax.Array,
) -> tuple[Stopping, jax.Array]:
  """Windowed moving variance (Wang et al. 2021, ES-WMV), and whether this step is the best."""
  outputs = stopping.outputs.at[step % WINDOW].set(_watched(image))
  variance = jnp.mean(jnp.var(outputs, axis=0))
  variance = jnp.where(step + 1 < WINDOW, jnp.inf, variance)
  better = variance < stopping.least
  if rule == 'noise':
    better = within_noise & (stopping.at == 0)
  return Stopping(
    outputs,
    jnp.where(better, variance, stopping.least),
    jnp.where(better, step + 1, stopping.at),
    jnp.where(better, average, stopping.image),
  ), variance


def is_finished(problem: DeepPriorProblem, state: DeepPriorState) -> jax.Array:
  """Whether one picture has taken all its steps, or the best of them is long past."""
  hyper, stopping = problem.hyper, state.stopping
  waited = (stopping.at > 0) & (state.step - stopping.at >= hyper.patience)
  return (state.step >= hyper.num_steps) | ((hyper.patience > 0) & waited)


def advance(
  setup: DeepPriorSetup, num_steps: int, problem: DeepPriorProblem, state: DeepPriorState
) -> tuple[DeepPriorState, DeepPriorTerms]:
  """Up to `num_steps` steps of one picture; terms [num_steps], NaN where it had finished."""

  def body(state, _):
    idle = DeepPriorTerms(*[jnp.float32(jnp.nan)] * len(DeepPriorTerms._fields))
    active = ~is_finished(problem, state)
    return step_if(active, functools.partial(step, setup, problem), state, idle)

  return jax.lax.scan(body, state, length=num_steps)


@functools.partial(jax.jit, static_argnums=(0,))
def _start(setup, problems):
  return shard_images(
    lambda _, problems: map_images(functools.partial(init, setup), problems), (), problems
  )


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(3,))
def _advance(setup, num_steps, problems, states):
  def function(_, problems, states):
    states, terms = map_images(functools.partial(advance, setup, num_steps), problems, states)
    return states, terms, map_images(is_finished, problems, states)

  return shard_images(function, (), problems, states)


class Progress(NamedTuple):
  """What `run` tells between chunks."""

  step: int
  loss: np.ndarray  # [N, step]
  images: Callable[[], np.ndarray]  # () -> [N, H, W, 3], the running means


def run(
  setup: DeepPriorSetup,
  problems: DeepPriorProblem,
  on_progress: Callable[[Progress], None] | None = None,
  chunk_steps: int = CHUNK_STEPS,
) -> Fit:
  """Fits a network to each picture of a batch.

  Args:
    setup: what is alike for all pictures.
    problems: a batch ([N] leading every leaf); hyperparameters may differ within it.
    on_progress: called after every chunk of steps; may raise to stop.
    chunk_steps: the length of a chunk.

  Returns:
    The fits, [N] leading every leaf; curves of pictures that ended early repeat their last value.
  """
  count = problems.target.shape[0]
  problems = pad(problems)
  states = _start(setup, problems)
  history: list[DeepPriorTerms] = []
  over = False
  while not over:
    states, terms, ended = _advance(setup, chunk_steps, problems, states)
    over = bool(np.all(ended))
    history.append(terms)
    if on_progress is not None:
      on_progress(_progress(states, history, count))
  chosen, image = states.stopping.at, states.stopping.image
  if setup.rule == 'last':
    chosen, image = states.step, states.average
  else:  # a run shorter than the window has no variance, and the noise may never be reached
    early = states.stopping.at == 0
    chosen = jnp.where(early, states.step, chosen)
    image = jnp.where(early[:, None, None, None], states.average, image)
  return Fit(
    np.asarray(image)[:count],
    _curve([t.loss for t in history])[:count],
    _curve([t.variance for t in history])[:count],
    -10 * np.log10(np.maximum(_curve([t.mse for t in history])[:count], 1e-12)),
    np.asarray(chosen)[:count],
    np.asarray(states.step)[:count],
  )


def _progress(states: DeepPriorState, history: list[DeepPriorTerms], count: int) -> Progress:
  loss = _curve([terms.loss for terms in history])[:count]
  return Progress(loss.shape[1], loss, lambda: np.asarray(states.average)[:count])


def _curve(parts: list[jax.Array]) -> np.ndarray:
  """Joins chunks [N, steps]; what is NaN at a curve's end repeats its last value."""
  joined = np.concatenate([np.asarray(part) for part in parts], axis=1)
  taken = np.sum(~np.isnan(joined), axis=1)
  places = np.minimum(np.arange(taken.max())[None], taken[:, None] - 1)
  return np.take_along_axis(joined, places, axis=1)
