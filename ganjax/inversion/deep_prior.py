"""The deep image prior (Ulyanov et al. 2018): an untrained network is fitted to one image.

Every image has a network of its own. The network shows what is natural in an image before it shows
what is wrong with it, so when to stop is half of the method (`Rule`).
"""

import dataclasses
import functools
from typing import ClassVar, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ganjax import degradations
from ganjax.choices import PriorLoss as Loss
from ganjax.choices import Stopping as Rule
from ganjax.inversion.solver import Solution
from ganjax.models.hourglass import Hourglass, HourglassConfig
from ganjax.models.initialisation import abstract
from ganjax.ops import optimisers

LOSSES: tuple[Loss, ...] = get_args(Loss)

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
  """One image to explain."""

  target: jax.Array  # [h, w, 3] in [-1, 1], as `degradation` gives it
  visible: jax.Array  # [h, w, 1], 0 in holes
  truth: jax.Array  # [H, W, 3] in [-1, 1], for `DeepPriorTerms.mse` alone; zeros if unknown
  degradation: degradations.Operator
  hyper: DeepPriorHyper
  key: jax.Array


class Stopping(NamedTuple):
  """Watches the outputs, and keeps the image of the best step so far."""

  outputs: jax.Array  # [WINDOW, …], the last outputs, averaged down
  least: jax.Array  # the smallest variance so far
  at: jax.Array  # int32, the best step; 0 before there is one
  image: jax.Array  # the running mean of outputs at that step


class DeepPriorState(NamedTuple):
  """Where one image's fit stands."""

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
  chosen_at: np.ndarray  # the step whose image it is
  num_steps: np.ndarray  # how many were taken


@dataclasses.dataclass(frozen=True)
class DeepImagePrior:
  """A network of one architecture, fitted to images of one size; a `Solver` without a prior."""

  config: HourglassConfig
  loss: Loss
  height: int  # of the restored image
  width: int
  rule: Rule = 'last'

  images_per_device: ClassVar[int | None] = None

  def frozen(self, prior: tuple) -> tuple:
    return prior

  def init(self, prior: tuple, problem: DeepPriorProblem, before: None) -> DeepPriorState:
    """A random network and a random input."""
    del prior, before
    network_key, input_key = jax.random.split(jax.random.fold_in(problem.key, 0))
    params = nnx.state(Hourglass(self.config, rngs=nnx.Rngs(network_key)))
    shape = (*self._padded(), self.config.in_channels)
    draw = {'normal': jax.random.normal, 'uniform': jax.random.uniform}[self.config.input]
    z = problem.hyper.input_noise * draw(input_key, shape, jnp.float32)
    blank = jnp.zeros((self.height, self.width, 3))
    outputs = jnp.zeros((WINDOW, *_watched(blank).shape))
    stopping = Stopping(outputs, jnp.float32(jnp.inf), jnp.int32(0), blank)
    return DeepPriorState(params, optimisers.adam_init(params), z, blank, jnp.int32(0), stopping)

  def _padded(self) -> tuple[int, int]:
    """The network's size: sides that are multiples of its factor."""
    factor = self.config.factor
    return -(-self.height // factor) * factor, -(-self.width // factor) * factor

  def prepare(self, prior: tuple, problem: DeepPriorProblem) -> None:
    del prior, problem

  def step(
    self, prior: tuple, problem: DeepPriorProblem, prepared: None, state: DeepPriorState
  ) -> tuple[DeepPriorState, DeepPriorTerms]:
    """One step of Adam on one image's network."""
    del prior, prepared
    hyper = problem.hyper
    key = jax.random.fold_in(jax.random.fold_in(problem.key, 1), state.step)
    input_key, _ = jax.random.split(key)
    z = state.z + hyper.perturbation * jax.random.normal(input_key, state.z.shape, jnp.float32)

    def loss(params):
      image = nnx.merge(_graph(self.config), params)(z)[: self.height, : self.width]
      degraded = problem.degradation.expected(image)
      value = distance(self.loss, degraded, problem.target, problem.visible)
      return value, (image, distance('l2', degraded, problem.target, problem.visible))

    (value, (image, misfit)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    params, adam = optimisers.adam_update(gradient, state.adam, state.params, hyper.learning_rate)
    weight = jnp.where(state.step == 0, 0.0, hyper.averaging)
    average = weight * state.average + (1 - weight) * image
    within_noise = misfit <= jnp.square(2 * hyper.sigma)
    stopping, variance = _watch(self.rule, state.stopping, image, average, within_noise, state.step)
    mse = jnp.mean(jnp.square(average - problem.truth)) / 4
    state = DeepPriorState(params, adam, state.z, average, state.step + 1, stopping)
    return state, DeepPriorTerms(value, variance, mse)

  def steps_left(self, problem: DeepPriorProblem, state: DeepPriorState) -> jax.Array:
    """None once the best step is long past."""
    hyper, stopping = problem.hyper, state.stopping
    waited = (stopping.at > 0) & (state.step - stopping.at >= hyper.patience)
    return jnp.where((hyper.patience > 0) & waited, 0, hyper.num_steps - state.step)

  def image(self, prior: tuple, state: DeepPriorState) -> jax.Array:
    """The running mean of outputs, at the step that the rule chooses of those so far."""
    del prior
    if self.rule == 'last':
      return state.average
    # A run shorter than the window has no variance, and the noise may never be reached.
    return jnp.where(state.stopping.at == 0, state.average, state.stopping.image)

  def solution(self, problem: DeepPriorProblem, state: DeepPriorState) -> Solution:
    at = state.stopping.at
    chosen = state.step if self.rule == 'last' else jnp.where(at == 0, state.step, at)
    return Solution(None, {}, problem.degradation, chosen)

  def differences(self, prior: tuple, states: DeepPriorState) -> None:
    del prior, states


def psnr_curve(terms: DeepPriorTerms) -> np.ndarray:
  """PSNR in dB of the running mean of outputs against the truth, for every step."""
  return -10 * np.log10(np.maximum(terms.mse, 1e-12))


@functools.cache
def _graph(config: HourglassConfig) -> nnx.GraphDef:
  return nnx.split(abstract(Hourglass, config))[0]


def _watched(image: jax.Array) -> jax.Array:
  """A small copy of an output, for the variance over many of them."""
  factor = max(1, min(image.shape[:2]) // WATCHED_SIDE)
  height, width = (n // factor * factor for n in image.shape[:2])
  cells = image[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
  return jnp.mean(cells, axis=(1, 3))


def distance(kind: Loss, image: jax.Array, target: jax.Array, visible: jax.Array) -> jax.Array:
  """How far an image is from a target, over what is visible.

  'l2' and 'l1' are means over the visible values. 'kl' is the Kullback–Leibler divergence
  Σ p·log(p/q), where p and q are the target's and the image's values in [0, 1], raised by 1e-4
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
