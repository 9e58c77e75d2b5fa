"""StyleGAN inversion: latents, noise maps and the unknown of degradations, by gradient descent.

For one image; `batch` and `continuous` map the solver over many.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from ganjax.inversion import losses, schedules, spaces
from ganjax.inversion.presets import Hyper, Preset
from ganjax.inversion.problem import Prior, Problem
from ganjax.inversion.solver import Solution
from ganjax.models.generator import Noise
from ganjax.models.layers import freeze

MISFIT_DRAWS = 4  # of a degradation's noise, which `misfit` is averaged over


class InversionState(NamedTuple):
  """Where one image's optimisation stands."""

  latent: Float[Array, '*latent']  # of the phase's space
  noise: Noise
  free: dict[str, Float[Array, '...']]  # the degradation's unknown parameters, unconstrained
  optimiser: optax.OptState
  step: Int[Array, '']
  end: Int[Array, '']  # the step at which the current phase will be over
  settling: schedules.Settling


@dataclasses.dataclass(frozen=True)
class StyleGANInversion:
  """One phase of a preset; a `Solver`."""

  preset: Preset
  phase: int = 0

  images_per_device: ClassVar[int | None] = None

  def frozen(self, prior: Prior) -> Prior:
    return jax.tree.map(freeze, prior, is_leaf=lambda x: isinstance(x, nnx.Module))

  def init(self, prior: Prior, problem: Problem, before: InversionState | None) -> InversionState:
    if before is not None:
      return self._begin(prior, problem, before.latent, before.noise, before.free, before.step)
    free = problem.degradation.free()
    return self._begin(
      prior, problem, problem.start, self._noise(prior, problem), free, jnp.int32(0)
    )

  def _noise(self, prior: Prior, problem: Problem) -> Noise:
    """The noise maps before the first step."""
    synthesis = prior.generator.synthesis
    if self.preset.noise_maps == 'optimised':
      return synthesis.noise_random(jax.random.fold_in(problem.key, 0))
    noise = synthesis.noise_const()
    return noise if self.preset.noise_maps == 'const' else jax.tree.map(jnp.zeros_like, noise)

  def _begin(self, prior, problem, latent, noise, free, step) -> InversionState:
    latent = self.preset.phases[self.phase].space.enter(latent, prior.generator.config)
    return InversionState(
      latent,
      noise,
      free,
      _optimiser(self.preset).init(_params(self.preset, latent, noise, free)),
      step,
      _phase_end(self.preset, self.phase, problem.hyper.num_steps, step),
      schedules.Settling.create(),
    )

  def prepare(self, prior: Prior, problem: Problem) -> losses.Target:
    return target(prior, self.preset, problem)

  def step(
    self, prior: Prior, problem: Problem, prepared: losses.Target, state: InversionState
  ) -> tuple[InversionState, losses.Terms]:
    return step(prior, self.preset, self.phase, problem, prepared, state, draw(problem, state))

  def steps_left(self, problem: Problem, state: InversionState) -> Int[Array, '']:
    del problem
    return state.end - state.step

  def image(self, prior: Prior, state: InversionState) -> Float[Array, 'h w 3']:
    space = self.preset.phases[self.phase].space
    return prior.generator.synthesis(space.rows(state.latent, prior.generator.config), state.noise)

  def solution(self, problem: Problem, state: InversionState) -> Solution:
    return Solution(state.latent, state.noise, problem.degradation.bind(state.free))

  def differences(self, prior: Prior, states: InversionState) -> None:
    del prior, states


def normalised() -> optax.GradientTransformation:
  """Steps of one length along every vector (Poirier-Ginter and Lalonde 2023).

  g / ‖g‖ over the last axis; where that is no number, 0.
  """

  def update(gradients, state, params=None):
    del params
    return jax.tree.map(
      lambda g: jnp.nan_to_num(
        g / jnp.linalg.norm(g, axis=-1, keepdims=True), nan=0.0, posinf=0.0, neginf=0.0
      ),
      gradients,
    ), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _optimiser(preset: Preset) -> optax.GradientTransformation:
  if preset.optimiser == 'normalised':
    return normalised()
  return optax.scale_by_adam(preset.adam_b1, preset.adam_b2)


def _phase_end(preset: Preset, phase: int, num_steps, step) -> Int[Array, '']:
  """The step at which a phase that begins now ends; the last one takes the rounding."""
  shares = [p.share for p in preset.phases]
  before, after = (sum(shares[:i]) / sum(shares) for i in (phase, phase + 1))
  total = jnp.float32(num_steps)
  return step + jnp.int32(total * after + 0.5) - jnp.int32(total * before + 0.5)


def _params(preset: Preset, latent: jax.Array, noise: Noise, free: dict[str, jax.Array]):
  """What the optimiser changes."""
  return latent, noise if preset.noise_maps in ('optimised', 'free') else {}, free


class Draws(NamedTuple):
  """The randomness of one step."""

  w_noise: Float[Array, '*latent']  # like the latent, N(0, 1)
  key: Key[Array, '']  # for the degradation


def draw(problem: Problem, state: InversionState) -> Draws:
  """Draws what one step needs; the same for the same image and step wherever it runs."""
  key = jax.random.fold_in(jax.random.fold_in(problem.key, 1), state.step)
  w_key, degradation_key = jax.random.split(key)
  return Draws(jax.random.normal(w_key, state.latent.shape, jnp.float32), degradation_key)


