"""What solves an image's problem step by step; one protocol for all methods.

`StyleGANInversion`, `PivotalTuning` and `DeepImagePrior` are solvers. A method is a sequence of
them, its stages: each begins where the one before has ended. `batch.run` takes a whole batch
through them, `ContinuousBatch` a stream of images; neither knows what is solved.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from ganjax import degradations
from ganjax.models.generator import Noise
from ganjax.runtime.mapping import step_if
from ganjax.runtime.tracing import traced

Prior = Any  # a pytree that all images share, such as `problem.Prior`
Problem = Any  # a named tuple of arrays: one image to explain
State = Any  # a named tuple of arrays, one of whose fields is `step`
Terms = Any  # a named tuple of scalars, with `loss` as a field or property


class Solution(NamedTuple):
  """What a final state stands for, beside its image."""

  latent: Any  # array of the last space; None where there is no generator
  noise: Noise  # the noise maps that belong to it
  degradation: degradations.Operator  # what was unknown in it is known
  chosen_at: Any = None  # the step whose image it is, if not the last one


class Solver(Protocol):
  """One stage of a method, for one image. Hashable, since compiled programs depend on it.

  All but `differences` are pure functions of arrays, under jit and vmap.
  """

  @property
  def images_per_device(self) -> int | None:
    """How many images a device takes at once; None: as many as are in the batch."""

  def frozen(self, prior: Prior) -> Prior:
    """The prior in the form in which steps are quickest; computed once for many steps."""

  def init(self, prior: Prior, problem: Problem, before: State | None) -> State:
    """Where the stage begins; `before` is the final state of the stage before, if there is one."""

  def prepare(self, prior: Prior, problem: Problem) -> Any:
    """What all steps of a problem share, such as its target's features."""

  def step(
    self, prior: Prior, problem: Problem, prepared: Any, state: State
  ) -> tuple[State, Terms]:
    """One step; returns the new state, and the loss's terms at the old one."""

  def steps_left(self, problem: Problem, state: State) -> jax.Array:
    """How many steps the stage still has at most; int32, 0 or less once it is over."""

  def image(self, prior: Prior, state: State) -> jax.Array:
    """The image that a state stands for, [H, W, 3] in [-1, 1]."""

  def solution(self, problem: Problem, state: State) -> Solution:
    """What else it stands for; of one image, or of a batch."""

  def differences(self, prior: Prior, states: State) -> list[dict[str, Any]] | None:
    """How each image's network differs from the prior's, on the host; None if none does."""


def advance(
  solver: Solver,
  num_steps: int,
  prior: Prior,
  problem: Problem,
  active: jax.Array,
  state: State,
) -> tuple[State, Terms, jax.Array]:
  """`num_steps` steps of one image, or as many of them as its stage still has.

  Args:
    solver: the stage.
    num_steps: at most.
    prior: as `solver.frozen` gives it.
    problem: of one image.
    active: bool scalar; where it is False nothing is done, as in slots that no image occupies.
    state: to go on from.

  Returns:
    The new state; the terms [num_steps], NaN where there was nothing to do; the steps that are
    left.
  """
  prepared = solver.prepare(prior, problem)

  def step(state: State) -> tuple[State, Terms]:
    return solver.step(prior, problem, prepared, state)

  take, (_, terms) = traced(step, state)
  idle = jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), terms)

  def body(state: State, _: None) -> tuple[State, Terms]:
    return step_if(active & (solver.steps_left(problem, state) > 0), take, state, idle)

  state, terms = jax.lax.scan(body, state, length=num_steps)
  return state, terms, solver.steps_left(problem, state)
