"""Pivotal tuning (Roich et al. 2021): the generator itself is bent around a found latent.

Every image gets weights of its own; what is kept is the difference to the shared weights, in
float16. While an image is tuned, its weights, their gradient and Adam's two moments are in memory
beside the shared ones, five times the synthesis network: a device takes one image at a time.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from ganjax.inversion import losses
from ganjax.inversion.presets import Tuning
from ganjax.inversion.problem import Prior, Problem
from ganjax.inversion.solver import Solution
from ganjax.inversion.spaces import Space
from ganjax.inversion.stylegan import InversionState
from ganjax.models.generator import Noise
from ganjax.models.layers import freeze
from ganjax.weights import tuned


class TuningState(NamedTuple):
  """Where one image's tuning stands."""

  params: nnx.State  # of the synthesis network
  adam: optax.OptState
  latent: jax.Array  # of any space; it stays as it is
  noise: Noise  # likewise
  free: dict[str, jax.Array]  # likewise
  step: jax.Array  # int32, with those of the stages before
  taken: jax.Array  # int32, of this stage alone
  over: jax.Array  # bool: the image is near enough


@dataclasses.dataclass(frozen=True)
class PivotalTuning:
  """Adam on all parameters of the synthesis network but its stored noise maps; a `Solver`.

  The loss is the perceptual distance plus the mean squared difference of what is visible.
  """

  tuning: Tuning
  space: Space  # of the latents that are tuned around

  images_per_device: ClassVar[int | None] = 1

  def frozen(self, prior: Prior) -> Prior:
    """The generator stays as it is, since its parameters change."""
    perceptual = jax.tree.map(freeze, prior.perceptual, is_leaf=lambda x: isinstance(x, nnx.Module))
    return prior._replace(perceptual=perceptual)

  def init(self, prior: Prior, problem: Problem, before: InversionState | None) -> TuningState:
    if before is None:
      raise ValueError('pivotal tuning needs a latent: put an inversion before it')
    _, params, _ = tuned.split(prior.generator.synthesis)
    return TuningState(
      jax.tree.map(jnp.copy, params),
      self._adam().init(params),
      before.latent,
      before.noise,
      before.free,
      before.step,
      jnp.int32(0),
      jnp.bool_(False),
    )

  def _adam(self) -> optax.GradientTransformation:
    return optax.adam(self.tuning.learning_rate)

  def prepare(self, prior: Prior, problem: Problem) -> losses.Target:
    key = jax.random.fold_in(problem.key, 3)
    return losses.target(prior.perceptual, 'single', problem.target, problem.visible, key)

  def step(
    self, prior: Prior, problem: Problem, prepared: losses.Target, state: TuningState
  ) -> tuple[TuningState, losses.Terms]:
    graph, _, rest = tuned.split(prior.generator.synthesis)
    rows = self.space.rows(state.latent, prior.generator.config)
    key = jax.random.fold_in(jax.random.fold_in(problem.key, 4), state.taken)

    def loss(params):
      image = nnx.merge(graph, params, rest)(rows, state.noise)
      degradation = problem.degradation.bind(state.free)
      degraded, expected = degradation.drawn_and_expected(image, key)
      distance, pixel = losses.distances(prior.perceptual, 'single', degraded, expected, prepared)
      terms = losses.Terms(distance, pixel, jnp.float32(0), jnp.float32(0))
      return terms.loss, terms

    gradient, terms = jax.grad(loss, has_aux=True)(state.params)
    with jax.numpy_dtype_promotion('standard'):
      update, adam = self._adam().update(gradient, state.adam, state.params)
    over = terms.perceptual <= self.tuning.stop_at
    # What is near enough stays as it is.
    params = jax.tree.map(lambda p, u: jnp.where(over, p, p + u), state.params, update)
    return state._replace(
      params=params, adam=adam, step=state.step + 1, taken=state.taken + 1, over=over
    ), terms

  def steps_left(self, problem: Problem, state: TuningState) -> jax.Array:
    del problem
    return jnp.where(state.over, 0, self.tuning.num_steps - state.taken)

  def image(self, prior: Prior, state: TuningState) -> jax.Array:
    """Rendered from the difference that is kept, so that it gives this very image."""
    graph, shared, rest = tuned.split(prior.generator.synthesis)
    kept = jax.tree.map(
      lambda p, s: s + (p - s).astype(jnp.float16).astype(s.dtype), state.params, shared
    )
    rows = self.space.rows(state.latent, prior.generator.config)
    return nnx.merge(graph, kept, rest)(rows, state.noise)

  def solution(self, problem: Problem, state: TuningState) -> Solution:
    return Solution(state.latent, state.noise, problem.degradation.bind(state.free))

  def differences(self, prior: Prior, states: TuningState) -> list[dict[str, Any]]:
    """What to add to the synthesis network's parameters; see `weights.load_tuned`."""
    _, shared, _ = tuned.split(prior.generator.synthesis)
    return [
      tuned.difference(jax.tree.map(lambda x, i=i: x[i], states.params), shared)
      for i in range(states.step.shape[0])
    ]