def target(prior: Prior, preset: Preset, problem: Problem) -> losses.Target:
  """What the synthesised image is compared with; computed once for many steps."""
  prepared = _prepared(prior, preset, problem, problem.target)
  if preset.pixels == 'squares':
    return prepared
  synthesis = prior.generator.synthesis
  average = spaces.W().rows(prior.w_avg[None], prior.generator.config)
  observations = losses.effective_rank(
    problem.degradation.bind(problem.degradation.free()),
    synthesis(average, synthesis.noise_const()),
    problem.visible,
    jax.random.fold_in(problem.key, 4),
  )
  return prepared._replace(observations=observations)


def _prepared(
  prior: Prior, preset: Preset, problem: Problem, image: Float[Array, 'h w 3']
) -> losses.Target:
  """A degraded image as a target with the problem's holes."""
  fill_key = jax.random.fold_in(problem.key, 3)
  return losses.target(prior.perceptual, preset.comparison, image, problem.visible, fill_key)


def _weighted(preset: Preset, hyper: Hyper, pixel: Float[Array, '']) -> Float[Array, '']:
  """The loss's pixel term for a distance."""
  is_likelihood = preset.pixels == 'likelihood'
  return hyper.pixel_weight * (losses.gaussian_nll(pixel) if is_likelihood else pixel)


def misfit(
  prior: Prior, preset: Preset, problem: Problem, image: Float[Array, 'h w 3']
) -> Float[Array, '']:
  """How badly an image explains the degraded one, beyond what noise would make of it anyway.

  The loss's perceptual and pixel terms, from whose distances is taken how far the image,
  degraded, lies from itself, degraded with other noise: under noise even the truth has such a
  misfit, and it would hide what a worse image lacks.

  Args:
    prior: networks.
    preset: how images are compared.
    problem: one image, of whose degradation everything is known.
    image: [H, W, 3], not degraded.

  Returns:
    Scalar, 0 or more.
  """
  prepared = _prepared(prior, preset, problem, problem.target)

  def beyond_noise(key):
    key, other_key = jax.random.split(key)
    drawn, expected = problem.degradation.drawn_and_expected(image, key)
    other = _prepared(prior, preset, problem, problem.degradation.model(image, other_key))
    found, floor = (
      jnp.stack(losses.distances(prior.perceptual, preset.comparison, drawn, expected, target))
      for target in (prepared, other)
    )
    return found - floor

  keys = jax.random.split(jax.random.fold_in(problem.key, 5), MISFIT_DRAWS)
  distances = jnp.mean(jax.lax.map(beyond_noise, keys), axis=0)
  perceptual, pixel = jnp.maximum(distances, 0.0)
  return perceptual + _weighted(preset, problem.hyper, pixel)


def step(
  prior: Prior,
  preset: Preset,
  phase: int,
  problem: Problem,
  target: losses.Target,
  state: InversionState,
  draws: Draws,
) -> tuple[InversionState, losses.Terms]:
  """One step on the latent, the noise maps and what is unknown of the degradation, of one image.

  Returns:
    The new state, and the terms of the loss at the old one.
  """
  hyper, space = problem.hyper, preset.phases[phase].space
  num_steps = jnp.float32(hyper.num_steps)
  t = jnp.float32(state.step) / num_steps
  left = jnp.float32(state.end - state.step) / num_steps
  strength = prior.w_std * hyper.w_noise * schedules.w_noise_factor(t, preset.w_noise_ramp)

  is_normal = preset.noise_maps == 'optimised'
  penalty = losses.autocorrelation if is_normal else losses.energy

  def loss(params):
    latent, noise = params[0], params[1] or state.noise
    # Each row of W+ and W++ gets a noise of its own, as W's single row does.
    rows = space.rows(latent + draws.w_noise * strength, prior.generator.config)
    degradation = problem.degradation.bind(params[2])
    image = prior.generator.synthesis(rows, noise)
    perceptual, pixel = losses.distances(
      prior.perceptual,
      preset.comparison,
      *degradation.drawn_and_expected(image, draws.key),
      target,
    )
    latent_share = 1.0
    if preset.pixels == 'likelihood':
      latent_share = latent.shape[0] * latent.shape[-1] / target.observations
    distance = space.distance(latent, prior.latent_distances[preset.latent_distance])
    latent_weight = hyper.latent_dist_reg_weight * preset.phases[phase].latent_weight
    terms = losses.Terms(
      perceptual=perceptual,
      pixel=_weighted(preset, hyper, pixel),
      noise=hyper.noise_reg_weight * penalty(params[1]),
      latent=latent_weight * latent_share * distance,
    )
    return terms.loss, terms

  params = _params(preset, state.latent, state.noise, state.free)
  gradient, terms = jax.grad(loss, has_aux=True)(params)
  with jax.numpy_dtype_promotion('standard'):  # optax raises a float to an integer step
    update, optimiser = _optimiser(preset).update(gradient, state.optimiser)
  rate = hyper.learning_rate * schedules.learning_rate_factor(
    t, left, preset.lr_rampup, preset.lr_rampdown
  )
  rate *= preset.phases[phase].rate
  latent, noise, free = jax.tree.map(lambda p, u: p - rate * u, params, update)
  noise = (losses.normalize_noise(noise) if is_normal else noise) or state.noise
  settling, settled = state.settling.update(terms.loss, hyper.settled_within)
  # What has settled only has its ramp-down left.
  early = state.step + 1 + jnp.int32(preset.lr_rampdown * num_steps)
  end = jnp.where(settled, jnp.minimum(state.end, early), state.end)
  return InversionState(latent, noise, free, optimiser, state.step + 1, end, settling), terms
