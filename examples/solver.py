"""A new solver: random search, for degradations without a gradient.

    python examples/solver.py --degradation='downsample(factor=8)'

Each step moves the best latent so far as random faces differ from one another, and keeps what
explains the image best: an evolution strategy of the simplest kind. `inversion.run` takes batches
through it as through any other solver.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import support

import ganjax
from ganjax import inversion
from ganjax.inversion.perceptual import resize
from ganjax.inversion.solver import Solution


class SearchState(NamedTuple):
  latent: jax.Array  # [1, w_dim], the best so far
  loss: jax.Array
  reach: jax.Array  # of the search: the part of the way between two faces
  noise: Any  # the generator's own noise maps
  step: jax.Array


class SearchTerms(NamedTuple):
  loss: jax.Array


@dataclasses.dataclass(frozen=True)
class RandomSearch:
  """A (1 + population) evolution strategy in W; an `inversion.Solver`, for one image."""

  population: int = 8
  images_per_device = None

  def frozen(self, prior):
    return prior

  def init(self, prior, problem, before):
    noise = prior.generator.synthesis.noise_const()
    # Whatever the first step finds is better than nothing.
    return SearchState(
      problem.start[None], jnp.float32(jnp.inf), jnp.float32(1), noise, jnp.int32(0)
    )

  def prepare(self, prior, problem):
    return prior.perceptual.features(self._seen(prior, problem.target))

  def step(self, prior, problem, prepared, state):
    key = jax.random.fold_in(problem.key, state.step)
    z = jax.random.normal(key, (self.population, 2, prior.generator.config.z_dim))
    faces = jax.vmap(jax.vmap(prior.generator.mapping.w))(z)  # [population, 2, w_dim]
    moves = state.reach * (faces[:, 0] - faces[:, 1])
    candidates = state.latent[None] + moves[:, None]  # [population, 1, w_dim]

    def loss(latent):
      image = self.image(prior, state._replace(latent=latent))
      degraded = problem.degradation.model(image, problem.key)
      features = prior.perceptual.features(self._seen(prior, degraded))
      far = prior.latent_distances['euclidean'].of_rows(latent)
      weight = problem.hyper.latent_dist_reg_weight
      return prior.perceptual.distance(features, prepared) + weight * far

    losses = jax.lax.map(loss, candidates)
    best = jnp.argmin(losses)
    found = losses[best] < state.loss
    new = SearchState(
      jnp.where(found, candidates[best], state.latent),
      jnp.minimum(losses[best], state.loss),
      jnp.minimum(1.0, state.reach * jnp.where(found, 1.1, 0.95)),  # about one success in three
      state.noise,
      state.step + 1,
    )
    return new, SearchTerms(new.loss)

  def steps_left(self, problem, state):
    return problem.hyper.num_steps - state.step

  def image(self, prior, state):
    rows = inversion.SPACES['w'].rows(state.latent, prior.generator.config)
    return prior.generator.synthesis(rows, state.noise)

  def solution(self, problem, state):
    return Solution(state.latent, state.noise, problem.degradation)

  def differences(self, prior, states):
    return None

  def _seen(self, prior, image):
    return resize(image, *prior.perceptual.side(*image.shape[:2]))


def main(arguments=None):
  parser = support.parser(__doc__.splitlines()[0], num_steps=400)
  parser.add_argument('--degradation', default='downsample(factor=8)')
  flags = parser.parse_args(arguments)
  networks = ganjax.load(flags.weights)
  truth = support.load_faces(flags.input, networks, flags.align)
  damage = ganjax.parse_degradation(flags.degradation)
  degraded = [damage.true(image, jax.random.key(i)) for i, image in enumerate(truth)]

  prior = inversion.make_prior(networks)
  hyper = inversion.Hyper(num_steps=flags.num_steps, latent_dist_reg_weight=1.0)
  problems = [
    inversion.make_problem(prior, image, damage, str(i), 0, hyper)
    for i, image in enumerate(degraded)
  ]
  result = inversion.run(prior, [RandomSearch()], inversion.stack(problems))

  for loss in result.loss:
    print(f'loss {loss[0]:.3f} -> {loss[-1]:.3f}')
  support.write_sheet(
    flags.output / 'solver.png', list(zip(np.stack(degraded), result.image, truth, strict=True))
  )


if __name__ == '__main__':
  main()
